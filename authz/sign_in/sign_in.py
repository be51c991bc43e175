"""A person's sign-in as one value: what policy decides by, and what tokens say of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from authz.authorizations.live import groups_of
from authz.models import User


class Authentication(Protocol):
    """How and when a person signed in, as a code, an authorization, a session or an ID-JAG says it."""

    @property
    def auth_time(self) -> int | None: ...
    @property
    def acr(self) -> str: ...
    @property
    def amr(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """The person that a client acts for, and how and when this person signed in (OpenID Connect Core §2).

    groups     the names of the person's groups, as they are now.
    auth_time  seconds since the epoch; None where it isn't known.
    acr, amr   the authentication context, and the methods (RFC 8176); empty where they aren't known.
    """

    user: User
    groups: tuple[str, ...]
    auth_time: float | None = None
    acr: str = ""
    amr: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """The `sub` claim of this server's tokens."""
        return str(self.user.subject)

    def claims(self) -> dict[str, Any]:
        """The claims `auth_time`, `acr` and `amr`, without those that aren't known."""
        known: dict[str, Any] = {}
        if self.auth_time is not None:
            known["auth_time"] = int(self.auth_time)
        if self.acr:
            known["acr"] = self.acr
        if self.amr:
            known["amr"] = list(self.amr)
        return known


def sign_in_of(user: User, authentication: Authentication, groups: tuple[str, ...] | None = None) -> SignIn:
    """The sign-in of a person. `groups` are the person's, if the caller has read them already."""
    return SignIn(
        user=user,
        groups=groups_of(user) if groups is None else groups,
        auth_time=authentication.auth_time,
        acr=authentication.acr,
        amr=tuple(authentication.amr),
    )


def signed_in_now(user: User | None, now: float) -> SignIn | None:
    """The sign-in as if the person had signed in at `now`, to try out what rules say; None for a machine."""
    return SignIn(user=user, groups=groups_of(user), auth_time=now) if user else None
