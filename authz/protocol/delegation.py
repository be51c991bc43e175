"""The claims of delegation (RFC 8693 §4): who acts, `act`, and who may, `may_act`. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any


def acting(issuer: str, client_ids: Sequence[str], before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The `act` of clients that acted one after another, the first one first; `before` is what stood before them.

    > A chain of delegation can be expressed by nesting one "act" claim within another. The outermost "act" claim
    > represents the current actor while nested "act" claims represent prior actors. The least recent actor is the most
    > deeply nested. (RFC 8693 §4.1)
    """
    act = dict(before) if before else {}
    for client_id in client_ids:
        # > the combination of the two claims "iss" and "sub" might be necessary to uniquely identify an actor
        act = {"iss": issuer, "sub": client_id, **({"act": act} if act else {})}
    return act


def actors_before(act: object, issuer: str, client_ids: Sequence[str]) -> Mapping[str, Any] | None:
    """What stood before these clients in an `act`, {} for nothing; None where it does not name them as `acting` does.

    Attack: an `act` that names others, or leaves one out, would hide who acted.
    """
    for client_id in reversed(client_ids):
        if not isinstance(act, Mapping) or (act.get("iss"), act.get("sub")) != (issuer, client_id):
            return None
        act = act.get("act", {})
    return act if isinstance(act, Mapping) else None


def may(issuer: str, client_id: str) -> dict[str, str]:
    """The `may_act` of a token that this client may exchange."""
    return {"iss": issuer, "sub": client_id}


def is_let(may_act: object, issuer: str, client_id: str) -> bool:
    """Whether a `may_act` names this client. None names no one, and keeps no one off.

    > The "may_act" claim makes a statement that one party is authorized to become the actor and act on behalf of
    > another party. (RFC 8693 §4.4) One with members that are not understood lets no one act.
    """
    if may_act is None:
        return True
    if not isinstance(may_act, Mapping) or not may_act.keys() <= {"iss", "sub", "client_id"}:
        return False
    named = {may_act[name] for name in ("sub", "client_id") if name in may_act}
    return named == {client_id} and may_act.get("iss", issuer) == issuer
