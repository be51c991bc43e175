"""SPIFFE IDs and trust domains (SPIFFE-ID §2), as far as a JWT-SVID of SPIRE needs them. Pure.

A JWT-SVID need not say `iss` (JWT-SVID §3): whose key signs for it follows from the trust domain of its `sub`. An
issuer that is configured as `spiffe://TRUST-DOMAIN` is that trust domain, and vouches for nothing outside it.
"""

import re

_SCHEME = "spiffe://"
# > The trust domain [...] MUST NOT exceed 255 bytes; lowercase letters, numbers, dots, dashes, underscores (SPIFFE-ID
# > §2.1) and no port or user; a path's segments are letters, numbers, dots, dashes, underscores, and neither empty nor
# > relative path modifiers (§2.2).
_TRUST_DOMAIN = re.compile(r"[a-z0-9._-]{1,255}", re.ASCII)
_SEGMENT = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)
_LONGEST_ID = 2048


def is_spiffe(issuer: str) -> bool:
    return issuer.startswith(_SCHEME)


def is_trust_domain(issuer: str) -> bool:
    """Whether this is `spiffe://` and a trust domain, and nothing behind it."""
    return is_spiffe(issuer) and _TRUST_DOMAIN.fullmatch(issuer.removeprefix(_SCHEME)) is not None


def trust_domain(spiffe_id: object) -> str | None:
    """The trust domain of a workload's SPIFFE ID, as `spiffe://…`; None if this is not one."""
    if not isinstance(spiffe_id, str) or len(spiffe_id) > _LONGEST_ID or not is_spiffe(spiffe_id):
        return None
    domain, *segments = spiffe_id.removeprefix(_SCHEME).split("/")
    is_path = bool(segments) and all(_SEGMENT.fullmatch(one) and one not in {".", ".."} for one in segments)
    return f"{_SCHEME}{domain}" if is_path and _TRUST_DOMAIN.fullmatch(domain) else None
