"""What a refused assertion says where it is wrong, for the record of its refusal (pure).

The reason alone leaves the operator guessing: another server's `aud`, a clock that is late and a key that was never
published look the same to a client, which reads one sentence for all of them.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from authz.protocol.errors import OAuthError, harmless
from authz.protocol.jwts import JwtProblem, Unverified

# How the value of a reason ends, and what of the assertion it is about; `header.` and `claims.`.
_ABOUT = {
    "_audience": ("claims.aud",),
    "_typ": ("header.typ",),
    "_wrong_type": ("header.typ",),
    "_algorithm": ("header.alg",),
    "_key_unknown": ("header.kid",),
    "_signature": ("header.kid",),
    "_of_another_client": ("claims.client_id", "claims.azp"),
    "_time": ("claims.iat", "claims.exp"),
    "_lifetime": ("claims.iat", "claims.exp"),
    "_subject": ("claims.sub",),
    "_jti": ("claims.jti",),
    "_jti_missing": ("claims.jti",),
    "issuer_untrusted": ("claims.iss",),
    "_issuer": ("claims.iss", "claims.sub"),
}
_LATE = ("_expired",)
_EARLY = ("_not_yet_valid",)
# What it says of itself, true or not, in the words of its claims.
_OF_ITSELF = ("iss", "sub", "jti")


@contextmanager
def explained(token: Unverified, now: float) -> Iterator[None]:
    """A refusal within says what the token said: in `detail` the wrong value, if it has no more to tell, and in the
    fact `said` whose token it claims to be. `now` is in seconds since the epoch.
    """
    try:
        yield
    except OAuthError as error:
        if not error.detail or error.detail in set(JwtProblem):
            error.detail = wrong_value(token, str(error.reason.value), now) or error.detail
        error.facts = {**error.facts, "said": of_itself(token)}
        raise


def wrong_value(token: Unverified, reason: str, now: float) -> str:
    """The value that a reason is about, as the token has it; "" for a reason that is about none."""
    if reason.endswith(_LATE):
        return _away("exp", token.claims.get("exp"), now)
    if reason.endswith(_EARLY):
        later = [name for name in ("nbf", "iat") if _is_after(token.claims.get(name), now)]
        return _away(later[0], token.claims[later[0]], now) if later else ""
    names = next((names for ending, names in _ABOUT.items() if reason.endswith(ending)), ())
    parts = []
    for name in names:
        where, _, member = name.partition(".")
        values = token.header if where == "header" else token.claims
        if member in values or len(names) == 1:
            parts.append(f"{member} is {_shown(values, member)}")
    return "; ".join(parts)


def of_itself(token: Unverified) -> dict[str, str]:
    """Issuer, subject and id that a token claims, as far as they are texts."""
    found = ((name, token.claims.get(name)) for name in _OF_ITSELF)
    return {name: harmless(value) for name, value in found if isinstance(value, str) and value}


def _shown(values: dict[str, object], member: str) -> str:
    if member not in values:
        return "absent"
    # `harmless` has no double quotation mark.
    return harmless(json.dumps(values[member]).replace('"', "'"))


def _is_after(value: object, now: float) -> bool:
    return isinstance(value, int | float) and value > now


def _away(name: str, value: object, now: float) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"{name} is {harmless(json.dumps(value))}"
    distance = round(abs(now - value))
    return f"{name} is {value}, {distance} s {'ago' if value <= now else 'ahead'}"
