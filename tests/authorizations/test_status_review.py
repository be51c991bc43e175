"""What rules no longer allow, in the status lists: the entry ends for good, and the next token has another."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from authz.configuration import apply
from authz.decisions import status_review
from authz.models import AccessRequest, AuditEvent, Authorization, Client, EndedEntry, Rule, User
from tests.support import world
from tests.support.races import at_once
from tests.support.world import NOTES, World

from .status_list_reader import status

ENGINEERS = "Engineers use agents on Notes"
BOTH = "mcp:read mcp:write"


def review() -> None:
    """The scheduled task, a minute later."""
    status_review.forget()
    while status_review.run():
        pass


def no_writing() -> None:
    apply(
        f'rules: [{{name: No agent writes, effect: deny, clients: ["*"], groups: ["*"], resources: ["{NOTES}"],'
        ' scopes: ["mcp:write"]}]'
    )


def switched_off() -> None:
    Rule.objects.filter(name=ENGINEERS).update(enabled=False)


def out_of_the_group() -> None:
    User.objects.get(username="bob").groups.clear()


def out_of_date() -> None:
    rule = Rule.objects.get(name=ENGINEERS)
    rule.definition["conditions"] = {"not_after": "2020-01-01"}
    rule.save()


@pytest.mark.parametrize("change", [no_writing, switched_off, out_of_the_group, out_of_date])
def test_whatever_takes_a_scope_away_is_in_the_list(notes: World, change: Callable[[], None]) -> None:
    token = notes.signed_in_tokens(scope=BOTH)["access_token"]
    machine = notes.machine_token()["access_token"]
    review()
    assert (status(notes, token), status(notes, machine)) == (0, 0)
    change()
    assert not notes.introspect(token)["active"]
    review()
    assert (status(notes, token), status(notes, machine)) == (1, 0)
    event = AuditEvent.objects.get(event="token:authorization:disallowed")
    assert (event.client_id, event.resource) == ("desktop-app", NOTES)
    review()
    assert EndedEntry.objects.count() == 1


def test_the_next_token_has_another_entry(notes: World) -> None:
    first = notes.signed_in_tokens(scope=BOTH)
    no_writing()
    review()
    later = json.loads(notes.refresh(first["refresh_token"]).content)
    assert later["scope"] == "mcp:read"
    review()
    assert status(notes, first["access_token"]) == 1
    assert status(notes, later["access_token"]) == 0
    assert notes.introspect(later["access_token"])["active"]
    switched_off()
    review()
    assert status(notes, later["access_token"]) == 1


def test_what_is_allowed_again_ends_again(notes: World) -> None:
    first = notes.signed_in_tokens(scope=BOTH)
    no_writing()
    review()
    Rule.objects.filter(name="No agent writes").update(enabled=False)
    whole = json.loads(notes.refresh(first["refresh_token"]).content)
    assert whole["scope"] == "mcp:read mcp:write"
    review()
    # What has ended stays so.
    assert (status(notes, first["access_token"]), status(notes, whole["access_token"])) == (1, 0)
    Rule.objects.filter(name="No agent writes").update(enabled=True)
    review()
    assert status(notes, whole["access_token"]) == 1


def test_a_machines_next_token_is_not_one_that_has_ended(notes: World) -> None:
    first = notes.machine_token()["access_token"]
    Rule.objects.filter(name="Agents read notes").update(enabled=False)
    review()
    Rule.objects.filter(name="Agents read notes").update(enabled=True)
    later = notes.machine_token()["access_token"]
    review()
    assert (status(notes, first), status(notes, later)) == (1, 0)


def test_an_approval_that_has_ended(notes: World) -> None:
    rule = Rule.objects.get(name=ENGINEERS)
    rule.effect = "require_approval"
    rule.save()
    now, bob = datetime.now(UTC), User.objects.get(username="bob")
    agent = Client.objects.get(client_id="desktop-app")
    given = AccessRequest.objects.create(
        digest="d", client=agent, client_digest=agent.consent_digest, user=bob, resource=NOTES,
        grant_type="authorization_code", scopes=["mcp:read", "mcp:write"], approved_scopes=["mcp:read", "mcp:write"],
        status="approved", context={"rules": [ENGINEERS]}, first_asked=now, last_asked=now,
        not_before=now - timedelta(hours=1), expires=now + timedelta(hours=1),
    )  # fmt: skip
    token = notes.signed_in_tokens(scope=BOTH)["access_token"]
    review()
    assert status(notes, token) == 0
    AccessRequest.objects.filter(pk=given.pk).update(expires=now - timedelta(seconds=1))
    review()
    assert status(notes, token) == 1


def test_a_suspended_agent_keeps_its_entries(notes: World) -> None:
    """It comes back with them (docs/decisions/0022-status-lists.md)."""
    token = notes.signed_in_tokens(scope=BOTH)["access_token"]
    Client.objects.filter(client_id="desktop-app").update(status="suspended")
    review()
    assert status(notes, token) == 1
    Client.objects.filter(client_id="desktop-app").update(status="approved")
    assert status(notes, token) == 0


def test_a_round_is_made_of_batches_and_begins_when_the_configuration_changes(
    notes: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_review, "BATCH", 1)
    tokens = [notes.signed_in_tokens(scope=BOTH)["access_token"], notes.machine_token()["access_token"]]
    status_review.run()
    Rule.objects.update(enabled=False)
    assert status_review.run() is False
    assert [status(notes, token) for token in tokens] == [1, 1]
    # Nothing has changed: no round begins before its minute.
    out_of_the_group()
    monkeypatch.setattr(status_review, "_review", pytest.fail)
    assert status_review.run() is False


def test_of_two_nodes_one_ends_an_entry(committed_notes: World, monkeypatch: pytest.MonkeyPatch) -> None:
    token = committed_notes.signed_in_tokens(scope=BOTH)["access_token"]
    no_writing()
    rows = list(Authorization.objects.select_related("client__owner", "user", "resource"))
    at_once([lambda: status_review._review(rows, datetime.now(UTC))] * 3)
    assert EndedEntry.objects.count() == 1
    assert AuditEvent.objects.filter(event="token:authorization:disallowed").count() == 1
    assert status(committed_notes, token) == 1
    assert world.claims(token)["status"]
