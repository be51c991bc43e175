"""Keys derived from the one secret of the environment, each for one purpose (invariant 9).

`GATEHOUSE_SECRET_KEY` itself never encrypts or signs anything: HKDF (RFC 5869) gives each purpose a key of its own, so
that what leaks of one says nothing about another.

While the secret is being changed there are two: what is written is written under the current one, what is read may be
of any (`GATEHOUSE_SECRET_KEY_FALLBACKS`). A ciphertext names its key, so that it is known what is left to move
(`manage.py keys reencrypt`, docs/decisions/0033-secret-key-rotation.md).
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import models

NONCE_LENGTH = 12
# A ciphertext is FORMAT, its key's name, nonce, sealed. The first ones (before 0.1) had neither format nor name.
FORMAT = b"\x01"
NAME_LENGTH = 6
UNREADABLE = "unreadable"


class WrongKeyError(Exception):
    """The ciphertext is of none of our keys: GATEHOUSE_SECRET_KEY is not the one it was encrypted under."""


@dataclass(frozen=True, slots=True)
class AtRest:
    """A column that holds ciphertexts. An app names its own in `SECRETS_AT_REST` of its AppConfig, as dotted names.

    moved   a row's value of the column under the current secret; None if it is there already. Raises `WrongKeyError`.
    """

    model: type[models.Model]
    column: str
    moved: Callable[[Any], Any]


@lru_cache(maxsize=64)
def _derived(secret: str, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"gatehouse {purpose}".encode()).derive(secret.encode())


def _name(secret: str) -> bytes:
    """What ciphertexts call the key: derived like the others, so it says nothing about them."""
    return _derived(secret, "name of the key")[:NAME_LENGTH]


def secrets() -> tuple[str, ...]:
    """The current secret, and those that were or will be."""
    return (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)


def key_for(purpose: str) -> bytes:
    """32 bytes for one purpose, of the current secret: what is written is written under it."""
    return _derived(settings.SECRET_KEY, purpose)


def other_keys_for(purpose: str) -> tuple[bytes, ...]:
    """The same of the other secrets, which may be read."""
    return tuple(_derived(secret, purpose) for secret in settings.SECRET_KEY_FALLBACKS)


def encrypt(plaintext: bytes, *, purpose: str, about: str) -> bytes:
    """AES-256-GCM; `about` (such as a key's id) is bound to the ciphertext, so that rows cannot be swapped."""
    nonce = os.urandom(NONCE_LENGTH)
    sealed = AESGCM(key_for(purpose)).encrypt(nonce, plaintext, about.encode())
    return FORMAT + _name(settings.SECRET_KEY) + nonce + sealed


def decrypt(ciphertext: bytes, *, purpose: str, about: str) -> bytes:
    """Raises `WrongKeyError`."""
    start = len(FORMAT) + NAME_LENGTH
    named = [secret for secret in secrets() if ciphertext.startswith(FORMAT + _name(secret))]
    # The first format has no name; its random nonce looks like one of ours once in 2^56.
    tries = [(secret, start) for secret in named] + [(secret, 0) for secret in secrets()]
    for secret, at in tries:
        nonce, sealed = ciphertext[at : at + NONCE_LENGTH], ciphertext[at + NONCE_LENGTH :]
        try:
            return AESGCM(_derived(secret, purpose)).decrypt(nonce, sealed, about.encode())
        except (InvalidTag, ValueError):  # ValueError: too short to be one
            continue
    raise WrongKeyError


def fingerprint(opened: Callable[[], bytes]) -> str:
    """What a secret is compared by where it is not shown: its digest, `UNREADABLE` if none of our keys opens it."""
    try:
        plain = opened()
    except WrongKeyError:
        return UNREADABLE
    return hashlib.sha256(plain).hexdigest() if plain else ""


def moved(ciphertext: bytes, *, purpose: str, about: str) -> bytes | None:
    """The same under the current secret; None if it is under that already, by its name. Raises `WrongKeyError`."""
    if ciphertext.startswith(FORMAT + _name(settings.SECRET_KEY)):
        return None
    return encrypt(decrypt(ciphertext, purpose=purpose, about=about), purpose=purpose, about=about)
