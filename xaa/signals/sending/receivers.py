"""The receivers of signals, as ends of access see them."""

from collections.abc import Iterable
from dataclasses import dataclass

from authz.conf import conf
from authz.database import configuration_cache
from authz.models import User
from authz.sign_in import people
from xaa.models import SignalReceiver
from xaa.signals.sending.saying import Person


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """`resources` are identifiers of MCP servers here, `servers` issuers of resource authorization servers."""

    pk: int
    name: str
    client: str
    resources: frozenset[str]
    servers: frozenset[str]
    by_address: bool


def cached() -> tuple[Receiver, ...]:
    """The enabled ones."""
    return configuration_cache.cached("receivers of signals", current)


def current() -> tuple[Receiver, ...]:
    """The same from the database: commands and scheduled tasks, which end access too, begin no generation."""
    return tuple(
        Receiver(
            pk=row.pk,
            name=row.name,
            client=row.client,
            resources=frozenset(row.resources),
            servers=frozenset(row.authorization_servers),
            by_address=row.subject == SignalReceiver.Subject.EMAIL,
        )
        for row in SignalReceiver.objects.filter(enabled=True)
    )


def servers(every: Iterable[Receiver]) -> frozenset[str]:
    """The resource authorization servers that some of these receivers is told of."""
    return frozenset[str]().union(*(receiver.servers for receiver in every))


def audience(row: SignalReceiver) -> str:
    """The `aud` of its events."""
    return row.audience or row.client or row.name


def person_at(receiver: Receiver, user: User) -> Person:
    """The person as this receiver knows them."""
    address = user.email if receiver.by_address and user.email and people.is_vouched_for(user) else ""
    return Person(conf.issuer, str(user.subject), address, by_address=receiver.by_address)
