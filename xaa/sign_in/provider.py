"""A trusted issuer that signs people in: allauth's flow with the checks of OpenID Connect that it lacks.

allauth brings state, PKCE and the session. Here are what it leaves open: addresses come from the issuer's own metadata,
whose `issuer` must be the one configured; every call goes through `authz.outbound`; the nonce; the ID token's
signature, judged as any other ID token of the issuer; `iss` on the way back (RFC 9207); and that a link cannot choose
scopes or parameters.
"""

import secrets
import time
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from authz import audit
from authz.conf import conf
from authz.limits.refusal_sampling import record_unauthenticated
from authz.outbound import Cause, OutboundError, Role, fetch
from authz.outbound.remote_documents import DocumentOnItsWayError, DocumentUnavailableError, DocumentUnreachableError
from authz.protocol import jwts, strict_json
from authz.protocol.errors import OAuthError
from authz.sign_in import session
from xaa import discovery, identity_assertions, trusted_issuers
from xaa.reasons import BY_JWT_PROBLEM, Reason
from xaa.sign_in import secret
from xaa.sign_in.unreachable import UnreachableError
from xaa.trusted_issuers import Trust

# Seconds that the issuer's clock may differ, and a person may take, when a fresh sign-in was asked for.
FRESH = 300


class Upstream(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]  # allauth is untyped
    """The exchange with one issuer. `state` is what was kept in the session when the person was sent there."""

    state: Mapping[str, Any]

    @property
    def trust(self) -> Trust:
        return trusted_issuers.cached()[self.get_provider().app.settings["issuer"]]

    @property
    def openid_config(self) -> Mapping[str, Any]:
        try:
            return discovery.metadata(self.trust.issuer)
        except (DocumentUnreachableError, DocumentOnItsWayError) as error:
            raise refused(Reason.SIGN_IN_UNREACHABLE, str(error)) from None
        except DocumentUnavailableError as error:
            raise refused(Reason.SIGN_IN_UNAVAILABLE, str(error)) from None

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        # Not from the Host header (invariant 7).
        return callback_url(app.provider_id)

    def get_access_token_data(
        self, request: HttpRequest, app: SocialApp, client: Any, pkce_code_verifier: str | None = None
    ) -> dict[str, Any]:
        metadata, trust = self.openid_config, self.trust
        # > If the value does not match the expected issuer identifier, clients MUST reject the authorization response
        # > (RFC 9207 §2.4)
        promised = metadata.get("authorization_response_iss_parameter_supported") is True
        if request.GET.get("iss", None if promised else trust.issuer) != trust.issuer:
            raise refused(Reason.SIGN_IN_OF_ANOTHER_ISSUER, "iss")
        form = {
            "grant_type": "authorization_code",
            "code": request.GET.get("code", ""),
            "redirect_uri": callback_url(app.provider_id),
            "code_verifier": pkce_code_verifier or "",
        }
        form, headers = authenticated(form, app.client_id, secret.of(trust.pk), metadata)
        return _json(metadata["token_endpoint"], headers=headers, body=urlencode(form).encode())

    def complete_login(
        self, request: HttpRequest, app: SocialApp, token: SocialToken, *, response: Mapping[str, Any], **_: Any
    ) -> SocialLogin:
        id_token = self._judged(response.get("id_token"), app)
        # > If a nonce value was sent in the Authentication Request, a nonce Claim MUST be present and its value checked
        # > to verify that it is the same value (OpenID Connect Core §3.1.3.7)
        if not self.state.get("nonce") or id_token.get("nonce") != self.state["nonce"]:
            raise refused(Reason.SIGN_IN_NONCE)
        # > If the auth_time Claim was requested, [...] the Client SHOULD check the auth_time Claim value and request
        # > re-authentication if it determines too much time has elapsed (OpenID Connect Core §3.1.3.7)
        if self.state.get("fresh") and id_token.get("auth_time", 0) < time.time() - FRESH:
            raise refused(Reason.SIGN_IN_NOT_FRESH)
        said = {"id_token": id_token, "userinfo": self._userinfo(token.token)}
        login: SocialLogin = self.get_provider().sociallogin_from_response(request, said)
        return login

    def _judged(self, token: object, app: SocialApp) -> dict[str, Any]:
        """The ID token's claims: its signature too, since metadata of another could name the same token endpoint."""
        trust = self.trust
        try:
            unverified = jwts.parse(token if isinstance(token, str) else "")
            found = trusted_issuers.keys_for(trust, unverified)
            # It came from the issuer's token endpoint for this very sign-in, so others may have it, too.
            return identity_assertions.verify(
                unverified, found, issuer=trust.issuer, audiences=(app.client_id,), others=None, now=time.time()
            )
        except jwts.JwtError as error:
            raise refused(BY_JWT_PROBLEM[error.problem]) from None
        except OAuthError as error:
            raise refused(error.reason, error.detail) from None

    def _userinfo(self, access_token: str) -> dict[str, Any]:
        address = self.openid_config.get("userinfo_endpoint")
        return _json(address, headers={"Authorization": f"Bearer {access_token}"}) if address else {}


class Provider(OpenIDConnectProvider):  # type: ignore[misc]  # allauth is untyped
    oauth2_adapter_class = Upstream
    pkce_enabled_default = True
    supports_token_authentication = False

    def redirect_from_request(self, request: HttpRequest) -> HttpResponse:
        try:
            answer: HttpResponse = super().redirect_from_request(request)
        except OAuth2Error as error:
            answer = render_authentication_error(request, self, exception=error)
        return answer

    def get_scope_from_request(self, request: HttpRequest) -> list[str]:
        return list(self.app.settings["scope"])

    def get_redirect_from_request_kwargs(self, request: HttpRequest) -> dict[str, Any]:
        kwargs: dict[str, Any] = super().get_redirect_from_request_kwargs(request)
        # A signed-in person comes here only if a fresh sign-in is required.
        fresh = request.user.is_authenticated
        nonce = secrets.token_urlsafe(24)
        # With max_age the issuer has to say when it was; 0 would be over before the person is back.
        again = {"prompt": "login", "max_age": "60"} if fresh else {}
        # > acr_values: [...] space-separated string [...] in order of preference (OpenID Connect Core §3.1.2.1)
        acr_values = request.session.pop(session.ACR_VALUES, [])
        if acr_values:
            again["acr_values"] = " ".join(acr_values)
        # `nonce` and `fresh` are kept in the session with the state.
        return kwargs | {"nonce": nonce, "fresh": fresh, "auth_params": {"nonce": nonce, **again}}


def callback_url(provider_id: str) -> str:
    """The redirect URI that the issuer has to know; one for each issuer, so that none can stand in for another."""
    return conf.origin + reverse("openid_connect_callback", kwargs={"provider_id": provider_id})


def authenticated(
    form: Mapping[str, str], client_id: str, plain: str, metadata: Mapping[str, Any]
) -> tuple[dict[str, str], dict[str, str]]:
    """The token request's form and headers with the client's authentication (RFC 6749 §2.3.1)."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if not plain:
        return {**form, "client_id": client_id}, headers
    # > If omitted, the default is client_secret_basic (OpenID Connect Discovery §3)
    methods = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    if "client_secret_basic" in methods or "client_secret_post" not in methods:
        pair = f"{quote(client_id, safe='')}:{quote(plain, safe='')}".encode()
        return dict(form), {**headers, "Authorization": f"Basic {b64encode(pair).decode('ascii')}"}
    return {**form, "client_id": client_id, "client_secret": plain}, headers


def refused(reason: Any, detail: str = "") -> OAuth2Error:
    """Record why a person is not signed in; the page that allauth shows for it says nothing."""
    error = OAuthError(reason, detail=detail)
    record_unauthenticated(audit.Event.SIGN_IN_FAILED, error)
    return (UnreachableError if error.status == 503 else OAuth2Error)(reason.value)


def _json(address: str, *, headers: Mapping[str, str], body: bytes | None = None) -> dict[str, Any]:
    try:
        return strict_json.read_object(fetch(Role.ISSUER_SIGN_IN, address, headers=headers, body=body).body)
    except OutboundError as error:
        is_nobodys = error.is_down or error.cause is Cause.BUSY
        reason = Reason.SIGN_IN_UNREACHABLE if is_nobodys else Reason.SIGN_IN_UNAVAILABLE
        raise refused(reason, f"{error.cause.value} {error.status or ''}".strip()) from None
    except strict_json.StrictJsonError as error:
        raise refused(Reason.SIGN_IN_UNAVAILABLE, str(error)) from None
