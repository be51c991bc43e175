"""A client's authorization for itself: one live one, whichever request makes it."""

import pytest

from authz.authorizations import AuthorizationReference, machine
from authz.authorizations.machine import MachineGrant
from authz.database.transactions import unit_of_work
from authz.models import Authorization, Client, ProtectedResource
from tests.support.races import at_once
from tests.support.world import World


def grant(*scopes: str) -> MachineGrant:
    client = Client.objects.get(client_id="nightly-report")
    return MachineGrant(client, ProtectedResource.objects.get(is_default=True), "client_credentials", scopes)


def made(wanted: MachineGrant) -> AuthorizationReference:
    planned = machine.plan(wanted)
    with unit_of_work():
        machine.make(planned, wanted)
    return planned


def test_what_was_planned_is_what_is_made(gatehouse: World) -> None:
    planned = made(grant("mcp:read"))
    assert machine.find(grant("mcp:read")) == planned
    assert Authorization.objects.get(pk=planned.id).scopes == ["mcp:read"]


def test_an_authorization_is_widened_and_stays_the_same(gatehouse: World) -> None:
    first = made(grant("mcp:read"))
    with pytest.raises(machine.NotMadeError):
        machine.find(grant("mcp:read", "mcp:write"))
    assert made(grant("mcp:write")).id == first.id
    assert Authorization.objects.get(pk=first.id).scopes == ["mcp:read", "mcp:write"]


def test_a_plan_that_another_request_overtook_is_not_made(gatehouse: World) -> None:
    planned = machine.plan(grant("mcp:read"))
    other = made(grant("mcp:read"))
    with pytest.raises(machine.OvertakenError), unit_of_work():
        machine.make(planned, grant("mcp:read"))
    assert [row.pk for row in Authorization.objects.all()] == [other.id]


def test_a_plan_for_the_client_as_it_was_before_a_change_ends_with_it(gatehouse: World) -> None:
    before = made(grant("mcp:read"))
    Client.objects.filter(client_id="nightly-report").update(consent_digest="changed")
    after = made(grant("mcp:read"))
    assert after.id != before.id
    assert Authorization.objects.get(pk=before.id).revoked_reason == "client changed"


def test_of_many_at_once_one_makes_it_and_the_others_begin_again(committed_gatehouse: World) -> None:
    def attempt() -> str:
        for _ in range(5):
            try:
                return str(made(grant("mcp:read")).id)
            except machine.OvertakenError:
                continue
        raise AssertionError("overtaken each time")

    found = set(at_once([attempt] * 8))
    assert found == {str(Authorization.objects.get().pk)}
