"""Initial access tokens, and the registration access token of each client (RFC 7591 §3, RFC 7592 §2)."""

import hashlib
import hmac
import secrets
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest
from oauth2_provider.models import get_access_token_model, set_token_value
from oauth2_provider.settings import oauth2_settings

from authz.models import Client
from authz.protocol.errors import OAuthError
from cimd.reasons import Reason

_BEARER = "Bearer "


def initial_access_token(request: HttpRequest, digests: tuple[str, ...]) -> str:
    """The digest of the initial access token that came along; "" if none did. Raises `OAuthError` for one that is not
    ours."""
    header = request.META.get("HTTP_AUTHORIZATION", "")
    if not header:
        return ""
    presented = _digest(header.removeprefix(_BEARER))
    if header.startswith(_BEARER) and any(hmac.compare_digest(presented, digest) for digest in digests):
        return presented
    raise OAuthError(Reason.REGISTRATION_DENIED, detail="token")


def new_registration_token(client: Client) -> str:
    """Its raw value; the toolkit keeps a digest."""
    raw = secrets.token_urlsafe(48)
    forever = datetime(9999, 12, 31, tzinfo=UTC)
    token = get_access_token_model()(
        application=client, user=None, expires=forever, scope=oauth2_settings.DCR_REGISTRATION_SCOPE
    )
    set_token_value(token, raw)
    token.save()
    return raw


def rotated(authenticated: Any) -> str:
    """The next registration access token, instead of the presented one: of two who bring one token, one gets the next.
    Raises `OAuthError` for a token that is not in force any more."""
    raw = secrets.token_urlsafe(48)
    row = get_access_token_model()()
    set_token_value(row, raw)
    in_force = get_access_token_model().objects.filter(
        pk=authenticated.registration_token.pk, token_checksum=_digest(authenticated.presented_token)
    )
    # One conditional statement is the answer (invariant 3).
    if not in_force.update(token=row.token, token_checksum=_digest(raw)):
        raise OAuthError(Reason.REGISTRATION_DENIED, detail="token")
    return raw


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
