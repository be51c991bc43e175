"""What a trusted issuer publishes of itself: where its keys are and where people sign in (OpenID Connect Discovery §4,
RFC 8414 §3).

It is asked for when the issuer's configuration names no `jwks_uri`, and kept as its keys are, between bounds
(authz/outbound/remote_documents.py).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from authz.outbound import Cause, OutboundError, Role, remote_keys
from authz.outbound.errands import Pool
from authz.outbound.remote_documents import Answer, DocumentUnavailableError, NotObtainedError, ProcessCache, ask
from authz.protocol import strict_json

Metadata = Mapping[str, Any]

BOUNDS = replace(remote_keys.BOUNDS, minimum=300.0, default=3600.0)


def jwks_uri(issuer: str) -> str:
    """The `jwks_uri` of the issuer's metadata. Raises `DocumentUnavailableError`."""
    return str(_CACHE.get(issuer)["jwks_uri"])


def metadata(issuer: str) -> Metadata:
    """The issuer's metadata, with the addresses that signing in takes. Raises `DocumentUnavailableError`."""
    found = _CACHE.get(issuer)
    for name in ("authorization_endpoint", "token_endpoint"):
        address = found.get(name)
        # Plain http only where the issuer itself is on this machine; the browser is sent there with the request.
        if not isinstance(address, str) or not address.startswith(("https://", f"{urlsplit(issuer).scheme}://")):
            raise DocumentUnavailableError(f"metadata_without_{name}")
    return found


def forget(issuer: str) -> None:
    _CACHE.forget(issuer)


def metadata_addresses(issuer: str) -> tuple[str, ...]:
    """Where the metadata of an issuer may stand, in the order of asking."""
    parts = urlsplit(issuer)
    # > any terminating "/" MUST be removed (RFC 8414 §3.1; OpenID Connect Discovery §4.1 says the same)
    path = parts.path.rstrip("/")
    origin = f"{parts.scheme}://{parts.netloc}"
    appended = f"{origin}{path}/.well-known/openid-configuration"
    inserted = f"{origin}/.well-known/oauth-authorization-server{path}"
    return appended, inserted


def _request(issuer: str, held: Answer[Metadata] | None) -> Answer[Metadata]:
    """The metadata from the first address that has it."""
    failure, is_down = "", False
    for address in metadata_addresses(issuer):
        try:
            return ask(Role.ISSUER_METADATA, address, held, lambda body: _read(issuer, body))
        except OutboundError as error:
            if error.cause in {Cause.BUSY, Cause.ABANDONED}:
                raise
            failure = failure or f"metadata_{error.cause.value}"
            # One that does not answer might be the one which says it; what the other lacks proves nothing.
            is_down = is_down or error.is_down
        except NotObtainedError as error:
            failure = str(error)
    raise NotObtainedError(failure, is_withdrawn=not is_down, is_down=is_down)


def _read(issuer: str, body: bytes) -> Metadata:
    try:
        metadata = strict_json.read_object(body)
    except strict_json.StrictJsonError:
        raise NotObtainedError("metadata_malformed", is_withdrawn=True) from None
    # > The issuer value returned MUST be identical to the Issuer URL that was directly used to retrieve the
    # > configuration information. (OpenID Connect Discovery §4.3)
    if metadata.get("issuer") != issuer:
        raise NotObtainedError("metadata_of_another_issuer", is_withdrawn=True)
    found = metadata.get("jwks_uri")
    if not isinstance(found, str) or not found:
        raise NotObtainedError("metadata_without_jwks_uri", is_withdrawn=True)
    return metadata


_CACHE: ProcessCache[Metadata] = ProcessCache("issuer metadata", Pool.ISSUERS, BOUNDS, _request)
