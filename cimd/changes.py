"""What changed between two documents of one client, and what follows from it (CIMD §6.3; attack 7).

> Authorization servers should consider the security implications when metadata properties change
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from enum import IntEnum, StrEnum

from authz.protocol.client_metadata import ClientMetadata


class Change(StrEnum):
    """The classes of change, from one that only changes what people see to one that removes authentication."""

    COSMETIC = "cosmetic"
    REDIRECT_URIS = "redirect_uris"
    KEYS = "keys"
    AUTHENTICATION_METHOD = "authentication_method"
    GRANTS = "grants"
    SCOPES = "scopes"


class Consequence(IntEnum):
    """What policy makes of a class of change; of several the weightiest counts.

    CONSENT: consents and refresh tokens end, people are asked anew. QUARANTINE: the client is served nothing until
    the new document is approved.
    """

    ACCEPT = 0
    CONSENT = 1
    QUARANTINE = 2


DEFAULTS: Mapping[Change, Consequence] = {
    Change.COSMETIC: Consequence.ACCEPT,
    Change.REDIRECT_URIS: Consequence.CONSENT,
    Change.KEYS: Consequence.CONSENT,
    Change.AUTHENTICATION_METHOD: Consequence.QUARANTINE,
    Change.GRANTS: Consequence.QUARANTINE,
    Change.SCOPES: Consequence.CONSENT,
}
# Authentication is never downgraded silently, whatever the policy.
NEVER_ACCEPTED = frozenset({Change.AUTHENTICATION_METHOD})


def between(old: ClientMetadata, new: ClientMetadata) -> frozenset[Change]:
    """The classes in which `new` differs from `old`. Taking a redirect URI, grant or scope away is only cosmetic."""
    changes = set()
    if (old.client_name, old.client_uri, old.logo_uri) != (new.client_name, new.client_uri, new.logo_uri):
        changes.add(Change.COSMETIC)
    if (old.jwks, old.jwks_uri) != (new.jwks, new.jwks_uri):
        changes.add(Change.KEYS)
    # A client that no longer shows a key, or no longer pushes its requests, has less to prove than before.
    is_weaker = old.dpop_bound_access_tokens and not new.dpop_bound_access_tokens
    is_weaker |= old.require_pushed_authorization_requests and not new.require_pushed_authorization_requests
    if old.token_endpoint_auth_method != new.token_endpoint_auth_method or is_weaker:
        changes.add(Change.AUTHENTICATION_METHOD)
    if _demands(old) != _demands(new):
        changes.add(Change.COSMETIC)
    for change, before, after in (
        (Change.REDIRECT_URIS, set(old.redirect_uris), set(new.redirect_uris)),
        (Change.GRANTS, set(old.grant_types), set(new.grant_types)),
    ):
        if before != after:
            changes.add(change if after - before else Change.COSMETIC)
    if old.scope != new.scope:
        changes.add(Change.SCOPES if _widens(old.scope, new.scope) else Change.COSMETIC)
    return frozenset(changes)


def consequence(changes: Iterable[Change], policy: Mapping[Change, Consequence]) -> Consequence:
    """What follows. A class that the policy does not name has the default."""
    found = set(changes)
    least = Consequence.CONSENT if found & NEVER_ACCEPTED else Consequence.ACCEPT
    return max([least, *(policy.get(change, DEFAULTS[change]) for change in found)])


def security_digest(metadata: ClientMetadata) -> str:
    """A digest of all that is not cosmetic, as 64 hexadecimal digits: what consents and refresh tokens are bound to."""
    members = asdict(metadata)
    for cosmetic in ("client_name", "client_uri", "logo_uri"):
        del members[cosmetic]
    # As it was before there was such a member: what rests on the digest goes on.
    for new in ("dpop_bound_access_tokens", "require_pushed_authorization_requests"):
        if not members[new]:
            del members[new]
    for unordered in ("redirect_uris", "grant_types", "scope"):
        members[unordered] = None if members[unordered] is None else sorted(members[unordered])
    return hashlib.sha256(json.dumps(members, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _demands(metadata: ClientMetadata) -> tuple[bool, bool]:
    return metadata.dpop_bound_access_tokens, metadata.require_pushed_authorization_requests


def _widens(old: tuple[str, ...] | None, new: tuple[str, ...] | None) -> bool:
    # Without `scope` a client may be given whatever the rules allow.
    return new is None or (old is not None and not set(new) <= set(old))
