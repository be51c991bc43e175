"""What receivers are told of: each end of access (`registry.EndListener`), and each changed credential of a person.

A receiver is told of people who were granted access at its resources, or whose ID-JAGs went to its authorization
servers, and of no other. It is written in the transaction of the end, so none is missed.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db.models import Q, QuerySet

from authz.conf import conf
from authz.models import Authorization, Client, User
from xaa.models import IdJagReceipt
from xaa.signals.event_types import CredentialChange, EventType, InitiatingEntity
from xaa.signals.sending import outbox, receivers, saying
from xaa.signals.sending.receivers import Receiver
from xaa.signals.sending.saying import Person, Said
from xaa.signals.subjects import IssSub

# How many authorizations one statement looks up.
BATCH = 500


class _Telling:
    """What one end tells, for each receiver once."""

    def __init__(self, reason: str, now: datetime) -> None:
        self.reason, self.now = reason, now
        self.receivers = receivers.current()
        self.servers = sorted(receivers.servers(self.receivers))
        self._told: dict[int, dict[str, Said]] = defaultdict(dict)
        self._people: dict[tuple[int, int], Person] = {}

    def person(self, receiver: Receiver, user: User) -> Person:
        key = receiver.pk, user.pk
        if key not in self._people:
            self._people[key] = receivers.person_at(receiver, user)
        return self._people[key]

    def add(self, receiver: Receiver, said: Said) -> None:
        self._told[receiver.pk][said.digest] = said

    def of_authorization(self, receiver: Receiver, one: Authorization) -> None:
        if one.user is None:
            # The subject of a machine's token is the machine (RFC 9068 §2.2).
            machine = IssSub(conf.issuer, one.client.client_id)
            self.add(receiver, saying.revoked(machine, self.reason, self.now, frozenset({machine})))
            return
        self._of_agent(receiver, one.user, one.client.client_id, str(one.pk))

    def of_receipts(self, rows: QuerySet[IdJagReceipt]) -> None:
        if not self.servers:
            return
        known = rows.filter(server__in=self.servers, user__is_active=True).select_related("user")
        for row in known.order_by("pk").iterator(BATCH):
            for receiver in self.receivers:
                if row.server in receiver.servers:
                    self._of_agent(receiver, row.user, row.client_there)

    def _of_agent(self, receiver: Receiver, user: User, agent: str, authorization: str = "") -> None:
        person = self.person(receiver, user)
        subject = saying.of_authorization(person, agent, authorization)
        self.add(receiver, saying.revoked(subject, self.reason, self.now, person.names))

    def write(self) -> None:
        told = {receiver: list(said.values()) for receiver, said in self._told.items()}
        outbox.write(told, uuid.uuid4(), self.now)


def ended(authorizations: Sequence[Authorization], *, reason: str, now: datetime) -> None:
    """Of authorizations that have just ended. Of a disabled account everyone was told when it was disabled."""
    telling = _Telling(reason, now)
    if telling.receivers:
        _of_all(telling, authorizations)
        telling.write()


def suspended(clients: Sequence[Client], *, now: datetime) -> None:
    """What rests with a suspended agent has not ended, but a server that verifies its tokens alone goes on until they
    expire. It is told as of an end: what the agent gets once it is approved again is newer than the event."""
    telling = _Telling("agent_suspended", now)
    if not telling.receivers:
        return
    rows = Authorization.objects.filter(client__in=clients, revoked=None).select_related("client", "user", "resource")
    live, page = rows.filter(Q(expires=None) | Q(expires__gt=now)).order_by("pk"), list[Authorization]()
    for one in live.iterator(BATCH):
        page.append(one)
        if len(page) == BATCH:
            _of_all(telling, page)
            page = []
    _of_all(telling, page)
    telling.of_receipts(IdJagReceipt.objects.filter(authorization="", client__in=clients))
    telling.write()


def _of_all(telling: _Telling, authorizations: Sequence[Authorization]) -> None:
    live = [one for one in authorizations if one.user is None or one.user.is_active]
    for one in live:
        for receiver in telling.receivers:
            if one.resource is not None and one.resource.identifier in receiver.resources:
                telling.of_authorization(receiver, one)
    if telling.servers:
        keys = [str(one.pk) for one in live if one.user_id is not None]
        for start in range(0, len(keys), BATCH):
            telling.of_receipts(IdJagReceipt.objects.filter(authorization__in=keys[start : start + BATCH]))


def cut_off(kind: str, identifier: str, *, subject: str, now: datetime) -> None:
    """Of a use of the switch: what no authorization of ours stands for."""
    # ID-JAGs that rested on other issuers' ID tokens. Those that rested on an authorization are told of with it.
    without = IdJagReceipt.objects.filter(authorization="")
    match kind:
        case "person":
            user = User.objects.filter(subject=subject).first()
            if user is not None:
                person_ended(user, now, reason="cut_off")
        case "client":
            of_receipts(without.filter(client__client_id=identifier), "cut_off", now)
        case "issuer":
            of_receipts(without.filter(issuer=identifier), "cut_off", now)
        case "everything":
            of_receipts(without, "cut_off", now)


def reinstated(kind: str, *, subject: str, now: datetime) -> None:
    """Of an undo of the switch. What an agent gets afterwards is new, so only an account has something to be told."""
    user = User.objects.filter(subject=subject).first() if kind == "person" else None
    if user is not None and user.is_active:
        account_changed(user, EventType.ACCOUNT_ENABLED, now)


def person_ended(user: User, now: datetime, *, reason: str, kind: EventType = EventType.ACCOUNT_DISABLED) -> None:
    """All access of a person ended, and everyone who knows them is told. Inside `unit_of_work()`."""
    telling, occurrence = _Telling(reason, now), uuid.uuid4().hex
    for receiver in _who_know(user, telling):
        person = telling.person(receiver, user)
        telling.add(receiver, saying.revoked(person.subject, reason, now, person.names))
        telling.add(receiver, saying.account(kind, person, now, occurrence))
    telling.write()


def account_changed(user: User, kind: EventType, now: datetime) -> None:
    """Inside `unit_of_work()`, which has changed the account."""
    telling, occurrence = _Telling("", now), uuid.uuid4().hex
    for receiver in _who_know(user, telling):
        telling.add(receiver, saying.account(kind, telling.person(receiver, user), now, occurrence))
    telling.write()


def credential_changed(
    user: User, credential_type: str, change: CredentialChange, now: datetime, *, by: InitiatingEntity
) -> None:
    """Inside `unit_of_work()`."""
    telling = _Telling("", now)
    for receiver in _who_know(user, telling):
        person = telling.person(receiver, user)
        telling.add(receiver, saying.credential_changed(person, credential_type, change, now, by))
    telling.write()


def of_receipts(rows: QuerySet[IdJagReceipt], reason: str, now: datetime) -> None:
    """What ID-JAGs led to elsewhere. Inside `unit_of_work()`."""
    telling = _Telling(reason, now)
    telling.of_receipts(rows)
    telling.write()


def _who_know(user: User, telling: _Telling) -> Iterable[Receiver]:
    """The receivers at whose resources or servers the person ever was, as far as authorizations are kept."""
    every = telling.receivers
    resources = frozenset[str]().union(*(receiver.resources for receiver in every))
    granted = Authorization.objects.filter(user=user, resource__identifier__in=sorted(resources)).order_by()
    at = set(granted.values_list("resource__identifier", flat=True).distinct()) if resources else set()
    receipts = IdJagReceipt.objects.filter(user=user, server__in=telling.servers).order_by()
    there = set(receipts.values_list("server", flat=True).distinct()) if telling.servers else set()
    return [receiver for receiver in every if receiver.resources & at or receiver.servers & there]
