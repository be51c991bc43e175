"""Host names, and patterns of them (`claude.ai`, `*.example.com`), as an administrator writes them down."""

import re
from collections.abc import Iterable

from authz.protocol.redirect_uris import is_host


def normal(text: str) -> str:
    """A pattern in small letters without blanks around it and without the root's dot: the same in every spelling."""
    return text.strip().lower().removesuffix(".")


def is_pattern(text: str) -> bool:
    """Whether a normal `text` names hosts of one organisation: no port, no scheme, neither `*` alone nor `*.com`."""
    host = text.removeprefix("*.")
    if text != normal(text) or not is_host(host):
        return False
    return not text.startswith("*.") or ("." in host and re.search(r"[a-z]", host.rpartition(".")[2]) is not None)


def matches(patterns: Iterable[str], host: str) -> bool:
    """Whether one of the patterns names `host`, which is in small letters and has no port. No pattern is no host."""
    return any(matches_host(pattern, host) for pattern in patterns)


def matches_host(pattern: str, host: str) -> bool:
    """Whether `host` is `pattern`, or under it where the pattern begins with `*.`. Neither has a port."""
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and host != pattern[1:]
    return bool(pattern) and host == pattern
