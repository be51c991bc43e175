"""The keys that sign checkpoints: Ed25519, separate from those that sign tokens, encrypted at rest (invariant 9).

The verification key is computed from what can be decrypted. So an attacker who writes to the database can neither sign
nor add a trusted key without GATEHOUSE_SECRET_KEY.
"""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from authz import audit
from authz.conf import conf
from authz.database.transactions import unit_of_work
from authz.evidence.notes import Verifier
from authz.keys.secrets_at_rest import AtRest, WrongKeyError, decrypt, encrypt, moved
from authz.models import CheckpointKey

PURPOSE = "audit checkpoints at rest"


@dataclass(frozen=True, slots=True)
class Signer:
    """A decrypted key of the sealer."""

    private_key: Ed25519PrivateKey
    verifier: Verifier


class NoKeyError(Exception):
    """There is no key to sign checkpoints with."""


def make(now: datetime) -> Signer:
    """Make a key and record it. Call it inside `unit_of_work()`."""
    private_key = Ed25519PrivateKey.generate()
    verifier = Verifier(_name(), private_key.public_key().public_bytes_raw())
    key_id = verifier.key_id.hex()
    CheckpointKey.objects.create(
        key_id=key_id,
        name=verifier.name,
        encrypted=encrypt(private_key.private_bytes_raw(), purpose=PURPOSE, about=_about(key_id, verifier.name)),
        created=now,
    )
    audit.record(audit.Event.CHECKPOINT_KEY_PUBLISHED, detail={"verifier_key": str(verifier)})
    return Signer(private_key, verifier)


def rotate(now: datetime) -> Signer:
    """Make a new key, which signs from the next checkpoint on. Signatures of old keys stay valid."""
    with unit_of_work():
        CheckpointKey.objects.filter(retired=None).update(retired=now)
        return make(now)


def current() -> Signer:
    """The key that signs. Raises `NoKeyError`, and `WrongKeyError` under another GATEHOUSE_SECRET_KEY."""
    row = CheckpointKey.objects.filter(retired=None).last()
    if row is None:
        raise NoKeyError
    return _open(row)


def verifiers() -> list[Verifier]:
    """Every key of ours, those that no longer sign too. A row that our secret does not open is not ours."""
    return [signer.verifier for signer in map(_opened, CheckpointKey.objects.all()) if signer is not None]


def foreign() -> list[str]:
    """The ids of keys that our secret does not open."""
    return [row.key_id for row in CheckpointKey.objects.all() if _opened(row) is None]


def _opened(row: CheckpointKey) -> Signer | None:
    try:
        return _open(row)
    except WrongKeyError:
        return None


def _open(row: CheckpointKey) -> Signer:
    seed = decrypt(bytes(row.encrypted), purpose=PURPOSE, about=_about(row.key_id, row.name))
    private_key = Ed25519PrivateKey.from_private_bytes(seed)
    return Signer(private_key, Verifier(row.name, private_key.public_key().public_bytes_raw()))


def _about(key_id: str, name: str) -> str:
    return f"{key_id} {name}"


AT_REST = AtRest(
    CheckpointKey,
    "encrypted",
    lambda row: moved(bytes(row.encrypted), purpose=PURPOSE, about=_about(row.key_id, row.name)),
)


def _name() -> str:
    # > key names SHOULD be schema-less URLs … and MUST NOT contain any Unicode spaces or plus (C2SP signed-note)
    parts = urlsplit(conf.issuer)
    return f"{parts.netloc}{parts.path.rstrip('/')}/audit".replace("+", "-")
