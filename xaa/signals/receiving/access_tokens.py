"""Our access tokens at a transmitter, by client credentials (RFC 6749 §4.4), kept until they are about to expire.

> In this case, the Receiver may obtain an access token using the Client Credentials Grant (SSF 1.0 §7.1.1)

Where tokens come from: the source's `token_endpoint`; otherwise the authorization server that the transmitter's
resource metadata (RFC 9728) names, if it is the transmitter itself or the trusted issuer. Any other one has to be
entered: a transmitter could otherwise have our secret sent to a server of its choice.
"""

import hashlib
import re
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from authz.outbound import Cause, OutboundError, Role, fetch, is_fetchable
from authz.protocol import strict_json
from xaa.models import SignalSource
from xaa.signals.receiving import keys
from xaa.trusted_issuers.discovery import metadata_addresses

OAUTH = "urn:ietf:rfc:6749"
# > All the SSF stream configuration management API operations MUST accept `ssf.manage` scope […] Read API operations
# > MUST accept `ssf.read` scope (CAEP interoperability §2.7.2), where there is no resource metadata.
USUAL_SCOPE = "ssf.manage ssf.read"
# Seconds before the end at which a token is renewed, and how long one of unknown lifetime is kept.
EARLY, UNKNOWN_LIFETIME, LONGEST = 30.0, 300.0, 86400.0
_RESOURCE_METADATA = re.compile(r'resource_metadata="([^"]{1,1024})"')
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{1,16384}")


class NoTokenError(Exception):
    """Why there is no access token, in words for administrators."""


@dataclass(frozen=True, slots=True)
class _Where:
    """Where tokens come from, and what is asked for there. `resource` is "" where none is known."""

    token_endpoint: str
    methods: tuple[str, ...]
    scope: str
    resource: str = ""


_kept: dict[tuple[str, ...], tuple[str, float]] = {}
_lock = Lock()


def token(source: SignalSource, about: Callable[[], Mapping[str, Any]]) -> str:
    """The token to use now. `about` asks for the transmitter's configuration. Raises `NoTokenError`, and
    `secrets_at_rest.WrongKeyError`.
    """
    secret = keys.opened_secret(source)
    if not secret:
        raise NoTokenError("We have no client secret there: enter one.")
    key = _key(source, secret)
    with _lock:
        found = _kept.get(key)
    if found is not None and time.monotonic() < found[1]:
        return found[0]
    made, lifetime = _asked(source, secret, _where(source, about))
    with _lock:
        # One for each source: what another secret or address gave is not used again.
        for old in [old for old in _kept if old[0] == key[0]]:
            del _kept[old]
        _kept[key] = made, time.monotonic() + max(lifetime - min(EARLY, lifetime / 2), 0)
    return made


def forget(source: SignalSource) -> None:
    """The transmitter does not take it any more; the next one is asked for."""
    with _lock:
        for key in [key for key in _kept if key[0] == str(source.pk)]:
            del _kept[key]


def _key(source: SignalSource, secret: str) -> tuple[str, ...]:
    digest = hashlib.sha256(secret.encode()).hexdigest()
    where = (source.token_endpoint, source.scope, keys.transmitter_of(source))
    return (str(source.pk), source.client_id, digest, *where)


def _where(source: SignalSource, ask: Callable[[], Mapping[str, Any]]) -> _Where:
    if source.token_endpoint:
        return _Where(source.token_endpoint, ("client_secret_basic",), source.scope or USUAL_SCOPE)
    about = ask()
    schemes = about.get("authorization_schemes")
    # > The Receiver will call the Transmitter APIs by providing appropriate credentials as per the `spec_urn`.
    named = [one.get("spec_urn") for one in schemes if isinstance(one, dict)] if isinstance(schemes, list) else [OAUTH]
    if OAUTH not in named:
        raise NoTokenError(f"Its configuration does not name OAuth ({OAUTH}) among its authorization_schemes.")
    resource = _resource(about.get("configuration_endpoint"))
    known = (keys.transmitter_of(source), source.issuer.issuer)
    servers = resource.get("authorization_servers", list(known))
    issuer = next((one for one in servers if one in known), None) if isinstance(servers, list) else None
    if issuer is None:
        raise NoTokenError("Its tokens come from another authorization server: enter its token endpoint.")
    found = _server(issuer)
    methods = found.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    return _Where(
        found["token_endpoint"],
        tuple(str(one) for one in methods) if isinstance(methods, list) else ("client_secret_basic",),
        source.scope or _scopes(resource),
        str(resource.get("resource", "")),
    )


def _scopes(resource: Mapping[str, Any]) -> str:
    # > If the Resource Server, hosting SSF configuration APIs, supports OAuth Protected Resource Metadata {{OPRM}} then
    # > the client MUST obtain the required scopes by using it. (CAEP interoperability §2.7.2)
    said = resource.get("scopes_supported")
    named = [one for one in said if isinstance(one, str) and one.startswith("ssf")] if isinstance(said, list) else []
    return " ".join(named[:20]) or USUAL_SCOPE


def _resource(endpoint: object) -> Mapping[str, Any]:
    """The metadata of the protected resource that the stream management is; empty where it has none."""
    if not isinstance(endpoint, str) or not is_fetchable(endpoint, Role.SIGNAL_TRANSMITTER):
        raise NoTokenError("Its configuration names no configuration_endpoint that this server calls.")
    try:
        fetch(Role.SIGNAL_TRANSMITTER, endpoint)
        return {}
    except OutboundError as error:
        said = _RESOURCE_METADATA.search(error.challenge)
    address = said.group(1) if said else ""
    if urlsplit(address)[:2] != urlsplit(endpoint)[:2]:
        return {}
    found = _document(address)
    resource = found.get("resource")
    # > If these values are not identical, the data contained in the response MUST NOT be used. (RFC 9728 §3.3) The
    # > resource is one with the endpoint below it.
    if not isinstance(resource, str) or not f"{endpoint}/".startswith(f"{resource.rstrip('/')}/"):
        raise NoTokenError(f"{address} is about another resource.")
    return found


def _server(issuer: str) -> Mapping[str, Any]:
    failure = ""
    for address in metadata_addresses(issuer):
        try:
            found = _document(address)
        except NoTokenError as error:
            failure = failure or str(error)
            continue
        endpoint = found.get("token_endpoint")
        if found.get("issuer") != issuer:
            raise NoTokenError(f"{address} is of another issuer.")
        if not isinstance(endpoint, str) or not is_fetchable(endpoint, Role.SIGNAL_TRANSMITTER):
            raise NoTokenError(f"{address} names no token_endpoint that this server calls.")
        return found
    raise NoTokenError(failure)


def _document(address: str) -> Mapping[str, Any]:
    try:
        return strict_json.read_object(fetch(Role.SIGNAL_TRANSMITTER, address).body)
    except OutboundError as error:
        raise NoTokenError(f"{address}: {_told(error)}") from None
    except strict_json.StrictJsonError as error:
        raise NoTokenError(f"{address}: {error.sentence}") from None


def _asked(source: SignalSource, secret: str, where: _Where) -> tuple[str, float]:
    form = {"grant_type": "client_credentials", "scope": where.scope}
    form |= {"resource": where.resource} if where.resource else {}
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if "client_secret_basic" in where.methods or "client_secret_post" not in where.methods:
        pair = f"{quote(source.client_id, safe='')}:{quote(secret, safe='')}".encode()
        headers["Authorization"] = f"Basic {b64encode(pair).decode('ascii')}"
    else:
        form |= {"client_id": source.client_id, "client_secret": secret}
    try:
        answer = fetch(Role.SIGNAL_TRANSMITTER, where.token_endpoint, headers=headers, body=urlencode(form).encode())
        found = strict_json.read_object(answer.body)
    except OutboundError as error:
        raise NoTokenError(f"Its token endpoint gives no token: {_told(error)}") from None
    except strict_json.StrictJsonError as error:
        raise NoTokenError(f"Its token endpoint's answer cannot be read: {error.sentence}") from None
    made, kind, lifetime = found.get("access_token"), found.get("token_type"), found.get("expires_in")
    # > The client MUST NOT use an access token if it does not understand the token type. (RFC 6749 §7.1)
    if not isinstance(made, str) or not _TOKEN.fullmatch(made) or str(kind).lower() != "bearer":
        raise NoTokenError("Its token endpoint's answer has no bearer token.")
    is_number = isinstance(lifetime, int | float) and not isinstance(lifetime, bool) and lifetime > 0
    return made, min(float(lifetime), LONGEST) if is_number else UNKNOWN_LIFETIME  # type: ignore[arg-type]


def _told(error: OutboundError) -> str:
    return f"{error.cause.sentence} ({error.status})" if error.cause is Cause.STATUS else error.cause.sentence
