"""Which hosts are trusted, which are blocked, and which wait for an approval (CIMD §6.8).

Patterns name a host (`vscode.dev`), all below one (`*.example.com`), or every host (`*`). An empty list names none.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from authz.protocol import host_patterns

EVERY_HOST = "*"


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
    """Whether `text` is a host pattern: no port, no scheme, no other wildcard; `*.com` is none."""
    return text == EVERY_HOST or host_patterns.is_pattern(text)


def is_any(patterns: Iterable[str], host: str) -> bool:
    """Whether one of the patterns names `host`."""
    named = tuple(patterns)
    return EVERY_HOST in named or host_patterns.matches(named, host)
