"""The agents, people and servers of simulations."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from authz.decisions import simulation
from authz.models import Client, User
from authz.models.client import JWT_BEARER
from tests.support.world import World

DOCUMENT = "https://app.vendor.example.com/client.json"
ENDED = datetime.now(UTC) - timedelta(hours=1)


def an_agent(client_id: str, **columns: Any) -> None:
    Client.objects.create(
        **{"client_id": client_id, "status": "approved", "grant_types": ["client_credentials"]} | columns
    )


def test_agents_are_what_their_models_say(gatehouse: World) -> None:
    alice = User.objects.get(username="alice")
    an_agent("ended", approved_until=ENDED)
    an_agent("lasting", approved_until=ENDED + timedelta(days=1), tags=["finance"], environment="staging", owner=alice)
    an_agent("introduced-itself", registration_source=Client.RegistrationSource.DCR)
    an_agent("workload", grant_types=[JWT_BEARER], token_endpoint_auth_method="none")
    an_agent(DOCUMENT, registration_source=Client.RegistrationSource.CIMD, status="suspended")

    found = {agent.client_id: agent for agent in simulation.cast().agents}

    now = datetime.now(UTC).timestamp()
    assert list(found) == sorted(found)
    assert len(found) == Client.objects.count()
    for client in Client.objects.all():
        agent = found[client.client_id]
        assert (agent.status, agent.kind, agent.host) == (client.state(now), client.kind, client.host)
        assert (agent.tags, agent.grant_types) == (tuple(client.tags), tuple(client.grant_types))
        assert (agent.owner, agent.environment) == (client.owner.username if client.owner else "", client.environment)
    assert [found[name].status for name in ("ended", "lasting", DOCUMENT)] == ["pending", "approved", "suspended"]
    assert [found[name].kind for name in ("introduced-itself", "workload", DOCUMENT)] == ["dynamic", "workload", "cimd"]
    assert found[DOCUMENT].host == "app.vendor.example.com"


def test_people_stand_with_all_their_groups_and_those_without_any(gatehouse: World) -> None:
    User.objects.get(username="bob").groups.create(name="admins")
    User.objects.create(username="dana")
    User.objects.create(username="gone", is_active=False)

    found = {person.username: person.groups for person in simulation.cast().persons}

    assert found == {"alice": ("engineering",), "bob": ("admins", "engineering"), "charlie": ("visitors",), "dana": ()}


def test_ten_thousand_agents_are_not_made_into_models(gatehouse: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It took most of a page's half second (tests/bench/pages.py)."""

    def refused(*_: object) -> None:
        raise AssertionError("an agent or a person was made into a model")

    monkeypatch.setattr(Client, "from_db", refused)
    monkeypatch.setattr(User, "from_db", refused)
    with CaptureQueriesContext(connection) as captured:
        found = simulation.cast()

    assert found.agents and found.persons
    assert len(captured) == 5  # agents, people, servers, scopes, and servers elsewhere
