"""The forms that take a passkey: allauth's, for our own origin alone, counted across processes."""

import json
from collections.abc import Mapping
from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn import forms
from django.core.exceptions import ValidationError
from fido2.utils import websafe_decode

from authz import audit, registry
from authz.conf import conf
from authz.limits import rate_limits
from authz.limits.refusal_sampling import record_unauthenticated
from authz.models import User
from authz.protocol.errors import OAuthError, Reason


def is_of_our_origin(credential: object) -> bool:
    """> Verify that the value of C.origin is an origin expected by the Relying Party. (Web Authentication §7.1, §7.2)

    And not from a frame of another site (`crossOrigin`).
    """
    response = credential.get("response") if isinstance(credential, Mapping) else None
    encoded = response.get("clientDataJSON") if isinstance(response, Mapping) else None
    try:
        said = json.loads(websafe_decode(encoded)) if isinstance(encoded, str) else None
    except ValueError:
        return False
    return isinstance(said, dict) and said.get("origin") == conf.origin and said.get("crossOrigin") is not True


class AddForm(forms.AddWebAuthnForm):  # type: ignore[misc]  # allauth is untyped
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].label = "Name"
        self.fields["name"].initial = self.initial["name"] = "Passkey"
        self.fields["passwordless"].initial = True
        self.fields["passwordless"].help_text = "It then asks for a PIN, a finger or a face."
        self.fields["passwordless"].label = "Sign in with it alone, without the password"

    def clean_credential(self) -> Any:
        return _checked(self.cleaned_data["credential"])


def _checked(credential: Any) -> Any:
    if not is_of_our_origin(credential):
        raise get_adapter().validation_error("incorrect_code")
    return credential


class _Counted:
    """As a code is (authz/sign_in/second_factor_forms.py): after the password, by the person."""

    user: User
    cleaned_data: dict[str, Any]

    def clean_credential(self) -> Authenticator:
        subject = str(self.user.subject)
        rate_limits.admit_second_factor(subject)
        try:
            _checked(self.cleaned_data["credential"])
            found: Authenticator = super().clean_credential()  # type: ignore[misc]  # of allauth's form
        except ValidationError:
            rate_limits.second_factor_refused(subject)
            error = OAuthError(Reason.SECOND_FACTOR_WRONG, detail="passkey")
            record_unauthenticated(audit.Event.SIGN_IN_FAILED, error, subject=subject)
            raise
        return found


class AuthenticateForm(_Counted, forms.AuthenticateWebAuthnForm):  # type: ignore[misc]  # allauth is untyped
    pass


class ReauthenticateForm(_Counted, forms.ReauthenticateWebAuthnForm):  # type: ignore[misc]  # allauth is untyped
    pass


class LoginForm(forms.LoginWebAuthnForm):  # type: ignore[misc]  # allauth is untyped
    """Signing in with a passkey alone. There is nothing to guess: what is wrong counts for the address."""

    def clean_credential(self) -> Authenticator:
        with audit.origin(audit.current_origin().address, audit.current_origin().request_id, "login"):
            rate_limits.admit_passkey()
            try:
                _checked(self.cleaned_data["credential"])
                found: Authenticator = super().clean_credential()
                # Who signs in at an issuer, or by the emergency account's password, has no other way in.
                if found.user.is_emergency or registry.why_no_password(found.user):
                    raise get_adapter().validation_error("incorrect_code")
            except ValidationError:
                rate_limits.passkey_refused()
                record_unauthenticated(
                    audit.Event.SIGN_IN_FAILED, OAuthError(Reason.SECOND_FACTOR_WRONG, detail="passkey alone")
                )
                raise
        return found
