"""What is said of an end, and about which subject: the events of one end, for one receiver. Pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from xaa.signals import subjects
from xaa.signals.event_types import CredentialChange, EventType, InitiatingEntity
from xaa.signals.subjects import Complex, Email, IssSub, Opaque, Simple, Subject

# What the interoperability profile asks for, which a receiver gets that asks for none in particular.
USUAL: Final = (EventType.SESSION_REVOKED, EventType.CREDENTIAL_CHANGE)
ACCOUNTS: Final = (EventType.ACCOUNT_DISABLED, EventType.ACCOUNT_ENABLED, EventType.ACCOUNT_PURGED)
SUPPORTED: Final = (*USUAL, EventType.TOKEN_CLAIMS_CHANGE, *ACCOUNTS)
ADMIN, USER, POLICY, SYSTEM = InitiatingEntity
# Why an authorization ended (the audit's `because`): who began it, and in words for the receiver's administrators. They
# are ours: what an administrator wrote about a person here is not for others.
_ADMINISTRATOR = (ADMIN, "An administrator ended the access.")
_WITHDRAWN = (ADMIN, "An administrator withdrew what the access rested on.")
_CHANGED = (SYSTEM, "The agent changed, so what it had been granted ended.")
_REPLAYED = (SYSTEM, "A credential of the agent was used twice, so what it had been granted ended.")
REASONS: Final[Mapping[str, tuple[InitiatingEntity, str]]] = {
    "cut_off": _ADMINISTRATOR,
    "removed": (ADMIN, "The person, the agent or the server was removed."),
    "restored": (ADMIN, "The authorization server was restored from a backup, and all access before it ended."),
    "issuer_withdrawn": _WITHDRAWN,
    "subject_unlinked": _WITHDRAWN,
    "workload_withdrawn": _WITHDRAWN,
    "host_withdrawn": _WITHDRAWN,
    "client_retired": (ADMIN, "The agent was retired."),
    "client_changed": _CHANGED,
    "client changed": _CHANGED,
    "code_replayed": _REPLAYED,
    "refresh_token_replayed": _REPLAYED,
    "password_changed": (USER, "The person's password changed, so what rested on the old one ended."),
    "signed_out": (USER, "The person signed out."),
    "session_revoked": (SYSTEM, "The issuer that signs the person in revoked their session."),
    "issuer_logged_out": (USER, "The person signed out at the issuer that signs them in."),
    "ended_by_person": (USER, "The person ended the agent's access."),
    "ended_by_agent": (USER, "The agent gave its access back."),
    "revoked by the client": (USER, "The agent gave its access back."),
    "account_disabled": (ADMIN, "The person's account was disabled."),
    "agent_suspended": (ADMIN, "The agent was suspended. Tokens that are issued from now on count again."),
}
OTHERWISE: Final = (SYSTEM, "The access ended.")


@dataclass(frozen=True, slots=True)
class Said:
    """One event, without what depends on the stream. `names` are all names of the person that it is about; `occurrence`
    tells events apart that say the same of the same second, where the last one counts."""

    event_type: EventType
    subject: Subject
    claims: Mapping[str, Any]
    names: frozenset[Simple] = field(default=frozenset(), compare=False)
    occurrence: str = ""

    @property
    def digest(self) -> str:
        """The same of what says the same of the same moment."""
        said = {"type": self.event_type.value, "subject": subjects.as_json(self.subject), **self.claims}
        return digest(said | ({"occurrence": self.occurrence} if self.occurrence else {}))


@dataclass(frozen=True, slots=True)
class Person:
    """A person as a receiver knows them. `address` is "" unless it is known to be theirs."""

    issuer: str
    sub: str
    address: str = ""
    by_address: bool = False

    @property
    def subject(self) -> Simple:
        # Attack: a person enters another's address here, ends their own access, and so the other's there. Only an
        # address that is known to be theirs names them.
        return Email(self.address) if self.by_address and self.address else IssSub(self.issuer, self.sub)

    @property
    def names(self) -> frozenset[Simple]:
        """All that a receiver may call them when it removes them from its stream."""
        also: set[Simple] = {Email(self.address)} if self.address else set()
        return frozenset(also | {IssSub(self.issuer, self.sub)})


def of_authorization(person: Person, agent: str, authorization: str = "") -> Complex:
    """What one agent had for a person: all of it, or what one authorization gave (tokens name it in `authorization`).

    > When a Complex Claim is used as the subject, the revocation event applies to any session derived from matching
    > those combined claims. (CAEP 1.0 §3.1)
    """
    members: dict[str, Simple] = {subjects.USER: person.subject, subjects.APPLICATION: Opaque(agent)}
    if authorization:
        members[subjects.SESSION] = Opaque(authorization)
    return Complex(members)


def revoked(subject: Subject, reason: str, when: datetime, names: frozenset[Simple] = frozenset()) -> Said:
    """> The `reason_admin` field of the event MUST be populated with a non-empty value. (CAEP interoperability §3.1)"""
    entity, words = REASONS.get(reason, OTHERWISE)
    return Said(EventType.SESSION_REVOKED, subject, _claims(entity, words, when), names)


def credential_changed(
    person: Person, credential_type: str, change: CredentialChange, when: datetime, by: InitiatingEntity
) -> Said:
    """> `reason_admin`: Transmitters MUST populate this value with a non-empty string (CAEP interoperability §3.2)"""
    words = f"The person's credential ({credential_type}) changed: {change.value}."
    claims = {"credential_type": credential_type, "change_type": change.value, **_claims(by, words, when)}
    return Said(EventType.CREDENTIAL_CHANGE, person.subject, claims, person.names)


def account(kind: EventType, person: Person, when: datetime, occurrence: str) -> Said:
    """An account here was disabled, enabled or removed (RISC 1.0 §2). No reason: RISC has those of an abuse alone."""
    claims = {"event_timestamp": int(when.timestamp())}
    return Said(kind, person.subject, claims, person.names, occurrence)


def claims_changed(person: Person, claims: Mapping[str, Any], when: datetime, occurrence: str) -> Said:
    """> claims: REQUIRED, JSON object: one or more claims with their new value(s) (CAEP 1.0 §3.2)"""
    words = "What this server says of the person changed: " + ", ".join(sorted(claims)) + "."
    said = {"claims": dict(claims), **_claims(SYSTEM, words, when)}
    return Said(EventType.TOKEN_CLAIMS_CHANGE, person.subject, said, person.names, occurrence)


def _claims(entity: InitiatingEntity, words: str, when: datetime) -> dict[str, Any]:
    return {
        "event_timestamp": int(when.timestamp()),
        "initiating_entity": entity.value,
        "reason_admin": {"en": words},
    }


def digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def is_excluded(said: Said, excluded: Subject) -> bool:
    """Whether the receiver removed what this is about.

    > In the case of Simple Subjects, two subjects match if they are exactly identical. (SSF 1.0 §8.1.3.1)

    A complex subject excludes what names all of its members, so that removing one agent of a person removes no other.
    """
    if not isinstance(excluded, Complex):
        return excluded in said.names or excluded == said.subject
    members = said.subject.members if isinstance(said.subject, Complex) else {}
    return all(
        members.get(name) == member or (name == subjects.USER and member in said.names)
        for name, member in excluded.members.items()
    )
