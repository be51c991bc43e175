"""Scopes (RFC 6749 §3.3)."""

from collections.abc import Collection, Iterable, Sequence

from authz.protocol.errors import OAuthError, Reason, harmless
from authz.protocol.scope_names import IDENTITY_SCOPES, is_scope_token

MAXIMUM_SCOPES = 200


def parse(scope: str | None) -> tuple[str, ...]:
    """The scope parameter as names in their order, each once; `()` where there is none. Raises `OAuthError`.

    Clients join lists that hold empty names (claude.ai sends `+offline_access`), so further blanks name nothing.
    """
    names = tuple(dict.fromkeys(name for name in (scope or "").split(" ") if name))
    if len(names) > MAXIMUM_SCOPES or not all(map(is_scope_token, names)):
        raise OAuthError(Reason.SCOPE_MALFORMED, detail=harmless(scope or ""))
    return names


def split(names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(the resource's scopes, identity scopes)."""
    return (
        tuple(name for name in names if name not in IDENTITY_SCOPES),
        tuple(name for name in names if name in IDENTITY_SCOPES),
    )


def registered(own: Sequence[str] | None, known: Iterable[str]) -> tuple[str, ...]:
    """The known scopes that a client is registered for; all of them where its registration names none."""
    return tuple(name for name in known if own is None or name in own)


def narrow(asked: Sequence[str], known: Collection[str]) -> tuple[str, ...]:
    """Down-scope: what was asked and exists, in the order asked; asking for nothing asks for all. Raises `OAuthError`.

    Real clients ask for everything that metadata lists (interop 3, 7), so what is too much is left out rather than
    refused (RFC 6749 §3.3); if nothing is left, that is a refusal.
    """
    if not asked:
        return tuple(known)
    kept = tuple(name for name in asked if name in known)
    if not kept:
        raise OAuthError(Reason.SCOPE_UNKNOWN, detail=harmless(join(asked)))
    return kept


def for_client(asked: Sequence[str], own: Sequence[str] | None, known: Collection[str]) -> tuple[str, ...]:
    """`narrow`, to what the client is registered for (None: to everything). Raises `OAuthError` with what is at fault.

    `known` are the resource's scopes. Asked for nothing but offline_access is asked for no scope of the resource
    (claude.ai joins an empty list and that name).
    """
    asked = tuple(name for name in asked if name != "offline_access")
    if not known:
        raise OAuthError(Reason.RESOURCE_WITHOUT_SCOPES)
    if asked and not any(name in known for name in asked):
        raise OAuthError(Reason.SCOPE_UNKNOWN, detail=harmless(join(asked)))
    left = registered(own, known)
    if not left or (asked and not any(name in left for name in asked)):
        raise OAuthError(Reason.SCOPE_NOT_REGISTERED, detail=harmless(join(asked) or "all"))
    return narrow(asked, left)


def within(asked: Sequence[str], granted: Sequence[str]) -> tuple[str, ...]:
    """The scopes of a refresh: no more than was granted. Raises `OAuthError`.

    > The requested scope MUST NOT include any scope not originally granted by the resource owner (RFC 6749 §6)
    """
    if not asked:
        return tuple(granted)
    if any(name not in granted for name in asked):
        raise OAuthError(Reason.SCOPE_NOT_GRANTED, detail=harmless(join(asked)))
    return tuple(asked)


def join(names: Collection[str]) -> str:
    """As it stands in responses and tokens: separated by single spaces."""
    return " ".join(names)
