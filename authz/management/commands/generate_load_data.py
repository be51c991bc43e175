"""Fill a database that is thrown away afterwards with as much as a large organisation has, to measure pages against."""

import random
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from authz import audit
from authz.models import AuditEvent, Authorization, Client, ProtectedResource, Rule, Scope, User
from authz.protocol.errors import Reason

BATCH = 5_000
GRANTS = ("client_credentials", "client_credentials", "client_credentials", "refresh_token", "authorization_code")
REFUSALS = (Reason.CLIENT_SECRET_WRONG, Reason.DENIED_BY_POLICY, Reason.CODE_EXPIRED, Reason.CLIENT_UNKNOWN)


class Command(BaseCommand):
    help = "Fill a database with agents, people, rules and audit events, to measure pages against. Not for production."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--events", type=int, default=1_000_000)
        parser.add_argument("--agents", type=int, default=10_000)
        parser.add_argument("--rules", type=int, default=1_000)
        parser.add_argument("--people", type=int, default=2_000)
        parser.add_argument("--days", type=int, default=30, help="over how many days the events lie")
        parser.add_argument("--really", action="store_true", help="yes, this database may be spoilt")

    def handle(self, *args: Any, **options: Any) -> None:
        # Audit events cannot be removed.
        if not options["really"]:
            raise CommandError("This cannot be undone. Say --really for a database that you throw away afterwards.")
        chance = random.Random(7)  # noqa: S311  the same data each time
        now = datetime.now(UTC)
        with transaction.atomic():
            people = _people(options["people"])
            resources = _resources(40)
            agents = _agents(options["agents"], people, chance)
            authorizations = _authorizations(agents, people, resources, now, chance)
            _rules(options["rules"], agents, resources, chance)
        events = _events(options["events"], authorizations, now - timedelta(days=options["days"]), now, chance)
        while batch := list(islice(events, BATCH * 10)):
            AuditEvent.objects.bulk_create(batch, batch_size=BATCH)
        self.stdout.write(f"{options['events']} events, {options['agents']} agents, {options['rules']} rules")


def _people(count: int) -> list[User]:
    return User.objects.bulk_create(
        [User(username=f"load-{i}", email=f"load-{i}@example.com") for i in range(count)], batch_size=BATCH
    )


def _resources(count: int) -> list[ProtectedResource]:
    resources = ProtectedResource.objects.bulk_create(
        [ProtectedResource(identifier=f"https://load-{i}.example.com/mcp", name=f"Load {i}") for i in range(count)]
    )
    Scope.objects.bulk_create(
        [Scope(resource=resource, name=name) for resource in resources for name in ("read", "write")]
    )
    return resources


def _agents(count: int, people: list[User], chance: random.Random) -> list[Client]:
    statuses = ("approved",) * 17 + ("pending", "suspended", "retired")
    return Client.objects.bulk_create(
        [
            Client(
                client_id=f"load-agent-{i}",
                name=f"Load agent {i}",
                status=chance.choice(statuses),
                owner=chance.choice(people),
                grant_types=["client_credentials"],
                token_endpoint_auth_method="client_secret_basic",  # noqa: S106  a method's name
            )
            for i in range(count)
        ],
        batch_size=1_000,
    )


def _authorizations(
    agents: list[Client], people: list[User], resources: list[ProtectedResource], now: datetime, chance: random.Random
) -> list[Authorization]:
    return Authorization.objects.bulk_create(
        [
            Authorization(
                client=agent,
                user=chance.choice(people),
                resource=chance.choice(resources),
                grant_type=chance.choice(GRANTS),
                scopes=["read"],
                created=now - timedelta(minutes=chance.randrange(60 * 24 * 30)),
            )
            for agent in agents
        ],
        batch_size=1_000,
    )


def _rules(count: int, agents: list[Client], resources: list[ProtectedResource], chance: random.Random) -> None:
    Rule.objects.bulk_create(
        [
            Rule(
                name=f"Load rule {i}",
                effect=chance.choice(("allow", "allow", "allow", "deny")),
                definition={
                    "clients": [chance.choice(agents).client_id],
                    "grant_types": ["client_credentials"],
                    "resources": [chance.choice(resources).identifier],
                    "scopes": ["read"],
                },
            )
            for i in range(count)
        ],
        batch_size=BATCH,
    )


def _events(
    count: int, authorizations: list[Authorization], since: datetime, until: datetime, chance: random.Random
) -> Iterator[AuditEvent]:
    """In the order of time, as they would have been written; every twentieth is a refusal."""
    step = (until - since) / max(count, 1)
    for i in range(count):
        row = chance.choice(authorizations)
        refused = i % 20 == 0
        yield AuditEvent(
            time=since + step * i,
            event=audit.Event.TOKEN_REFUSED if refused else audit.Event.TOKEN_ISSUED,
            reason=chance.choice(REFUSALS).value if refused else "",
            client_id=row.client.client_id,
            subject=str(row.user.subject) if row.user else "",
            resource=row.resource.identifier if row.resource else "",
            authorization=str(row.pk),
            address=f"203.0.113.{i % 250}",
            detail={"grant_type": row.grant_type, "scope": "read", "jti": f"load-{i}"},
        )
