"""Readers of the environment, for authz/settings.py alone. Each raises `ImproperlyConfigured` with what it takes."""

import difflib
import os
from collections.abc import Iterable

from django.core.exceptions import ImproperlyConfigured
from limits import parse as parse_rate


def nearest(given: str, known: Iterable[str]) -> str:
    """“; did you mean …?” with the known name that is most like the given one, or ""."""
    near = difflib.get_close_matches(given, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def env_list(name: str) -> list[str]:
    return [item.strip() for item in os.environ.get(name, "").split(",") if item.strip()]


def env_switch(name: str, default: str = "0") -> bool:
    """True for 1, False for 0. Raises `ImproperlyConfigured`."""
    value = os.environ.get(name, default)
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


def env_number(name: str, default: int, unit: str = "seconds", *, least: int = 0) -> int:
    """A whole number of at least `least`. Raises `ImproperlyConfigured`."""
    value = os.environ.get(name, str(default))
    if not value.isdecimal() or int(value) < least:
        raise ImproperlyConfigured(
            f"{name} must be a whole number of {unit}{f', {least} at least' if least else ''}, not {value!r}"
        )
    return int(value)


def env_port(name: str, default: int) -> int:
    """A port to listen on. Raises `ImproperlyConfigured`."""
    value = os.environ.get(name) or str(default)
    if not value.isascii() or not value.isdecimal() or not 0 < int(value) < 65536:
        raise ImproperlyConfigured(f"{name} must be a port, a number from 1 to 65535, not {value!r}")
    return int(value)
