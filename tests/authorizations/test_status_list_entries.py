"""Entries of status lists: how they are allotted, and when a list is forgotten."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from authz.authorizations import status_lists
from authz.database.transactions import unit_of_work
from authz.models import Authorization, ProtectedResource, StatusList
from authz.operations import housekeeping
from tests.support import append_only, world
from tests.support.races import at_once
from tests.support.world import NOTES, World

# --- Allotting ------------------------------------------------------------------------------------------------------


def test_no_two_get_the_same_entry_however_many_ask(committed_notes: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_lists, "BLOCK", 4)
    entries = at_once([lambda: [status_lists.allot(status_lists.Kind.LONG) for _ in range(25)]] * 4)
    flat = [entry for some in entries for entry in some]
    assert len(set(flat)) == 100


def test_of_two_refreshes_at_once_that_give_an_entry_both_say_the_same(committed_gatehouse: World) -> None:
    tokens = committed_gatehouse.signed_in_tokens()
    ProtectedResource.objects.filter(identifier=NOTES).update(status_list=True)

    def refresh() -> str:
        answer = json.loads(World().refresh(tokens["refresh_token"]).content)
        return json.dumps(world.claims(answer["access_token"])["status"])

    assert len(set(at_once([refresh] * 4))) == 1


def test_a_full_list_is_followed_by_another(notes: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_lists, "SIZE", 2 * status_lists.BLOCK)
    entries = {status_lists.allot(status_lists.Kind.LONG) for _ in range(3 * status_lists.BLOCK)}
    assert len(entries) == 3 * status_lists.BLOCK
    assert [row.closed is not None for row in StatusList.objects.order_by("pk")] == [True, False]


def test_a_block_that_is_held_too_long_is_let_go(notes: World, monkeypatch: pytest.MonkeyPatch) -> None:
    status_lists.allot(status_lists.Kind.LONG)
    held = time.monotonic() + status_lists.BLOCK_HELD.total_seconds()
    monkeypatch.setattr(time, "monotonic", lambda: held + 1)
    status_lists.allot(status_lists.Kind.LONG)
    assert StatusList.objects.get().allotted == 2 * status_lists.BLOCK


def test_nothing_is_allotted_in_a_transaction_that_may_be_rolled_back(notes: World) -> None:
    with pytest.raises(RuntimeError), unit_of_work():
        status_lists.allot(status_lists.Kind.LONG)


def test_a_status_costs_no_statement(gatehouse: World) -> None:
    counts = []
    for wanted in (False, True):
        ProtectedResource.objects.filter(identifier=NOTES).update(status_list=wanted)
        refresh_token = gatehouse.signed_in_tokens()["refresh_token"]
        gatehouse.machine_token()
        with CaptureQueriesContext(connection) as queries:
            gatehouse.machine_token()
            gatehouse.refresh(refresh_token)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_the_kinds_live_apart(notes: World) -> None:
    notes.machine_token()
    notes.signed_in_tokens()
    assert sorted(StatusList.objects.values_list("kind", flat=True)) == ["long", "machine"]


# --- Forgetting -----------------------------------------------------------------------------------------------------


DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("kind", "closed_ago", "is_over"),
    [
        ("brief", None, False),
        ("brief", DAY, False),
        ("brief", 2 * DAY, True),
        ("long", 100 * DAY, False),
        ("long", 182 * DAY, True),
        ("machine", 1000 * DAY, False),
    ],
)
def test_a_list_is_forgotten_when_no_token_of_it_can_be_alive(
    notes: World, kind: str, closed_ago: timedelta | None, is_over: bool
) -> None:
    now = datetime.now(UTC)
    closed = None if closed_ago is None else now - closed_ago
    row = StatusList.objects.create(kind=kind, seed="00" * 16, created=now - 2000 * DAY, closed=closed)
    notes.machine_token()
    with append_only.lifted():  # in life, a place in a list is for good
        Authorization.objects.update(status_list=row.pk, status_index=1)
    housekeeping.run()
    assert StatusList.objects.filter(pk=row.pk).exists() is not is_over
    assert (notes.browser.get(f"/o/status-lists/{row.pk}").status_code == 404) is is_over


def test_a_machines_list_is_forgotten_when_all_of_them_have_ended(notes: World) -> None:
    now = datetime.now(UTC)
    row = StatusList.objects.create(kind="machine", seed="00" * 16, created=now - 9 * DAY, closed=now - 5 * DAY)
    notes.machine_token()
    with append_only.lifted():
        Authorization.objects.update(status_list=row.pk, status_index=1, revoked=now)
    housekeeping.run()
    assert StatusList.objects.filter(pk=row.pk).exists()
    Authorization.objects.update(revoked=now - 2 * DAY)
    housekeeping.run()
    assert not StatusList.objects.filter(pk=row.pk).exists()
