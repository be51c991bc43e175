"""The forms that change a password: allauth's, with our own look-up of people and our own rate limits."""

from typing import Any

from allauth.account import forms
from allauth.account.adapter import get_adapter

from authz import audit, registry
from authz.limits import rate_limits
from authz.models import User
from authz.sign_in import people


class ResetPasswordForm(forms.ResetPasswordForm):  # type: ignore[misc]  # allauth is untyped
    """Neither the page nor its time tells whether the address is known: mails are made and sent beside it."""

    users: list[User]

    def clean_email(self) -> str:
        # As it was typed: the field's own lower() makes the Kelvin sign a k.
        email = str(self.data.get("email", "")).strip()
        with audit.origin(audit.current_origin().address, audit.current_origin().request_id, "login"):
            rate_limits.admit_reset(email)
        self.users = [
            person
            for person in people.with_address(email)
            if person.is_active and not person.is_from_elsewhere and not registry.why_no_password(person)
        ]
        return email


class ResetPasswordKeyForm(forms.ResetPasswordKeyForm):  # type: ignore[misc]  # allauth is untyped
    def clean(self) -> dict[str, Any] | None:
        cleaned: dict[str, Any] | None = super().clean()
        # The mail may be older than the person's link to an issuer.
        if self.user is not None and (self.user.is_from_elsewhere or registry.why_no_password(self.user)):
            raise get_adapter().validation_error("invalid_password_reset")
        return cleaned
