"""Where a batch goes: an HTTPS collector, a syslog server over TLS, or a file in the audit's directory."""

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from authz import outbound
from authz.conf import conf
from authz.evidence.formats import syslog
from authz.outbound import Role

_FILE = re.compile(r"file:(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,99})")
# The names of archives, finished and unfinished, in any case: some file systems ignore it.
_RESERVED = re.compile(r".*\.(gz|part)", re.IGNORECASE)
_SYSLOG = re.compile(r"syslog\+tls://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._\-]+):(?P<port>[0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class Line:
    """An event in its format, with what syslog says of it in its head."""

    index: int
    event: dict[str, Any]
    text: str


def is_target(to: str) -> bool:
    """Whether there is such a place: https, syslog over TLS, or a plain name in the audit's directory."""
    return _file_name(to) is not None or bool(_SYSLOG.fullmatch(to)) or outbound.is_fetchable(to, Role.AUDIT_COLLECTOR)


def is_syslog(to: str) -> bool:
    return to.startswith("syslog+tls:")


def is_file(to: str) -> bool:
    return to.startswith("file:")


def send(to: str, media_type: str, lines: Sequence[Line], token: str) -> None:
    """Deliver a batch. Raises `OutboundError` or OSError, and then it may have arrived or not."""
    if is_file(to):
        _append(to, "".join(f"{line.text}\n" for line in lines))
    elif match := _SYSLOG.fullmatch(to):
        host = urlsplit(conf.issuer).hostname or "-"
        frames = b"".join(syslog.frame(host, line.index, line.event, line.text) for line in lines)
        outbound.deliver(Role.AUDIT_SYSLOG, match["host"], int(match["port"]), frames)
    else:
        headers = {"Content-Type": media_type, **({"Authorization": f"Bearer {token}"} if token else {})}
        body = "".join(f"{line.text}\n" for line in lines).encode("ascii")
        outbound.fetch(Role.AUDIT_COLLECTOR, to, headers=headers, body=body)


def send_checkpoint(to: str, note: str, token: str) -> None:
    """Deliver a checkpoint to a file (behind those that are there) or a collector."""
    if is_file(to):
        _append(to, note)
    else:
        headers = {
            "Content-Type": "text/plain; charset=utf-8",
            **({"Authorization": f"Bearer {token}"} if token else {}),
        }
        outbound.fetch(Role.AUDIT_COLLECTOR, to, headers=headers, body=note.encode())


def touch(to: str) -> None:
    """Whether a file target can be written, as `_append` would find it. Raises OSError."""
    _append(to, "")


def read_file(to: str) -> str:
    """The content of a file target; empty if it does not exist yet."""
    name = _file_name(to)
    path = conf.audit_directory / name if name else None
    return path.read_text() if path is not None and path.exists() else ""


def _file_name(to: str) -> str | None:
    """The name of a file target; None where it is none, or is one of an archive."""
    match = _FILE.fullmatch(to)
    return match["name"] if match and not _RESERVED.fullmatch(match["name"]) else None


def _append(to: str, text: str) -> None:
    """Append, and return when it is on the disk. The file is opened each time, so that it can be rotated.

    Raises OSError also if the path is not a file of this destination: an archive under another name, a link, a device,
    or the database.
    """
    name = _file_name(to)
    if name is None:
        raise PermissionError(f"{to} is no file of a destination")
    conf.audit_directory.mkdir(parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(conf.audit_directory / name, flags, 0o640)
    try:
        found = os.fstat(descriptor)
        # A hard link is the same file by another name, which no look at names shows.
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or _is_the_database(found):
            raise PermissionError(f"{name} is no file of its own")
        size = found.st_size
        # A process that was killed while writing left half a line; the new record must not continue it.
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            text = "\n" + text
        data = text.encode()
        while data:
            data = data[os.write(descriptor, data) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_the_database(found: os.stat_result) -> bool:
    """Where the audit's directory is also the database's."""
    if not settings.IS_SQLITE:
        return False
    database = str(settings.DATABASES["default"]["NAME"])
    paths = [Path(f"{database}{suffix}") for suffix in ("", "-wal", "-shm", "-journal")]
    return any(path.exists() and os.path.samestat(path.stat(), found) for path in paths)
