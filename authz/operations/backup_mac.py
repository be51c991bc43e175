"""A backup carries a MAC over its content, by a key derived from GATEHOUSE_SECRET_KEY.

Otherwise an attacker with write access to the backups could insert an agent or a role, and wait for a restore. The MAC
is at the end of the file; SQLite and pg_restore ignore it. `restore` verifies a private copy, and restores that copy.
"""

import hashlib
import hmac
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from authz.keys import secrets_at_rest

PURPOSE = "MAC of backups"
_BLOCK = 1 << 20
_MARK = "gatehouse-backup 1 hmac-sha256"
_TRAILER = re.compile(rb"\n" + _MARK.encode() + rb" (?P<mac>[0-9a-f]{64})\n")
_LENGTH = len(f"\n{_MARK} {'0' * 64}\n")


class MacError(Exception):
    """The file has no MAC, or another one; in words for operators."""


def seal(path: Path, vendor: str) -> None:
    """Write the MAC of a backup behind it."""
    mac = _mac(path, path.stat().st_size, vendor, secrets_at_rest.key_for(PURPOSE))
    with path.open("ab") as file:
        file.write(f"\n{_MARK} {mac}\n".encode())
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def verified(path: Path, vendor: str, *, beside: Path | None, unsigned: bool) -> Iterator[Path]:
    """A private copy of the backup without its MAC, for as long as it is used. Raises `MacError`.

    `beside` is a directory with space for it; `unsigned` accepts a missing or wrong MAC.
    """
    with tempfile.TemporaryDirectory(prefix="restoring-", dir=beside) as folder:
        copy = Path(folder) / "backup"
        with path.open("rb") as source, copy.open("xb") as target:
            copy.chmod(0o600)
            shutil.copyfileobj(source, target, _BLOCK)
        claimed = _split(copy)
        if not unsigned:
            _require(copy, vendor, claimed)
        yield copy


def _require(copy: Path, vendor: str, claimed: str) -> None:
    if not claimed:
        raise MacError(
            "it carries no MAC: it was changed, or made by an earlier version. Where you know that it was not changed,"
            " --unsigned restores it (docs/operations.md)"
        )
    keys = (secrets_at_rest.key_for(PURPOSE), *secrets_at_rest.other_keys_for(PURPOSE))
    size = copy.stat().st_size
    if not any(hmac.compare_digest(_mac(copy, size, vendor, key), claimed) for key in keys):
        raise MacError(
            "its MAC does not fit: it was changed, or GATEHOUSE_SECRET_KEY is not the one that it was made under"
        )


def _split(copy: Path) -> str:
    """Take the MAC off; "" if there is none."""
    size = copy.stat().st_size
    with copy.open("r+b") as file:
        file.seek(max(0, size - _LENGTH))
        found = _TRAILER.fullmatch(file.read())
        if found is None:
            return ""
        file.truncate(size - _LENGTH)
    return found["mac"].decode()


def _mac(path: Path, size: int, vendor: str, key: bytes) -> str:
    # The kind of database and the size are part of it, so nothing can be moved between backups.
    mac = hmac.new(key, f"{vendor} {size}\n".encode(), hashlib.sha256)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            mac.update(block)
    return mac.hexdigest()
