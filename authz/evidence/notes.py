"""Checkpoints as signed notes (pure): C2SP signed-note, tlog-checkpoint, and Go's note verifier keys.

audit.example.com/o/audit
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— audit.example.com/o/audit Az3grlgtzPICa5OS8npVmf1Myq/5…
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519 = b"\1"
_NAME = re.compile(r"[^\s+]+")
_SIGNATURE = re.compile(r"— (?P<name>[^\s+]+) (?P<signature>[A-Za-z0-9+/]+={0,2})")
# Verifiers should bound what they read; ours are of a few hundred bytes.
_LONGEST = 64 * 1024


class NoteError(Exception):
    """The text is no checkpoint, or no trusted key has signed it."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """A key that is trusted to sign: its name, its id and the Ed25519 public key."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        # > key ID = SHA-256(key name || 0x0A || 0x01 || 32-byte Ed25519 public key)[:4] (C2SP signed-note)
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public_key).digest()[:4]

    def __str__(self) -> str:
        """The verifier key as golang.org/x/mod/sumdb/note writes it: `name+hash+key`."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(ED25519 + self.public_key).decode()}"

    @classmethod
    def parse(cls, text: str) -> "Verifier":
        """Parse a verifier key `name+hash+key`. Raises `NoteError`."""
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        try:
            key = base64.b64decode(encoded, validate=True)
        except ValueError:
            raise NoteError("the verifier key is malformed") from None
        if not _NAME.fullmatch(name) or len(key) != 33 or key[:1] != ED25519:
            raise NoteError("the verifier key is malformed")
        verifier = cls(name, key[1:])
        if verifier.key_id.hex() != key_id:
            raise NoteError("the verifier key's hash is not its own")
        return verifier


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree's head: how many leaves, and their root."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def sign(checkpoint: Checkpoint, key: Ed25519PrivateKey, verifier: Verifier) -> str:
    """The checkpoint as a signed note."""
    text = checkpoint.text()
    signature = base64.b64encode(verifier.key_id + key.sign(text.encode())).decode()
    return f"{text}\n— {verifier.name} {signature}\n"


def open_note(note: str, verifiers: Iterable[Verifier]) -> Checkpoint:
    """The checkpoint of a note that one of the verifiers signed. Raises `NoteError`."""
    text, signatures = _split(note)
    verified = False
    for line in signatures:
        match = _SIGNATURE.fullmatch(line)
        if match is None:
            raise NoteError("a signature line is malformed")
        try:
            signature = base64.b64decode(match["signature"], validate=True)
        except ValueError:
            raise NoteError("a signature is malformed") from None
        for verifier in verifiers:
            # > Verifiers MUST ignore signatures from unknown keys (C2SP signed-note)
            if (verifier.name, verifier.key_id) != (match["name"], signature[:4]):
                continue
            try:
                Ed25519PublicKey.from_public_bytes(verifier.public_key).verify(signature[4:], text.encode())
            except InvalidSignature:
                raise NoteError("the signature does not hold") from None
            verified = True
    # > If no signature from a known key verifies successfully, clients MUST reject the note. (C2SP signed-note)
    if not verified:
        raise NoteError("no trusted key signed it")
    return _checkpoint(text)


def read_notes(file: str) -> Iterator[str]:
    """The notes of a file that checkpoints are appended to."""
    note: list[str] = []
    for line in file.splitlines():
        if note and note[-1].startswith("— ") and not line.startswith("— "):
            yield "\n".join(note) + "\n"
            note = []
        if note or line:
            note.append(line)
    if note:
        yield "\n".join(note) + "\n"


def _split(note: str) -> tuple[str, list[str]]:
    if len(note) > _LONGEST or not note.endswith("\n"):
        raise NoteError("it is no signed note")
    # > the text is separated from the signatures by the last empty line in the note (C2SP signed-note)
    text, blank, signatures = note.rpartition("\n\n")
    if not blank or not text or any(ord(character) < 0x20 for character in note.replace("\n", "")):
        raise NoteError("it is no signed note")
    return text + "\n", signatures.splitlines()


def _checkpoint(text: str) -> Checkpoint:
    lines = text.split("\n")
    if len(lines) < 4 or not lines[0] or not re.fullmatch(r"0|[1-9][0-9]{0,18}", lines[1]):
        raise NoteError("it is no checkpoint")
    try:
        root = base64.b64decode(lines[2], validate=True)
    except ValueError:
        raise NoteError("its root is malformed") from None
    if len(root) != 32:
        raise NoteError("its root is malformed")
    return Checkpoint(lines[0], int(lines[1]), root)
