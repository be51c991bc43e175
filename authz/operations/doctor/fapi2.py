"""Whether the configuration is in the shape of the FAPI 2.0 Security Profile: `doctor --profile fapi2`.

One examination for each requirement on an authorization server (§5.3.2), in words of what to change. It reads the
configuration alone: it is no conformance test. mTLS is not offered here, so tokens are bound by DPoP.
"""

from collections.abc import Iterable, Iterator, Mapping

from authz.conf import conf
from authz.models import Client, ProtectedResource
from authz.operations.doctor.finding import ERROR, SHOWN, WARNING, Examination, Finding
from authz.registry import PUBLIC

# > shall use PS256, ES256, or EdDSA (using the Ed25519 variant) algorithms (§5.4.1)
STRONG = frozenset({"PS256", "ES256", "EdDSA"})
NAME = "fapi2"


def examinations() -> Mapping[str, Examination]:
    """What is examined, by the requirement's short name, in the profile's order."""
    return {
        "https alone": _https,
        "clients authenticate by private_key_jwt": _authentication,
        "keys of clients for PS256, ES256 or EdDSA": _client_keys,
        "tokens are bound to a key (DPoP)": _bound,
        "tokens signed with ES256 or EdDSA": _signatures,
        "requests are pushed (PAR)": _pushed,
        "PKCE with S256": _always,
        "response type code alone, no implicit and no password grant": _always,
        "iss in each authorization response": _always,
        "codes of 60 seconds, used once": _always,
        "request_uri of less than 600 seconds, used once": _always,
        "refresh tokens without rotation": _rotation,
        "the issuer alone as aud of client assertions": _audience,
    }


def _always() -> Iterator[Finding]:
    """What this server cannot do otherwise."""
    return iter(())


def _https() -> Iterator[Finding]:
    # > shall only offer TLS protected endpoints (§5.2.1)
    if not conf.issuer.startswith("https:"):
        yield Finding(ERROR, NAME, f"The issuer is {conf.issuer}.", "Set GATEHOUSE_ISSUER to an https URL.")
    if conf.plain_http_resources:
        hosts = ", ".join(sorted(conf.plain_http_resources))
        yield Finding(ERROR, NAME, f"Tokens may go to {hosts} unencrypted.", "Empty GATEHOUSE_PLAIN_HTTP_RESOURCES.")


def _approved() -> list[Client]:
    return list(Client.objects.filter(status=Client.Status.APPROVED).order_by("client_id"))


def _authentication() -> Iterator[Finding]:
    # > shall only support confidential clients […] shall authenticate clients using […] MTLS […] or private_key_jwt
    # > (§5.3.2.1)
    public = [row.client_id for row in _approved() if row.token_endpoint_auth_method == PUBLIC]
    secret = [row.client_id for row in _approved() if "secret" in row.token_endpoint_auth_method]
    do = "Give each a key, and set its token_endpoint_auth_method to private_key_jwt."
    if public:
        yield Finding(ERROR, NAME, f"Without authentication: {_some(public)}.", do)
    if secret:
        yield Finding(ERROR, NAME, f"With a secret: {_some(secret)}.", do)


def _client_keys() -> Iterator[Finding]:
    weak = [
        row.client_id
        for row in _approved()
        for key in (row.client_jwks or {}).get("keys", ())
        if key.get("kty") == "RSA" and key.get("alg") != "PS256"
    ]
    if weak:
        do = 'Put "alg": "PS256" on the key, or register one for ES256.'
        yield Finding(ERROR, NAME, f"An RSA key that may sign with RS256: {_some(dict.fromkeys(weak))}.", do)
    remote = [row.client_id for row in _approved() if row.client_jwks_uri]
    if remote:
        do = "Look at what they publish, or register their keys as jwks."
        yield Finding(WARNING, NAME, f"Keys at an address of the client: {_some(remote)}.", do)


def _bound() -> Iterator[Finding]:
    # > shall only issue sender-constrained access tokens […] using […] MTLS […] or DPoP (§5.3.2.1)
    loose = [row.client_id for row in _approved() if not row.dpop_bound_access_tokens]
    bearers = ProtectedResource.objects.filter(is_active=True, dpop_bound_access_tokens_required=False)
    servers = list(bearers.order_by("identifier").values_list("identifier", flat=True))
    # One of the two is enough, but for tokens without a resource, which are for /userinfo.
    if loose and servers:
        do = "Set dpop_bound_access_tokens of each agent, or dpop_bound_access_tokens_required of each MCP server."
        yield Finding(ERROR, NAME, f"Tokens of {_some(loose)} may be bearers’ at {_some(servers)}.", do)


def _signatures() -> Iterator[Finding]:
    weak = ProtectedResource.objects.filter(is_active=True).exclude(access_token_signing_alg__in=STRONG)
    if names := list(weak.order_by("identifier").values_list("identifier", flat=True)):
        do = "Set access_token_signing_alg to ES256, once the server verifies it."
        yield Finding(ERROR, NAME, f"RS256 signs the tokens of {_some(names)}.", do)


def _pushed() -> Iterator[Finding]:
    # > shall require PAR (§5.3.2.2)
    if conf.require_par:
        return
    loose = [
        row.client_id
        for row in _approved()
        if row.allows_grant_type("authorization_code") and not row.require_pushed_authorization_requests
    ]
    do = "Set GATEHOUSE_REQUIRE_PAR to 1, or require_pushed_authorization_requests of each agent."
    if loose:
        yield Finding(ERROR, NAME, f"Requests in the address are taken of {_some(loose)}.", do)


def _rotation() -> Iterator[Finding]:
    # > shall not use refresh token rotation except in extraordinary circumstances (§5.3.2.1)
    refreshing = [row.client_id for row in _approved() if row.allows_grant_type("refresh_token")]
    if refreshing:
        do = "This server always rotates, with a window for lost answers: register agents without refresh_token."
        yield Finding(WARNING, NAME, f"Refresh tokens of {_some(refreshing)} rotate.", do)


def _audience() -> Iterator[Finding]:
    # > shall only accept its issuer identifier value […] as a string in the aud claim received in client
    # > authentication assertions (§5.3.2.1)
    says = "The token endpoint’s address is accepted, too, beside codes, refresh tokens and pushed requests."
    yield Finding(WARNING, NAME, says, "Nothing: have your clients write the issuer. Decision 0092 says why.")


def _some(names: Iterable[str]) -> str:
    found = list(names)
    return ", ".join(found[:SHOWN]) + (f" and {len(found) - SHOWN} more" if len(found) > SHOWN else "")
