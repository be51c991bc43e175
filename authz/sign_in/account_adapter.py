"""What allauth asks us: who may try to sign in, and which mails go where."""

import re
from contextvars import copy_context
from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from authz import audit, registry
from authz.conf import conf
from authz.limits import rate_limits
from authz.limits.addresses import client_address
from authz.models import User
from authz.sign_in import account_mails

# No backslash, blank or control character: a browser could read such a path as another origin.
_AUTHORIZATION_REQUEST = re.compile(rf"{re.escape(conf.issuer_path)}/authorize\?[!-\[\]-~]*")


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth is untyped
    """Administrators, `apply` and trusted issuers create people. There is no public registration."""

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_address(request.META)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        # `origin` says "page". The limits are those of sign-in.
        with audit.origin(client_address(request.META), audit.current_origin().request_id, "login"):
            rate_limits.admit_sign_in(_account(credentials))
        self._login_failed_rl_usage = None

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        rate_limits.sign_in_refused(_account(credentials))

    def is_reauthentication_required(self, *, app: str) -> bool:
        # authz/sign_in/account_pages.py asks before each page that changes second factors, for all of them.
        return app != "allauth.mfa"

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def is_safe_url(self, url: str) -> bool:
        """Whether a page may send people on to `url`: within the issuer's origin, whatever the Host header says."""
        # Django calls an address of more than 2,048 characters unsafe. An authorization request may be longer, and the
        # person would not return to it after signing in.
        if _AUTHORIZATION_REQUEST.fullmatch(url):
            return True
        origin = urlsplit(conf.origin)
        allowed: bool = url_has_allowed_host_and_scheme(
            url, allowed_hosts={origin.netloc}, require_https=origin.scheme == "https"
        )
        return allowed

    def set_password(self, user: User, password: str) -> None:
        if why := registry.why_no_password(user):
            raise PermissionDenied(why)
        super().set_password(user, password)

    # --- Mails: built from the issuer, never from the Host header (invariant 7) ---

    def get_reset_password_from_key_url(self, key: str) -> str:
        person, _, token = key.partition("-")
        path = reverse("account_reset_password_from_key", kwargs={"uidb36": person, "key": token})
        return f"{conf.origin}{path}"

    def send_password_reset_mail(self, user: User, email: str, context: dict[str, Any]) -> None:
        # To the stored address, not to the typed one: the two may only look alike.
        self.send_mail("account/email/password_reset_key", user.email, context)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Beside the request, so that its time does not tell whether there was a mail to send."""
        account_mails.send_later(copy_context(), email, lambda: _texts(template_prefix, {**context, "email": email}))


def _texts(template_prefix: str, context: dict[str, Any]) -> tuple[str, str]:
    """The subject and the body of a mail. Without the request, which its templates could ask for the host."""
    known = {**context, "origin": conf.origin}
    known.pop("request", None)
    subject = render_to_string(f"{template_prefix}_subject.txt", known)
    return " ".join(subject.split()), render_to_string(f"{template_prefix}_message.txt", known).strip() + "\n"


def _account(credentials: dict[str, Any]) -> str:
    return str(credentials.get("username") or credentials.get("email") or "")
