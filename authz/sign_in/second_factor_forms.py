"""The forms that ask for a second factor: allauth's, counted across processes, and each code once across nodes."""

import time
from collections.abc import Callable
from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.base import forms
from allauth.mfa.models import Authenticator

from authz.database import replay
from authz.limits import rate_limits
from authz.models import User

# Seconds: longer than a code of an authenticator app is accepted.
_SPENT = 300


class _Counted:
    """allauth counts wrong codes in Django's cache, which without Redis is each process's own."""

    user: User
    cleaned_data: dict[str, Any]
    authenticator: Authenticator
    _emit_authentication_failed: Callable[[Authenticator], None]

    def clean_code(self) -> str:
        person = str(self.user.subject)
        rate_limits.admit_second_factor(person)
        code = str(self.cleaned_data["code"])
        rows = list(Authenticator.objects.filter(user=self.user).exclude(type=Authenticator.Type.WEBAUTHN))
        for authenticator in rows:
            if authenticator.wrap().validate_code(code) and _is_first(authenticator, code):
                authenticator.user = self.user
                self.authenticator = authenticator
                return code
        rate_limits.second_factor_refused(person)
        # The signal is recorded (authz/sign_in/session.py). It names one factor: the app, where there is one.
        if rows:
            self._emit_authentication_failed(min(rows, key=lambda row: row.type != Authenticator.Type.TOTP))
        raise get_adapter().validation_error("incorrect_code")


def _is_first(authenticator: Authenticator, code: str) -> bool:
    # > The verifier MUST NOT accept the second attempt of the OTP after the successful validation has been issued for
    # > the first OTP, which ensures one-time only use of an OTP. (RFC 6238 §5.2)
    if authenticator.type != Authenticator.Type.TOTP:
        return True  # a recovery code is crossed out in its row, under a lock
    digits = "".join(character for character in code if character.isdigit())
    return replay.claim(f"totp of {authenticator.pk}", digits, time.time() + _SPENT)


class AuthenticateForm(_Counted, forms.AuthenticateForm):  # type: ignore[misc]  # allauth is untyped
    pass


class ReauthenticateForm(_Counted, forms.ReauthenticateForm):  # type: ignore[misc]  # allauth is untyped
    pass
