"""Signing in by a trusted issuer: the same subject resolution as redeeming its ID-JAGs, so both find the same person.

django-allauth speaks OpenID Connect with the issuer; who that is here, and whether at all, is decided by the issuer's
configuration. allauth's own accounts and email matching have no say.
"""

from collections.abc import Mapping
from typing import Any

from allauth.account.signals import user_logged_in
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.providers.base import AuthProcess
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.views.defaults import permission_denied

from authz import audit, snapshot
from authz.models import User
from authz.protocol.errors import OAuthError
from authz.refusals import record_unauthenticated
from xaa import subject_resolution, trusted_issuers
from xaa.reasons import Reason
from xaa.trusted_issuers import Use


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth is untyped
    """People are found or made by subject resolution; nobody signs up, and nobody links accounts by themselves."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        snapshot.begin()
        try:
            if sociallogin.state.get("process") == AuthProcess.CONNECT:
                raise OAuthError(Reason.SUBJECT_NOT_LINKED, detail="connecting by oneself")
            sociallogin.user = person(sociallogin.account.extra_data)
        except OAuthError as error:
            record_unauthenticated(audit.Event.SIGN_IN_FAILED, error)
            raise ImmediateHttpResponse(permission_denied(request, PermissionDenied())) from None


def person(said: Mapping[str, Any]) -> User:
    """The person that an issuer's ID token, with its UserInfo, speaks of. Raises OAuthError.

    `said` is what allauth has fetched over TLS and checked: {"id_token": claims, "userinfo": claims}.
    """
    id_token = said.get("id_token") or {}
    issuer, subject = id_token.get("iss"), id_token.get("sub")
    trust = trusted_issuers.everyone().get(issuer) if isinstance(issuer, str) else None
    if trust is None or not trust.enabled:
        raise OAuthError(Reason.ISSUER_UNTRUSTED)
    trusted_issuers.require(trust, Use.ID_TOKEN)
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise OAuthError(Reason.ASSERTION_SUBJECT)
    if "tenant" in id_token and not isinstance(id_token["tenant"], str):
        raise OAuthError(Reason.ASSERTION_TENANT)
    # > The sub Claim in the UserInfo Response MUST be verified to exactly match the sub Claim in the ID Token
    # > (OpenID Connect Core §5.3.2)
    userinfo = said.get("userinfo") or {}
    also = userinfo if userinfo.get("sub") == subject else {}
    return subject_resolution.resolve(trust, {**also, **id_token})


def connect() -> None:
    user_logged_in.connect(_note_context, dispatch_uid="xaa.sign_in.note_context")


def _note_context(request: HttpRequest, sociallogin: Any = None, **_: Any) -> None:
    """What the issuer says of how the person signed in, where rules and ID tokens look for it."""
    id_token = (sociallogin.account.extra_data.get("id_token") or {}) if sociallogin is not None else {}
    acr = id_token.get("acr")
    request.session["acr"] = acr if isinstance(acr, str) and len(acr) <= 255 else ""
