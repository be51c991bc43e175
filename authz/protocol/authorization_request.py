"""The authorization request (RFC 6749 §4.1.1; OAuth 2.1 §4.1.1; OpenID Connect Core §3.1.2.1), judged without a person.

Two steps, because they fail in two ways: until client and redirect URI are known to belong together a failure is a page
(`redirect_uri`), afterwards it is a redirect (`read`).
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from authz.protocol import pkce, redirect_uris, scopes
from authz.protocol.dpop_proofs import is_thumbprint
from authz.protocol.errors import OAuthError, Reason, harmless
from authz.protocol.numbers import number
from authz.protocol.params import Params

MAXIMUM_STATE = 2048
MAXIMUM_NONCE = 512
MAXIMUM_ACR_VALUES = 512
# Seconds: thirty years.
MAXIMUM_AGE = 999_999_999
PROMPTS = frozenset({"none", "login", "consent", "select_account"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """What was asked for. `scopes` are the resource's, `identity_scopes` this server's; `resource` as it was sent."""

    redirect_uri: str
    state: str
    code_challenge: str
    resource: str | None
    scopes: tuple[str, ...]
    identity_scopes: tuple[str, ...]
    nonce: str
    prompt: frozenset[str]
    max_age: int | None
    acr_values: tuple[str, ...]
    login_hint: str
    dpop_jkt: str

    @property
    def is_sign_in_only(self) -> bool:
        """Nothing but who the person is: no resource is named, and every scope is this server's own.

        > If the openid scope value is not present, the behavior is entirely unspecified. (OpenID Connect Core §3.1.2.1)

        So `offline_access` alone, as claude.ai sends it where it knows of no scopes, asks for the default resource.
        """
        return self.resource is None and "openid" in self.identity_scopes and not self.scopes


def redirect_uri(params: Params, registered: Sequence[str]) -> str:
    """Where the answer may go, or a refusal that must be shown here and never redirected. Raises `OAuthError`.

    > the authorization server … MUST NOT automatically redirect the user agent to the invalid redirect URI (RFC 6749
    > §4.1.2.1)
    """
    asked = params.get("redirect_uri")
    if asked is None:
        # > If only one redirect URI is registered, it may be left out (OAuth 2.1 §4.1.1). A loopback one has no port
        # > yet.
        if len(registered) != 1 or redirect_uris.display(registered[0]).is_loopback:
            raise OAuthError(Reason.MISSING_PARAMETER, detail="redirect_uri")
        asked = registered[0]
    # > authorization servers MUST utilize exact string matching except for port numbers in localhost redirection URIs
    # > of native apps (RFC 9700 §2.1)
    elif not any(redirect_uris.matches(uri, asked) for uri in registered):
        raise OAuthError(Reason.REDIRECT_URI_UNREGISTERED, detail=_without_query(asked))
    # Registered or not: whatever way it came into the database, no browser is sent to a `javascript:` (attack 12).
    scheme = asked.partition(":")[0].lower()
    if redirect_uris.problem(asked, custom_schemes=frozenset({scheme})) is not None:
        raise OAuthError(Reason.REDIRECT_URI_UNREGISTERED, detail=_without_query(asked))
    return asked


def read(params: Params, *, redirect_uri: str, grant_types: Collection[str]) -> AuthorizationRequest:
    """The rest of the request. Raises `OAuthError` that goes to the redirect URI."""
    # > The OP … may return … request_not_supported / request_uri_not_supported (OpenID Connect Core §3.1.2.6)
    if "request" in params:
        raise OAuthError(Reason.REQUEST_OBJECT)
    if "request_uri" in params:
        raise OAuthError(Reason.REQUEST_URI)
    response_type = params.get("response_type")
    if response_type is None:
        raise OAuthError(Reason.MISSING_PARAMETER, detail="response_type")
    if response_type != "code":
        raise OAuthError(Reason.RESPONSE_TYPE_UNSUPPORTED, detail=harmless(response_type))
    if params.get("response_mode", "query") != "query":
        raise OAuthError(Reason.MALFORMED_PARAMETER, detail="response_mode")
    if "authorization_code" not in grant_types:
        raise OAuthError(Reason.GRANT_TYPE_NOT_REGISTERED, detail="authorization_code")
    challenge = pkce.check_request(params.get("code_challenge"), params.get("code_challenge_method"))
    own, identity = scopes.split(scopes.parse(params.get("scope")))
    return AuthorizationRequest(
        redirect_uri=redirect_uri,
        state=_bounded(params, "state", MAXIMUM_STATE),
        code_challenge=challenge,
        resource=params.get("resource"),
        scopes=own,
        identity_scopes=identity,
        nonce=_bounded(params, "nonce", MAXIMUM_NONCE),
        prompt=_prompt(params.get("prompt")),
        max_age=_seconds(params.get("max_age")),
        acr_values=tuple(_bounded(params, "acr_values", MAXIMUM_ACR_VALUES).split()),
        login_hint=params.get("login_hint", "")[:254],
        dpop_jkt=_thumbprint(params.get("dpop_jkt", "")),
    )


def _bounded(params: Params, name: str, length: int) -> str:
    value = params.get(name, "")
    if len(value) > length:
        raise OAuthError(Reason.MALFORMED_PARAMETER, detail=name)
    return value


def _thumbprint(dpop_jkt: str) -> str:
    # > the JWK Thumbprint […] of the proof-of-possession public key using the SHA-256 hash function (RFC 9449 §10)
    if dpop_jkt and not is_thumbprint(dpop_jkt):
        raise OAuthError(Reason.DPOP_JKT_MALFORMED)
    return dpop_jkt


def _prompt(prompt: str | None) -> frozenset[str]:
    values = frozenset((prompt or "").split())
    # > If this parameter contains none with any other value, an error is returned. (OpenID Connect Core §3.1.2.1)
    if ("none" in values and len(values) > 1) or not values <= PROMPTS:
        raise OAuthError(Reason.MALFORMED_PARAMETER, detail="prompt")
    return values


def _seconds(max_age: str | None) -> int | None:
    if max_age is None:
        return None
    if (found := number(max_age, most=MAXIMUM_AGE)) is None:
        raise OAuthError(Reason.MALFORMED_PARAMETER, detail="max_age")
    return found


def _without_query(uri: str) -> str:
    """As the audit keeps it: the query may hold a secret of the client."""
    return harmless(re.split(r"[?#]", uri, maxsplit=1)[0])
