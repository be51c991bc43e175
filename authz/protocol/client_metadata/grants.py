"""The grants and scopes that a client may have."""

from authz.protocol import scopes
from authz.protocol.client_metadata.reading import Reading
from authz.protocol.display_names import visible
from authz.protocol.errors import OAuthError

# What a public client has only where an administrator names its document's host (docs/decisions/0051).
PUBLIC_BY_HOST = frozenset(
    {"urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:token-exchange"}
)
NO_REFRESH = (
    "It names no grant_types, which means authorization_code alone: no refresh token will come, and people sign in"
    " again when their access token has expired."
)
_HOW_TO_GIVE = (
    "a client that cannot authenticate has them only where an administrator names {host}: in public_exchange_hosts of"
    " cimd, or in public_clients of a trusted issuer"
)


def grant_types(reading: Reading, method: str) -> tuple[str, ...]:
    asked = reading.strings("grant_types", ["authorization_code"])
    if asked is None:
        return ()
    # A client that cannot authenticate gets only what a person's browser vouches for.
    is_public = method == "none"
    offered = reading.terms.grant_types & reading.terms.public_grant_types if is_public else reading.terms.grant_types
    implied = {also for grant_type in asked for also in reading.terms.implied_grants.get(grant_type, ())}
    named = [*asked, *sorted(implied - set(asked))]
    kept = tuple(grant_type for grant_type in named if grant_type in offered)
    if dropped := [grant_type for grant_type in asked if grant_type not in offered]:
        left_out = f"Left out, since it cannot have them here: {visible(', '.join(dropped))[:200]}"
        if is_public and reading.terms.host and PUBLIC_BY_HOST & reading.terms.grant_types & set(dropped):
            left_out += f" ({_HOW_TO_GIVE.format(host=reading.terms.host)})"
        reading.narrowed("grant_types", left_out)
    if "grant_types" not in reading.members and "refresh_token" in offered:
        # > If omitted, the default behavior is that the client will use only the "authorization_code" Grant Type.
        # > (RFC 7591 §2)
        reading.narrowed("grant_types", NO_REFRESH)
    if not set(kept) - {"refresh_token"}:
        reading.refused("grant_types", "There is none by which it could get a first token here.")
    elif not dropped:
        reading.passed("grant_types", ", ".join(kept)[:500])
    response_types = reading.strings("response_types", ["code"])
    # > the response_types and grant_types … SHOULD NOT … be inconsistent (RFC 7591 §2.1)
    if response_types is not None and "authorization_code" in kept and "code" not in response_types:
        reading.refused("response_types", "The grant type authorization_code needs the response type code.")
    return kept


def scope(reading: Reading) -> tuple[str, ...] | None:
    scope = reading.members.get("scope")
    if scope is None:
        return None
    try:
        names = scopes.parse(scope) if isinstance(scope, str) else None
    except OAuthError:
        names = None
    if names is None:
        reading.refused("scope", "It must be a string of scopes separated by spaces.")
        return None
    if not names:
        return None
    reading.passed("scope", scopes.join(names)[:200])
    return names
