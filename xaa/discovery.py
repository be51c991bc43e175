"""What a trusted issuer publishes of itself: where its keys are and where people sign in (OpenID Connect Discovery §4,
RFC 8414 §3).

Asked for when the issuer's configuration names no `jwks_uri`; kept in the process between bounds, errors for a short
while only. The host is the administrator's choice, yet it is asked through the one door out like everybody else's.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from authz.outbound import Cause, OutboundError, Role, errands, fetch
from authz.outbound.errands import Pool
from authz.protocol import strict_json

# Seconds.
FRESH = 3600.0
RETRY = 10.0
GRACE = 3600.0  # how long a known address serves after it went stale while the issuer's host is down
MAX_ENTRIES = 1000


class DiscoveryError(Exception):
    """The issuer's metadata cannot be used. The text is the cause, for operators."""


class MetadataUnreachableError(DiscoveryError):
    """The issuer's host does not answer, and nothing that it said before serves any more."""


class MetadataOnItsWayError(DiscoveryError):
    """Others wait for it already, so this request may not."""


@dataclass(frozen=True, slots=True)
class _Found:
    """`until` and `learnt` are of the clock that only moves forward."""

    metadata: Mapping[str, Any]
    failure: str
    until: float
    learnt: float
    is_down: bool = False


_found: dict[str, _Found] = {}


def jwks_uri(issuer: str) -> str:
    """The `jwks_uri` of the issuer's metadata. Raises DiscoveryError."""
    return str(_known(issuer)["jwks_uri"])


def metadata(issuer: str) -> Mapping[str, Any]:
    """The issuer's metadata, with the addresses that signing in takes. Raises DiscoveryError."""
    found = _known(issuer)
    for name in ("authorization_endpoint", "token_endpoint"):
        address = found.get(name)
        # Plain http only where the issuer itself is on this machine; the browser is sent there with the request.
        if not isinstance(address, str) or not address.startswith(("https://", f"{urlsplit(issuer).scheme}://")):
            raise DiscoveryError(f"metadata_without_{name}")
    return found


def _known(issuer: str) -> Mapping[str, Any]:
    known = _found.get(issuer)
    if known is None or time.monotonic() >= known.until:
        try:
            # One for each issuer, however many ask; an issuer that is slow to answer holds up no other.
            known = errands.result(Pool.ISSUERS, ("metadata", issuer), lambda: _renewed(issuer), party=_host(issuer))
        except errands.BusyError:
            raise MetadataOnItsWayError(Cause.BUSY.value) from None
    if known.failure:
        raise (MetadataUnreachableError if known.is_down else DiscoveryError)(known.failure)
    return known.metadata


def _renewed(issuer: str) -> _Found:
    """What the issuer says now, or for a while what was known before, if its host did not answer at all."""
    known = _found.get(issuer)
    if known is not None and time.monotonic() < known.until:
        return known
    answer = _ask(issuer)
    if answer.is_down and known is not None and known.metadata and time.monotonic() < known.learnt + FRESH + GRACE:
        answer = replace(known, until=time.monotonic() + RETRY)
    if len(_found) >= MAX_ENTRIES:
        _found.clear()
    _found[issuer] = answer
    return answer


def _host(issuer: str) -> str:
    return urlsplit(issuer).netloc


def forget(issuer: str) -> None:
    _found.pop(issuer, None)


def metadata_addresses(issuer: str) -> tuple[str, ...]:
    """Where the metadata of an issuer may stand, in the order of asking."""
    parts = urlsplit(issuer)
    # > any terminating "/" MUST be removed (RFC 8414 §3.1; OpenID Connect Discovery §4.1 says the same)
    path = parts.path.rstrip("/")
    origin = f"{parts.scheme}://{parts.netloc}"
    appended = f"{origin}{path}/.well-known/openid-configuration"
    inserted = f"{origin}/.well-known/oauth-authorization-server{path}"
    return appended, inserted


def _ask(issuer: str) -> _Found:
    failure, is_down = "", False
    for address in metadata_addresses(issuer):
        try:
            metadata = strict_json.read_object(fetch(Role.ISSUER_METADATA, address).body)
        except OutboundError as error:
            if error.cause in {Cause.BUSY, Cause.ABANDONED}:
                raise errands.BusyError from None  # nobody was asked to the end, so nothing failed
            failure = failure or f"metadata_{error.cause.value}"
            # One that does not answer might be the one which says it; what the other lacks proves nothing.
            is_down = is_down or error.is_down
            continue
        except strict_json.StrictJsonError:
            failure = "metadata_malformed"
            continue
        # > The issuer value returned MUST be identical to the Issuer URL that was directly used to retrieve the
        # > configuration information. (OpenID Connect Discovery §4.3)
        if metadata.get("issuer") != issuer:
            failure = "metadata_of_another_issuer"
            continue
        found = metadata.get("jwks_uri")
        if isinstance(found, str) and found:
            return _Found(metadata, "", time.monotonic() + FRESH, time.monotonic())
        failure = "metadata_without_jwks_uri"
    return _Found({}, failure, time.monotonic() + RETRY, 0.0, is_down)
