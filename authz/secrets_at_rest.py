"""Keys derived from the one secret of the environment, each for one purpose (law 9).

`GATEHOUSE_SECRET_KEY` itself never encrypts or signs anything: HKDF (RFC 5869) gives each purpose a key of its own, so
that what leaks of one says nothing about another.
"""

import os
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

NONCE_LENGTH = 12


class WrongKeyError(Exception):
    """The ciphertext is not of this key: GATEHOUSE_SECRET_KEY is not the one it was encrypted under."""


@lru_cache(maxsize=16)
def _derived(secret: str, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"gatehouse {purpose}".encode()).derive(secret.encode())


def key_for(purpose: str) -> bytes:
    """32 bytes for one purpose."""
    return _derived(settings.SECRET_KEY, purpose)


def encrypt(plaintext: bytes, *, purpose: str, about: str) -> bytes:
    """AES-256-GCM; `about` (such as a key's id) is bound to the ciphertext, so that rows cannot be swapped."""
    nonce = os.urandom(NONCE_LENGTH)
    return nonce + AESGCM(key_for(purpose)).encrypt(nonce, plaintext, about.encode())


def decrypt(ciphertext: bytes, *, purpose: str, about: str) -> bytes:
    nonce, sealed = ciphertext[:NONCE_LENGTH], ciphertext[NONCE_LENGTH:]
    try:
        return AESGCM(key_for(purpose)).decrypt(nonce, sealed, about.encode())
    except InvalidTag as error:
        raise WrongKeyError from error
