"""The forms that change a password: allauth's, with our own look-up of people and our own rate limits."""

from datetime import UTC, datetime
from typing import Any

from allauth.account import forms
from allauth.account.adapter import get_adapter

from authz import audit, registry
from authz.limits import rate_limits
from authz.models import User
from authz.sign_in import invitations, people


class ResetPasswordForm(forms.ResetPasswordForm):  # type: ignore[misc]  # allauth is untyped
    """Neither the page nor its time tells whether the address is known: mails are made and sent beside it."""

    users: list[User]

    def clean_email(self) -> str:
        # As it was typed: the field's own lower() makes the Kelvin sign a k.
        email = str(self.data.get("email", "")).strip()
        with audit.origin(audit.current_origin().address, audit.current_origin().request_id, "login"):
            rate_limits.admit_reset(email)
        self.users = [person for person in people.with_address(email) if person.is_active and not _gets_none(person)]
        return email


class ResetPasswordKeyForm(forms.ResetPasswordKeyForm):  # type: ignore[misc]  # allauth is untyped
    def clean(self) -> dict[str, Any] | None:
        cleaned: dict[str, Any] | None = super().clean()
        # The mail may be older than the person's link to an issuer, or than an invitation.
        if self.user is not None and _gets_none(self.user):
            raise get_adapter().validation_error("invalid_password_reset")
        return cleaned


def _gets_none(person: User) -> bool:
    """Whether no mail may give the person a password: an issuer signs them in, or they are invited, which is then the
    one way."""
    if person.is_emergency or person.is_from_elsewhere or registry.why_no_password(person):
        return True
    return not invitations.has_password(person) and invitations.is_invited(person, datetime.now(UTC))
