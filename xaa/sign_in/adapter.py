"""Who it is that an issuer signs in: the subject resolution of its ID-JAGs, so that both find the same person.

django-allauth speaks OpenID Connect with the issuer; who that is here, and whether at all, is decided by the issuer's
configuration. allauth's own accounts, applications and email matching have no say.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, NoReturn

from allauth.account.signals import user_logged_in
from allauth.account.utils import get_next_redirect_url
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.base import AuthProcess
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.views.defaults import permission_denied

from authz import audit
from authz.database import configuration_cache
from authz.limits.refusal_sampling import record_unauthenticated
from authz.models import User
from authz.protocol.errors import OAuthError
from authz.sign_in import session
from xaa import trusted_issuers
from xaa.models import Session
from xaa.openid import backchannel_logout
from xaa.reasons import Reason
from xaa.sign_in.said import read
from xaa.sign_in.unreachable import UNREACHABLE, UnreachableError
from xaa.subjects import local_passwords, sessions, subject_effects
from xaa.trusted_issuers import Use


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth is untyped
    """People are found or made by subject resolution; there is no sign-up, and no linking of accounts."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return False

    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        """The trusted issuers that sign people in, and no others: allauth's own table is not read."""
        configuration_cache.begin()
        apps = [_app(trust) for trust in trusted_issuers.cached().values() if trust.signs_in]
        return [
            app
            for app in apps
            if provider in {None, app.provider, app.provider_id} and client_id in {None, app.client_id}
        ]

    def on_authentication_error(
        self, request: HttpRequest, *_: Any, exception: Any = None, extra_context: dict[str, Any], **__: Any
    ) -> None:
        # The page's way back to the sign-in keeps what the person came for.
        state = extra_context.get("state") or {}
        extra_context["next"] = state.get("next") or get_next_redirect_url(request)
        # The page that allauth draws has another status: xaa/sign_in/urls.py gives it this one.
        if isinstance(exception, UnreachableError):
            request.META[UNREACHABLE] = True

    def get_requests_session(self) -> NoReturn:
        # What allauth fetches by itself does not go through `authz.outbound` (invariant 6).
        raise RuntimeError("allauth sends no requests itself: xaa/sign_in/provider.py does")

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        configuration_cache.begin()
        try:
            if sociallogin.state.get("process") == AuthProcess.CONNECT:
                raise OAuthError(Reason.SUBJECT_NOT_LINKED, detail="connecting by oneself")
            _require_session(sociallogin.account.extra_data.get("id_token") or {})
            sociallogin.user = person(sociallogin.account.extra_data)
            local_passwords.take(sociallogin.user)
            if request.user == sociallogin.user and _is_of(request.session, sociallogin.user):
                # allauth would sign the person out first, and the session would forget what asked for a fresh sign-in.
                request.user = AnonymousUser()
        except OAuthError as error:
            record_unauthenticated(audit.Event.SIGN_IN_FAILED, error)
            raise ImmediateHttpResponse(permission_denied(request, PermissionDenied())) from None


def person(said: Mapping[str, Any]) -> User:
    """The person that an issuer's ID token, with its UserInfo, speaks of. Raises OAuthError.

    `said` is what allauth has fetched over TLS and checked: {"id_token": claims, "userinfo": claims}.
    """
    id_token = said.get("id_token") or {}
    issuer = id_token.get("iss")
    trust = trusted_issuers.cached().get(issuer) if isinstance(issuer, str) else None
    if trust is None or not trust.enabled:
        raise OAuthError(Reason.ISSUER_UNTRUSTED)
    trusted_issuers.require(trust, Use.ID_TOKEN)
    return subject_effects.resolve(trust, read(trust, id_token, said.get("userinfo") or {})).user


def _is_of(session: SessionBase, user: User) -> bool:
    """Whether a session is still good for the person: one that a password opened ends with that password."""
    return constant_time_compare(session.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash())


def _require_session(id_token: Mapping[str, Any]) -> None:
    """Raises `OAuthError` where the issuer has said meanwhile that the session of this ID token is over."""
    if backchannel_logout.was_logged_out(str(id_token.get("iss", "")), _text(id_token, "sid")):
        raise OAuthError(Reason.SIGN_IN_LOGGED_OUT)


def provider_id(issuer: str) -> str:
    """What an issuer is called in our addresses: of its identifier alone, so that renaming it breaks nothing."""
    return hashlib.sha256(issuer.encode()).hexdigest()[:12]


def _app(trust: trusted_issuers.Trust) -> SocialApp:
    assert trust.sign_in is not None  # noqa: S101  `signs_in` says so
    return SocialApp(
        provider="openid_connect",
        provider_id=provider_id(trust.issuer),
        name=trust.name or trust.issuer,
        client_id=trust.sign_in.client_id,
        settings={"issuer": trust.issuer, "server_url": trust.issuer, "scope": list(trust.sign_in.scopes)},
    )


def connect() -> None:
    user_logged_in.connect(_note_context, dispatch_uid="xaa.sign_in.note_context")


def _note_context(request: HttpRequest, user: User, sociallogin: Any = None, **_: Any) -> None:
    """What the issuer says of how and when the person signed in, where rules and ID tokens look for it."""
    id_token = (sociallogin.account.extra_data.get("id_token") or {}) if sociallogin is not None else {}
    acr, amr, auth_time = id_token.get("acr"), id_token.get("amr"), id_token.get("auth_time")
    request.session[session.ELSEWHERE] = {
        "acr": acr if isinstance(acr, str) and len(acr) <= 255 else "",
        "amr": [method for method in amr if isinstance(method, str) and len(method) <= 64][:20]
        if isinstance(amr, list)
        else [],
        **({"auth_time": int(auth_time)} if isinstance(auth_time, int | float) else {}),
        **({"again": _address_of(id_token.get("iss"))} if sociallogin is not None else {}),
        # By these the session ends with the trust in who made it (xaa/sign_in/liveness.py).
        **({"issuer": str(id_token.get("iss", ""))} if sociallogin is not None else {}),
        **({"tenant": id_token["tenant"]} if id_token.get("tenant") else {}),
    }
    if sociallogin is not None:
        # Now, not when the request ends: withdrawing the issuer meanwhile has to find this session.
        request.session.save()
        _name_session(request, user, id_token)


def _name_session(request: HttpRequest, user: User, id_token: Mapping[str, Any]) -> None:
    """By what the issuer will name this sign-in when it ends it (xaa/openid/backchannel_logout.py)."""
    issuer, sid = str(id_token.get("iss", "")), _text(id_token, "sid")
    named = {"issuer": issuer, "issuer_sub": _text(id_token, "sub"), "issuer_sid": sid}
    digest = session.session_digest(request.session.session_key or "")
    Session.objects.update_or_create(digest=digest, defaults={"user": user, **named})
    # The session is written, then asked about: a logout that came in between sees it, or is seen here.
    if backchannel_logout.was_logged_out(issuer, sid):
        sessions.end_by_digest(digest)


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) and len(value) <= 255 else ""


def _address_of(issuer: object) -> str:
    return reverse("openid_connect_login", kwargs={"provider_id": provider_id(str(issuer))})
