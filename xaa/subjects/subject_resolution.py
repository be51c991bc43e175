"""Subject resolution: which person (iss, tenant, sub) is (ID-JAG §2.2, “Subject Resolution”).

A linked identity first. A verified email address only where the issuer's configuration names it; a new person only
where it allows that; otherwise no one. Signing in by an issuer and redeeming its ID-JAG go through here alike, so both
find the same person. `aud_sub` is never asked: an issuer that could name our accounts could take them over (attack
23). Nothing is written here: what an assertion says takes effect in xaa/subjects/subject_effects.py.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from authz.authorizations.live import groups_of
from authz.database import raw_sql
from authz.models import User
from authz.protocol.display_names import visible
from authz.protocol.errors import OAuthError
from authz.protocol.errors import Reason as CoreReason
from authz.sign_in import people
from xaa.models import SubjectLink
from xaa.reasons import Reason
from xaa.subjects import group_source, said_addresses, said_groups
from xaa.subjects.said_addresses import Address, Unused
from xaa.subjects.said_groups import Silence
from xaa.trusted_issuers import Trust

# Words of one second that are told apart; what comes beyond waits for the next second.
MAXIMUM_WORDS = 32


# --- The rules: pure ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What an assertion says of a person. `email` only if the issuer has verified it, `""` otherwise. `silence`: why it
    says nothing about groups, where its issuer's groups count."""

    tenant: str
    subject: str
    email: str
    groups: tuple[str, ...]
    silence: Silence | None = None
    unused_email: str = ""
    unused: Unused | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A person of ours with the address that the assertion names. `is_linked`: to the same issuer and tenant."""

    pk: int
    is_linked: bool


def identity_of(trust: Trust, claims: Mapping[str, Any]) -> Identity:
    """The identity in the claims of a judged assertion of this issuer."""
    address = said_addresses.read(claims, is_trusted=trust.email_trusted, domains=trust.email_domains)
    return identity(claims, trust.groups_claim, address)


def identity(claims: Mapping[str, Any], groups_claim: str, said: Address | None = None) -> Identity:
    """The identity in the claims of an assertion that has been judged, with the address that it says."""
    address = said_addresses.read(claims) if said is None else said
    groups = said_groups.read(claims, groups_claim) if groups_claim else ()
    return Identity(
        tenant=claims.get("tenant", ""),
        subject=claims["sub"],
        email="" if address.unused else address.text,
        unused_email=address.text if address.unused else "",
        unused=address.unused,
        groups=() if isinstance(groups, Silence) else groups,
        silence=groups if isinstance(groups, Silence) else None,
    )


@dataclass(frozen=True, slots=True)
class Word:
    """What tells one assertion of a person from another: when it was issued (`iat`, seconds), and its digest."""

    at: float
    digest: str


@dataclass(frozen=True, slots=True)
class Heard:
    """The newest word that was taken from an issuer about a person: when it was issued, and the digests of those that
    were issued in that second and taken.
    """

    at: float
    digests: frozenset[str]


def word_of(claims: Mapping[str, Any]) -> Word:
    """`claims` are those of an assertion whose times have been judged."""
    said = json.dumps(claims, sort_keys=True, default=str).encode()
    return Word(float(claims.get("iat", 0)), hashlib.sha256(said).hexdigest()[:16])


def is_news(word: Word, heard: Heard) -> bool:
    """Whether an assertion's word counts: it is newer than all that counted, or of the same second and not among them.

    So none counts twice, and an older one that arrives late, or was kept, brings nothing back (attack 44).
    """
    if word.at != heard.at:
        return word.at > heard.at
    return word.digest not in heard.digests and len(heard.digests) < MAXIMUM_WORDS


def membership(
    now: Collection[str], given: Collection[str], says: Collection[str], elsewhere: Collection[str] = ()
) -> tuple[str, ...]:
    """The groups of a person that the issuer now puts into `says`.

    `given` are those that rested on its word alone so far; `elsewhere` those that another issuer gives, too. What the
    person has from here is left alone.
    """
    return tuple(sorted((set(now) - (set(given) - set(elsewhere))) | set(says)))


def does_address_count(trust: Trust, who: Identity) -> bool:
    # > combination of `iss` + `tenant` uniquely identifies the tenant (ID-JAG §6.1)
    # The administrators of another tenant of the same issuer can verify any address there, so addresses count only for
    # tenants that are named.
    return bool(who.email) and (not who.tenant or who.tenant in trust.tenants)


def why_unused(trust: Trust, who: Identity) -> Unused | None:
    """Why the address that the identity came with finds no person; None where it does, or where there is none."""
    if who.unused is not None:
        return who.unused
    if not who.email:
        return None
    if not does_address_count(trust, who):
        return Unused.TENANT
    return None if "email" in trust.match else Unused.NOT_MATCHED


def choose(trust: Trust, who: Identity, candidates: Sequence[Candidate]) -> int | None:
    """The person to link a not yet linked identity to; None: make a new one. Raises OAuthError where neither may be.

    `candidates` are the people with the address, used or not.
    """
    unused = why_unused(trust, who)
    found = f"a person has the address: {unused.value}" if candidates and unused else ""
    if found and "email" in trust.match and unused is not Unused.TENANT:
        # People are to be found by their addresses: a second person beside the one who has it is never what is meant.
        raise OAuthError(Reason.SUBJECT_ADDRESS_UNUSED, detail=found)
    if "email" in trust.match and does_address_count(trust, who) and candidates:
        if len(candidates) > 1:
            raise OAuthError(Reason.SUBJECT_AMBIGUOUS)
        # An address that the issuer has given to another person does not bring the account with it.
        if candidates[0].is_linked:
            raise OAuthError(Reason.SUBJECT_LINKED_OTHERWISE)
        return candidates[0].pk
    if trust.create:
        return None
    raise OAuthError(Reason.SUBJECT_NOT_LINKED, detail=found)


# --- Around them ----------------------------------------------------------------------------------------------------

# Person, link and groups in one statement: each redemption and each exchange asks (`make bench`). A row for each group.
_LINKED = (
    "SELECT u.id, u.username, u.email, u.is_active, u.subject, l.id, l.groups, l.given, l.said_at, l.said_by,"
    " l.words, l.not_before, l.agents_not_before, g.name"
    " FROM xaa_subjectlink l JOIN authz_user u ON u.id = l.user_id"
    " LEFT JOIN authz_user_groups m ON m.user_id = u.id LEFT JOIN auth_group g ON g.id = m.group_id"
    " WHERE l.issuer_id = %s AND l.tenant = %s AND l.subject = %s ORDER BY g.name"
)
_FIELDS = ("id", "username", "email", "is_active", "subject")  # in the model's order, as from_db() wants them


@dataclass(frozen=True, slots=True)
class Person:
    """A person of this server, with the groups that they are in now."""

    user: User
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """A linked identity as it was read. `groups` are those that the issuer last put the person in; `given` of these,
    the memberships that rest on its word alone."""

    pk: int
    groups: tuple[str, ...]
    given: tuple[str, ...]
    heard: Heard
    words: int
    not_before: float = 0
    agents_not_before: Mapping[str, float] = field(default_factory=dict)

    def is_over(self, issued: float, agent: str) -> bool:
        """Whether the issuer has ended the person's sessions, or what this agent has of them, since that moment.

        A default of 0 says never, so nothing that was issued at 0 is over by it.
        """
        return any(at and issued <= at for at in (self.not_before, self.agents_not_before.get(agent, 0)))


@dataclass(frozen=True, slots=True)
class PassedOver:
    """The people who have the same address as a new person, and why the address did not find them."""

    why: Unused
    people: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Resolution:
    """The person that an assertion names, and what it would change; nothing has been written.

    `person` is as they will be once `effects.take` has written it; without a `link` their user may not be stored yet.
    `word` is None where the assertion changes nothing about a person who is linked. `regroups`: it puts the person into
    other groups, or back into one. `passed_over`: who has the address of the person who would be made.
    """

    trust: Trust
    who: Identity
    person: Person
    link: Link | None
    word: Word | None
    regroups: bool = False
    passed_over: PassedOver | None = None

    @property
    def changes(self) -> bool:
        """Whether there is something to write, if only to the audit."""
        return self.link is None or self.word is not None or self.who.silence is not None


def look(trust: Trust, claims: Mapping[str, Any], *, agent: str = "") -> Resolution:
    """The person that a judged assertion of this issuer speaks of. `agent`: the client_id of who presents it. Writes
    nothing. Raises `OAuthError`.
    """
    who = identity_of(trust, claims)
    if trust.tenants and who.tenant not in trust.tenants:
        raise OAuthError(Reason.ASSERTION_TENANT, detail="not named")
    word = word_of(claims) if trust.groups_claim and who.silence is None else None
    known = _find(trust, who)
    person, link, passed_over = (*known, None) if known else _to_be_linked(trust, who)
    if not person.user.is_active:
        raise OAuthError(CoreReason.SUBJECT_INACTIVE)
    # What was issued before the issuer ended the person's sessions counts no more (xaa/signals/receiving).
    if link is not None and link.is_over(claims.get("iat", 0), agent):
        raise OAuthError(Reason.SUBJECT_SIGNED_OUT)
    if word is None or (link is not None and not is_news(word, link.heard)):
        return Resolution(trust, who, person, link, None, passed_over=passed_over)
    if link is not None and link.groups == who.groups and set(who.groups) <= set(person.groups):
        return Resolution(trust, who, person, link, word)
    elsewhere = _given_by_others(person.user, link) if link else frozenset()
    groups_then = membership(person.groups, link.given if link else (), who.groups, elsewhere)
    return Resolution(trust, who, Person(person.user, groups_then), link, word, True, passed_over)


def find(trust: Trust, claims: Mapping[str, Any]) -> User | None:
    """The person already linked, for looking without touching (`xaa explain`)."""
    found = _find(trust, identity_of(trust, claims))
    return found[0].user if found else None


def links_of(found: Resolution) -> QuerySet[SubjectLink]:
    """The link of the identity as it is now; none or one."""
    who = found.who
    return SubjectLink.objects.filter(issuer_id=found.trust.pk, tenant=who.tenant, subject=who.subject)


def candidates_for(trust: Trust, who: Identity) -> tuple[Candidate, ...]:
    """The people with the identity's address, believed or not; two are enough to see that it is ambiguous."""
    address = who.email or who.unused_email
    if not address:
        return ()
    found = [person.pk for person in people.with_address(address)][:2]
    links = SubjectLink.objects.filter(issuer_id=trust.pk, tenant=who.tenant, user__in=found)
    taken = set(links.values_list("user", flat=True))
    return tuple(Candidate(pk, pk in taken) for pk in found)


def _find(trust: Trust, who: Identity) -> tuple[Person, Link | None] | None:
    rows = raw_sql.every(_LINKED, (trust.pk, who.tenant, who.subject))
    if not rows:
        return None
    pk, username, email, is_active, subject, link, said, given, said_at, said_by, words, not_before, agents, _ = rows[0]
    subject = subject if isinstance(subject, UUID) else UUID(subject)
    user = User.from_db("default", _FIELDS, (pk, username, email, bool(is_active), subject))
    groups_now = tuple(row[-1] for row in rows if row[-1] is not None)
    heard = Heard(said_at, frozenset(_list(said_by)))
    return Person(user, groups_now), Link(link, _list(said), _list(given), heard, words, not_before, mapping(agents))


def _given_by_others(user: User, link: Link) -> frozenset[str]:
    others = SubjectLink.objects.filter(user_id=user.pk).exclude(pk=link.pk).values_list("given", flat=True)
    return frozenset(name for given in others for name in given) | group_source.given_by_directories(user.pk)


def mapping(stored: str | dict[str, float]) -> dict[str, float]:
    """A stored JSON object: PostgreSQL's driver has read it, SQLite's has not."""
    return dict(json.loads(stored) if isinstance(stored, str) else stored)


def _list(stored: str | list[str]) -> tuple[str, ...]:
    return tuple(json.loads(stored) if isinstance(stored, str) else stored)


def _to_be_linked(trust: Trust, who: Identity) -> tuple[Person, Link | None, PassedOver | None]:
    try:
        candidates = candidates_for(trust, who)
        chosen = choose(trust, who, candidates)
        user = User.objects.get(pk=chosen) if chosen is not None else _new(trust, who)
    except OAuthError:
        # Another request linked the same identity, or the same person, in between: what it wrote decides.
        found = _find(trust, who)
        if found is None:
            raise
        return *found, None
    unused = why_unused(trust, who)
    is_beside = chosen is None and unused is not None and candidates
    passed_over = PassedOver(unused, tuple(each.pk for each in candidates)) if unused and is_beside else None
    return Person(user, groups_of(user) if user.pk else ()), None, passed_over


def _new(trust: Trust, who: Identity) -> User:
    # The name is ours to give, unique, and says where the person comes from; it is never one that a rule already names.
    digest = hashlib.sha256(f"{trust.issuer}\n{who.tenant}\n{who.subject}".encode()).hexdigest()[:12]
    # The address of another person stays theirs. One that an unnamed tenant verified does not count.
    gives_address = does_address_count(trust, who) and not people.with_address(who.email)
    name = visible(who.email.partition("@")[0])[:64] if who.email else "person"
    username = f"{name}-{digest}"
    # An administrator has unlinked the person that was created for this identity.
    if User.objects.filter(username=username).exists():
        raise OAuthError(Reason.SUBJECT_LINKED_OTHERWISE)
    user = User(username=username, email=who.email if gives_address else "", is_from_elsewhere=True)
    user.set_unusable_password()
    return user
