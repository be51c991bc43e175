"""Signing keys, and secrets that are stored encrypted."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django.conf import settings

from authz import keys
from authz.keys import reencryption
from authz.keys.secrets_at_rest import WrongKeyError
from authz.models import SigningKey
from authz.operations.doctor.finding import ERROR, WARNING, Finding
from authz.protocol.errors import OAuthError

# A key that has signed for longer should have a successor.
OLDEST_KEY = timedelta(days=365)


def signing_keys(now: float) -> Iterator[Finding]:
    """Is there a key for each algorithm, decryptable, young enough and not retired?"""
    for alg in keys.ALGORITHMS:
        try:
            key = keys.signing_key(alg, now)
        except OAuthError:
            yield Finding(ERROR, "signing keys", f"No {alg} key signs.", "Run `manage.py keys ensure`.")
            continue
        except WrongKeyError:
            yield Finding(
                ERROR,
                "signing keys",
                "None of our secret keys opens the signing keys, so no token can be issued.",
                "Start with the GATEHOUSE_SECRET_KEY that they were made under, or give it as a fallback.",
            )
            return
        successors = SigningKey.objects.filter(alg=alg, retired=None).exclude(kid=key.kid)
        if key.retired is not None and not successors.exists():
            ends = datetime.fromtimestamp(key.retired, UTC)
            yield Finding(
                ERROR,
                "signing keys",
                f"The {alg} key {key.kid} stops signing at {ends:%Y-%m-%d %H:%M} UTC, and no other follows.",
                f"Run `manage.py keys rotate {alg}` at least two hours before.",
            )
        elif now - key.signs_from > OLDEST_KEY.total_seconds():
            yield Finding(
                WARNING,
                "signing keys",
                f"The {alg} key {key.kid} has signed for more than a year.",
                f"Run `manage.py keys rotate {alg}`; verifiers need no notice.",
            )


def stored_secrets() -> Iterator[Finding]:
    if names := reencryption.unreadable():
        yield Finding(
            ERROR,
            "secrets",
            f"None of our secret keys opens"
            f" {'1 stored secret' if len(names) == 1 else f'{len(names)} stored secrets'}: {', '.join(names[:5])}.",
            "Give the key that they were encrypted under in GATEHOUSE_SECRET_KEY_FALLBACKS.",
        )
    if settings.SECRET_KEY_FALLBACKS and (left := reencryption.left()):
        yield Finding(
            WARNING,
            "secrets",
            f"{left} stored {'secret is' if left == 1 else 'secrets are'} still under another key than the current"
            " one.",
            "When all nodes have the new key: `manage.py keys reencrypt`.",
        )
