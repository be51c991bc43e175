"""Which person a verified assertion speaks of, check by check, without linking or creating one."""

from collections.abc import Generator, Mapping
from typing import Any

from authz.models import User
from authz.protocol.errors import OAuthError
from xaa.explain.findings import Finding, attempt, finding
from xaa.subjects import subject_resolution
from xaa.trusted_issuers import Trust


def explain(trust: Trust, claims: Mapping[str, Any]) -> Generator[Finding, None, User | None]:
    """The findings; returns the person, None where there is none yet or none may be."""
    user = subject_resolution.find(trust, claims)
    who = subject_resolution.identity_of(trust, claims)
    if trust.groups_claim:
        said = ", ".join(who.groups) or "no group: the person leaves those that the issuer gave"
        silent = f"{who.silence}: memberships stay as they are" if who.silence else ""
        yield Finding(f"what it says of groups ({trust.groups_claim})", True, silent or said)
    if user is None:
        chosen = attempt(lambda: subject_resolution.choose(trust, who, subject_resolution.candidates_for(trust, who)))
        note = "a new person would be made" if chosen is None else "would be linked by the verified address"
        if isinstance(chosen, OAuthError):
            note = (
                f"sub {who.subject}, {_address(trust, who)};"
                f" the issuer matches by {', '.join(trust.match) or 'nothing'}{' and creates' if trust.create else ''}"
            )
        yield finding("its subject is a person of this server", chosen, note)
        user = User.objects.filter(pk=chosen).first() if isinstance(chosen, int) else None
    else:
        yield Finding("its subject is a person of this server", True, f"linked to {user.username}")
    if user is not None:
        yield Finding("the person is active", user.is_active, user.username)
    return user


def _address(trust: Trust, who: subject_resolution.Identity) -> str:
    unused = subject_resolution.why_unused(trust, who)
    if unused is not None:
        return f"address {who.email or who.unused_email} not used ({unused.value})"
    return f"address {who.email}" if who.email else "no address"
