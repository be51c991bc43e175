"""Binds a form to the page that it stood on: what a person confirms is what the person was shown (attack 31).

The page carries a MAC over everything that it showed, the person and the browser session. The handler of the POST works
out anew what it would show now; if that differs, the page is shown again and nothing is given. The MAC needs no storage
and no JavaScript, and every process and node that has the secret key verifies it
(docs/decisions/0038-forms-are-bound-to-what-was-shown.md).
"""

import hashlib
import hmac
import json
import secrets
from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from authz.keys.secrets_at_rest import key_for, other_keys_for
from authz.models import Client, User
from authz.sign_in.session import session_digest

FIELD = "shown"
CHANGED = "Nothing was done: this is not what you were shown when you pressed the button. Read it again."
PURPOSE = "confirmation forms"
# The session's own id. Its key changes with the secret key, and open forms would become invalid.
_SESSION = "forms are bound to"


def connect() -> None:
    user_logged_in.connect(_name_session, dispatch_uid="authz.sign_in.form_binding.name_session")


def _name_session(request: HttpRequest | None = None, **_: Any) -> None:
    if request is not None:
        request.session[_SESSION] = secrets.token_hex(16)


def seal(request: HttpRequest, form: str, *shown: object) -> str:
    """The value of the page's hidden field `shown`: 64 hexadecimal digits.

    `form` names the kind of form, so that one kind never confirms another. `shown` is JSON, or has a `str()` that says
    all of it, such as a datetime or a UUID.
    """
    return _mac(key_for(PURPOSE), request, form, shown)


def field(request: HttpRequest, form: str, *shown: object) -> SafeString:
    """The hidden field itself, for a page's form."""
    return format_html('<input type="hidden" name="{}" value="{}">', FIELD, seal(request, form, *shown))


def is_as_shown(request: HttpRequest, form: str, *shown: object) -> bool:
    """Whether the form was posted from a page that showed exactly this to this person in this session."""
    given = request.POST.get(FIELD, "").encode("utf-8", "replace")
    # A page that was drawn before the secret changed is still answered (docs/decisions/0033-secret-key-rotation.md).
    keys = (key_for(PURPOSE), *other_keys_for(PURPOSE))
    return any(hmac.compare_digest(given, _mac(key, request, form, shown).encode()) for key in keys)


def client_state(client: Client) -> dict[str, Any]:
    """What a client is at this moment, shown or not: a form that was drawn for another state of it confirms nothing."""
    return {
        "client": client.pk,
        "client_id": client.client_id,
        "name": client.name,
        "document": client.metadata_digest,
        "consent_digest": client.consent_digest,
        "status": client.status,
        "home": client.client_uri,
        "redirect_uris": sorted(client.redirect_uri_list),
        "post_logout_redirect_uris": client.post_logout_redirect_uris,
        "grant_types": sorted(client.grant_types),
        "authentication": client.token_endpoint_auth_method,
        "jwks": client.client_jwks,
        "jwks_uri": client.client_jwks_uri,
        "scope": client.scope,
    }


def client_to_approve(client: Client) -> dict[str, Any]:
    """The same with what an approval rests on besides."""
    return {
        **client_state(client),
        "owner": client.owner_id,
        "environment": client.environment,
        "tags": client.tags,
        "until": client.approved_until,
        "secret": client.secret_digest,
        "reuse_assertions": client.reuse_assertions,
        "require_pushed_authorization_requests": client.require_pushed_authorization_requests,
        "dpop_bound_access_tokens": client.dpop_bound_access_tokens,
        "pending_answer": client.pending_answer,
    }


def _mac(key: bytes, request: HttpRequest, form: str, shown: tuple[object, ...]) -> str:
    user = request.user
    who = str(user.subject) if isinstance(user, User) else ""
    session = request.session.get(_SESSION) or session_digest(request.session.session_key or "")
    bound = [form, who, session, shown]
    return hmac.digest(key, json.dumps(bound, sort_keys=True, default=str).encode(), hashlib.sha256).hex()
