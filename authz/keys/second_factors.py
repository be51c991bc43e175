"""The secrets of people's second factors (TOTP, recovery codes), which allauth keeps in clear text unless told how not
to (invariant 9)."""

from base64 import b64decode, b64encode
from typing import Any

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator

from authz.keys.secrets_at_rest import AtRest, decrypt, encrypt, moved

PURPOSE = "second factors at rest"
# Neither base32 (TOTP) nor hexadecimal (recovery codes) has a colon: what begins otherwise was kept in clear.
PREFIX = "sealed:"


class Adapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth is untyped
    def encrypt(self, text: str) -> str:
        return _text(encrypt(text.encode(), purpose=PURPOSE, about=""))

    def decrypt(self, encrypted_text: str) -> str:
        if not encrypted_text.startswith(PREFIX):
            return encrypted_text
        return decrypt(_sealed(encrypted_text), purpose=PURPOSE, about="").decode()


def _moved(row: Authenticator) -> dict[str, Any] | None:
    """Its data with the secrets in it under the current key; what was kept in clear is encrypted, too."""
    changed = {name: again for name in ("secret", "seed") if (again := _again(row.data.get(name)))}
    return {**row.data, **changed} if changed else None


def _again(text: str | None) -> str | None:
    if not text:
        return None
    if not text.startswith(PREFIX):
        return Adapter().encrypt(text)
    sealed = moved(_sealed(text), purpose=PURPOSE, about="")
    return _text(sealed) if sealed else None


def _text(sealed: bytes) -> str:
    return PREFIX + b64encode(sealed).decode("ascii")


def _sealed(text: str) -> bytes:
    return b64decode(text.removeprefix(PREFIX))


AT_REST = AtRest(Authenticator, "data", _moved)
