"""What is wrong with a table of scopes that tokens may be exchanged for; "" where nothing is."""

from collections.abc import Collection, Mapping, Sequence
from urllib.parse import urlsplit

from authz.protocol.scope_names import IDENTITY_SCOPES, is_scope_token

MOST_SCOPES = 200


def target_problem(to: str) -> str:
    """Of the resource that a mapping leads to: one of ours, or one behind another authorization server."""
    try:
        parts = urlsplit(to)
    except ValueError:
        return "is not an absolute URI"
    if not parts.scheme or not parts.netloc or "#" in to or " " in to:
        return "is not an absolute URI"
    # A resource is compared letter by letter with its canonical URI, so another spelling would never match.
    if parts.netloc != parts.netloc.lower() or parts.scheme != to.partition(":")[0]:
        return "has to be in its canonical form, with scheme and host in small letters"
    return ""


def scopes_problem(scopes: Mapping[str, Sequence[str]]) -> str:
    """Of the scopes here, each with those that it is good for there."""
    names = [*scopes, *(name for there in scopes.values() for name in there)]
    if len(names) > MOST_SCOPES:
        return f"names more than {MOST_SCOPES} scopes"
    for name in names:
        if not is_scope_token(name):
            return f"{name!r} is not a scope token (RFC 6749 §3.3)"
        if name in IDENTITY_SCOPES:
            return f"{name} is a scope of the authorization server itself, and is not passed on"
    return ""


def problem_with(may_act: str, exchange_clients: Collection[str]) -> str:
    """Of the client that the tokens name as their `may_act`."""
    if may_act and may_act not in exchange_clients:
        return f"names {may_act}, which exchange_clients does not name"
    return ""
