"""Whom we believe at once, whom never, and who waits until somebody approves (CIMD §6.8).

Patterns name a host (`vscode.dev`), all under one (`*.example.com`), or everybody (`*`). An empty list is nobody.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from authz.protocol.client_metadata import matches_host
from authz.protocol.redirect_uris import is_host


class TrustStatus(StrEnum):
    """What a host may do: introduce its clients at once, never, or after approval."""

    TRUSTED = "trusted"
    BLOCKED = "blocked"
    WAITS = "waits"


@dataclass(frozen=True, slots=True)
class Policy:
    """Host patterns. Blocked outweighs trusted."""

    trusted: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()


def trust_status(host: str, policy: Policy) -> TrustStatus:
    """`host` is in small letters and has no port."""
    if is_any(policy.blocked, host):
        return TrustStatus.BLOCKED
    return TrustStatus.TRUSTED if is_any(policy.trusted, host) else TrustStatus.WAITS


def is_pattern(text: str) -> bool:
    """Whether `text` is a host pattern: no port, no scheme, no other wildcard; `*.com` names nobody's hosts."""
    if text == "*":
        return True
    host = text.removeprefix("*.")
    if text != text.lower() or not is_host(host):
        return False
    return not text.startswith("*.") or ("." in host and re.search(r"[a-z]", host.rpartition(".")[2]) is not None)


def is_any(patterns: Iterable[str], host: str) -> bool:
    """Whether one of the patterns names `host`."""
    return any(pattern == "*" or matches_host(pattern, host) for pattern in patterns)
