"""Readers of the environment, for authz/settings.py alone. Each raises `ImproperlyConfigured` with what it takes."""

import difflib
import os
import re
from collections.abc import Callable, Iterable
from email.utils import parseaddr
from ipaddress import ip_network
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from limits import parse as parse_rate

T = TypeVar("T")
# Digits of the longest number that is taken: no window and no size needs more, and no clock has such years.
_DIGITS = 9


class Problems:
    """What is wrong with the environment. All of it is told at once, and nothing is served with what is left."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def read(self, otherwise: T, reader: Callable[..., T], *given: Any, **options: Any) -> T:
        """What a reader finds; where it refuses, `otherwise`, for those that read on."""
        try:
            return reader(*given, **options)
        except ImproperlyConfigured as error:
            self.found.append(str(error))
            return otherwise

    def each(self, reader: Callable[[str], T], items: Iterable[str]) -> list[T]:
        """The same for each item of a list, without those that are refused."""
        found: list[T | None] = [self.read(None, reader, item) for item in items]
        return [item for item in found if item is not None]

    def require_none(self) -> None:
        """Raises `ImproperlyConfigured` with all of them, a line each."""
        if self.found:
            raise ImproperlyConfigured("\n".join(self.found))


def as_lines(error: ImproperlyConfigured) -> str:
    """What is said of the settings on standard error, a sentence a line."""
    return "\n".join(f"Settings: {line}" for line in str(error).splitlines())


def nearest(given: str, known: Iterable[str]) -> str:
    """“; did you mean …?” with the known name that is most like the given one, or ""."""
    near = difflib.get_close_matches(given, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def env_list(name: str) -> list[str]:
    return [item.strip() for item in os.environ.get(name, "").split(",") if item.strip()]


def env_switch(name: str, default: str = "0") -> bool:
    """True for 1, False for 0. Raises `ImproperlyConfigured`."""
    value = os.environ.get(name) or default
    if value not in {"0", "1"}:
        raise ImproperlyConfigured(f"{name} must be 1 (on) or 0 (off), not {value!r}")
    return value == "1"


def env_choice(name: str, *choices: str) -> str:
    """One of the choices; the first is the default. Raises `ImproperlyConfigured`, as all readers here do."""
    value = os.environ.get(name) or choices[0]
    if value not in choices:
        raise ImproperlyConfigured(
            f"{name} must be one of {', '.join(choices)}, not {value!r}{nearest(value, choices)}"
        )
    return value


def env_secret(name: str) -> str:
    """A secret of at least 32 characters, or "". Raises `ImproperlyConfigured`."""
    value = os.environ.get(name, "")
    if value and len(value) < 32:
        raise ImproperlyConfigured(f"{name} needs at least 32 characters")
    return value


def env_share(name: str) -> float:
    """A number from 0 to 1; 1 by default. Raises `ImproperlyConfigured`."""
    try:
        share = float(os.environ.get(name) or 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ImproperlyConfigured(f"{name} must be a number from 0 to 1, such as 0.1")
    return share


def env_rates(name: str, defaults: dict[str, str]) -> dict[str, str]:
    """`limit=rate` pairs, a rate being such as `100/second`, `10/5 minute` or `none`. Raises `ImproperlyConfigured`."""
    if lone := next((item for item in env_list(name) if "=" not in item), None):
        raise ImproperlyConfigured(f"{name} takes limit=rate pairs, such as token:client=100/second, not {lone!r}")
    changes = dict(item.partition("=")[::2] for item in env_list(name))
    for limit, rate in changes.items():
        if limit not in defaults:
            raise ImproperlyConfigured(f"{name} has no limit {limit!r}{nearest(limit, defaults)}")
        try:
            if rate != "none":
                parse_rate(rate)
        except ValueError:
            example = "100/second, 10/5 minute or none"
            raise ImproperlyConfigured(f"{name}: {limit} takes a rate such as {example}, not {rate!r}") from None
    return defaults | changes


def env_number(name: str, default: int, unit: str = "seconds", *, least: int = 0, most: int = 10**_DIGITS) -> int:
    """A whole number from `least` to `most`. Raises `ImproperlyConfigured`."""
    value = os.environ.get(name) or str(default)
    if not value.isascii() or not value.isdecimal() or len(value) > _DIGITS or not least <= int(value) <= most:
        bounds = f"{f', {least} at least' if least else ''}{f', {most} at most' if most < 10**_DIGITS else ''}"
        raise ImproperlyConfigured(f"{name} must be a whole number of {unit}{bounds}, not {value!r}")
    return int(value)


def env_port(name: str, default: int) -> int:
    """A port to listen on. Raises `ImproperlyConfigured`."""
    value = os.environ.get(name) or str(default)
    if not value.isascii() or not value.isdecimal() or not 0 < int(value) < 65536:
        raise ImproperlyConfigured(f"{name} must be a port, a number from 1 to 65535, not {value!r}")
    return int(value)


def env_file(name: str) -> str | None:
    """A file of certificates (PEM) that is there; None where none is named."""
    path = os.environ.get(name)
    if not path:
        return None
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ImproperlyConfigured(f"{name} names {path}, which cannot be read: {error.strerror}") from None
    if b"-----BEGIN CERTIFICATE-----" not in content and b"-----BEGIN TRUSTED CERTIFICATE-----" not in content:
        raise ImproperlyConfigured(f"{name} names {path}, which holds no certificate in PEM form")
    return path


def env_folder(name: str, default: Path | None = None, *, must_exist: bool = False) -> Path | None:
    """The absolute path of a folder; one that is not there may be made later, unless it `must_exist`."""
    given = os.environ.get(name)
    path = Path(given).absolute() if given else default
    if path is not None and path.exists() and not path.is_dir():
        raise ImproperlyConfigured(f"{name} must be a folder, and {path} is a file")
    if path is not None and must_exist and not path.exists():
        raise ImproperlyConfigured(f"{name} names {path}, and there is no such folder")
    return path


def env_url(name: str, schemes: tuple[str, ...], example: str) -> str:
    """A URL of one of the schemes, or "". Its text is not shown: it may hold a password."""
    value = os.environ.get(name, "")
    try:
        parts = urlsplit(value)
        is_readable = parts.scheme in schemes and parts.port != 0
    except ValueError:
        is_readable = False
    if value and not (is_readable and (parts.hostname or parts.path.strip("/"))):
        raise ImproperlyConfigured(
            f"{name} must be a {_or([f'{scheme}://' for scheme in schemes])} URL, such as {example}"
        )
    return value


def env_pairs(name: str) -> dict[str, str]:
    """`name=value` pairs. A value is not shown: it may be a key."""
    for position, item in enumerate(env_list(name), 1):
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+=.*", item):
            raise ImproperlyConfigured(f"{name} takes name=value pairs, comma-separated; number {position} is none")
    return dict(item.partition("=")[::2] for item in env_list(name))


def env_sender(name: str, default: str) -> str:
    """The sender of mails: an address, perhaps with a name before it."""
    value = os.environ.get(name) or default
    address = parseaddr(value)[1]
    if not value.isprintable() or not re.fullmatch(r"[^@\s]+@[^@\s]+", address):
        example = "gatehouse@example.com or Gatehouse <gatehouse@example.com>"
        raise ImproperlyConfigured(f"{name} must be an address such as {example}, not {value!r}")
    return value


def network(item: str) -> str:
    """An address or a network of GATEHOUSE_TRUSTED_PROXIES in canonical form."""
    name = "GATEHOUSE_TRUSTED_PROXIES"
    try:
        return str(ip_network(item))
    except ValueError:
        try:
            meant = f"; did you mean {ip_network(item, strict=False)}?"
        except ValueError:
            meant = ""
        raise ImproperlyConfigured(
            f"{name} takes addresses and networks, such as 10.0.0.5 or 10.0.0.0/24, not {item!r}{meant}"
        ) from None


def _or(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]


def env_mail_server(url: str) -> dict[str, Any]:
    """EMAIL_URL as Django's settings. Raises `ImproperlyConfigured`, without the URL, which may hold a password."""
    parts = urlsplit(url)
    try:
        is_readable = parts.scheme in {"smtp", "smtps", "smtp+plain"} and parts.hostname and parts.port != 0
    except ValueError:
        is_readable = False
    if not is_readable:
        raise ImproperlyConfigured(
            "EMAIL_URL must be smtp://, smtps:// or smtp+plain:// with a host, such as smtp://user:password@host:587"
        )
    return {
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or {"smtp": 587, "smtps": 465, "smtp+plain": 25}[parts.scheme],
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_TLS": parts.scheme == "smtp",
        "EMAIL_USE_SSL": parts.scheme == "smtps",
    }
