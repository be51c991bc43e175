"""The forms that take passwords."""

from typing import Any

from allauth.account import forms
from django.core.exceptions import ValidationError
from django.utils.html import format_html

from authz import audit
from authz.database.transactions import unit_of_work
from authz.limits import rate_limits
from authz.limits.refusal_sampling import record_unauthenticated
from authz.protocol.errors import OAuthError, Reason
from authz.sign_in import password_changes, password_reset, session


class LoginForm(forms.LoginForm):  # type: ignore[misc]  # allauth is untyped
    """allauth's, with the name filled in that a client hinted at.

    > login_hint: Hint to the Authorization Server about the login identifier the End-User might use to log in (OpenID
    > Connect Core §3.1.2.1)
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].widget.attrs["autocomplete"] = "username"
        if hint := self.request.GET.get("login_hint"):
            self.initial.setdefault("login", hint)
        forgot = '<a href="{}">Forgot your password?</a>'
        self.fields["password"].help_text = format_html(forgot, password_reset.address(self.request))


class ChangePasswordForm(forms.ChangePasswordForm):  # type: ignore[misc]  # allauth is untyped
    """allauth's form, which records and counts each wrong password: the browser may be in another person's hands."""

    def clean_oldpassword(self) -> str:
        subject = str(self.user.subject)
        rate_limits.admit_sign_in(self.user.username)
        try:
            typed: str = super().clean_oldpassword()
        except ValidationError:
            rate_limits.sign_in_refused(self.user.username)
            error = OAuthError(Reason.CREDENTIALS_WRONG, detail="changing the password")
            record_unauthenticated(audit.Event.SIGN_IN_FAILED, error, subject=subject)
            raise
        session.record_factor(self.user, "pwd", "changing the password")
        return typed

    def save(self) -> None:
        with password_changes.keeping_agents(), unit_of_work():
            super().save()
