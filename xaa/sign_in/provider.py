"""A trusted issuer that signs people in: allauth's flow with the checks of OpenID Connect that it lacks.

allauth brings state, PKCE and the session. Here are what it leaves open: addresses come from the issuer's own metadata,
whose `issuer` must be the one configured; every call goes through `authz.outbound`; the nonce; the ID token's
signature, judged as any other ID token of the issuer; `iss` on the way back (RFC 9207); and that a link cannot choose
scopes or parameters.
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

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
from authz.protocol.errors import OAuthError
from authz.sign_in import session
from xaa import trusted_issuers
from xaa.sign_in import exchange, secret
from xaa.sign_in.unreachable import UnreachableError
from xaa.trusted_issuers import Trust


class Upstream(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]  # allauth is untyped
    """The exchange with one issuer. `state` is what was kept in the session when the person was sent there."""

    state: Mapping[str, Any]

    @property
    def trust(self) -> Trust:
        return trusted_issuers.cached()[self.get_provider().app.settings["issuer"]]

    @property
    def openid_config(self) -> Mapping[str, Any]:
        with refusing():
            return exchange.metadata_of(self.trust)

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        # Not from the Host header (invariant 7).
        return callback_url(app.provider_id)

    def get_access_token_data(
        self, request: HttpRequest, app: SocialApp, client: Any, pkce_code_verifier: str | None = None
    ) -> dict[str, Any]:
        returned = exchange.Returned(
            code=request.GET.get("code", ""),
            iss=request.GET.get("iss"),
            verifier=pkce_code_verifier or "",
            redirect_uri=callback_url(app.provider_id),
        )
        with refusing():
            return exchange.tokens(self.trust, app.client_id, secret.of(self.trust.pk), returned)

    def complete_login(
        self, request: HttpRequest, app: SocialApp, token: SocialToken, *, response: Mapping[str, Any], **_: Any
    ) -> SocialLogin:
        kept, issued = self.state, response.get("id_token")
        with refusing():
            id_token = exchange.id_token(
                self.trust, app.client_id, issued, nonce=kept.get("nonce", ""), fresh=bool(kept.get("fresh"))
            )
            said = {"id_token": id_token, "userinfo": exchange.userinfo(self.trust, token.token)}
        login: SocialLogin = self.get_provider().sociallogin_from_response(request, said)
        return login


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


@contextmanager
def refusing() -> Iterator[None]:
    try:
        yield
    except OAuthError as error:
        raise refused(error.reason, error.detail) from None


def refused(reason: Any, detail: str = "") -> OAuth2Error:
    """Record why a person is not signed in; the page that allauth shows for it says nothing."""
    error = OAuthError(reason, detail=detail)
    record_unauthenticated(audit.Event.SIGN_IN_FAILED, error)
    return (UnreachableError if error.status == 503 else OAuth2Error)(reason.value)
