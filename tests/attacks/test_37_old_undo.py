"""Attack 37: an old undo. Once anything else has changed what was cut off, the undo gives nothing back."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from authz.approvals import agent_lifecycle
from authz.approvals.agent_lifecycle import Terms
from authz.authorizations import cut_off
from authz.models import AuditEvent, Client, CutOff, CutOffMark, ProtectedResource, User
from tests.support import world
from tests.support.races import at_once
from tests.support.world import NOTES, World
from xaa.models import TrustedIssuer

ISSUER = "https://idp.example.com"
DESKTOP = Client.objects.filter(client_id="desktop-app")
BOB = User.objects.filter(username="bob")
SERVER = ProtectedResource.objects.filter(identifier=NOTES)
IDP = TrustedIssuer.objects.filter(issuer=ISSUER)


def now() -> datetime:
    return datetime.now(UTC)


def cut(kind: str, identifier: str) -> CutOff:
    found = cut_off.target(kind, identifier)
    return cut_off.cut_off(found, kind=kind, identifier=identifier, reason="", by="alice", now=now())


def undo(row: CutOff) -> bool:
    try:
        cut_off.undo(row, by="alice", now=now())
    except cut_off.NothingToUndo as refused:
        assert refused.reason is cut_off.UndoReason.VOID
        return False
    return True


@pytest.fixture
def issuer(gatehouse: World) -> None:
    TrustedIssuer.objects.create(issuer=ISSUER, name="IdP", accepts=["id-jag"])


def is_stopped(kind: str) -> bool:
    return {
        "client": lambda: DESKTOP.get().status != "approved",
        "everything": lambda: DESKTOP.get().status != "approved",
        "person": lambda: not BOB.get().is_active,
        "resource": lambda: not SERVER.get().is_active,
        "issuer": lambda: not IDP.get().enabled,
    }[kind]()


IDENTIFIER = {"client": "desktop-app", "person": "bob", "resource": NOTES, "issuer": ISSUER, "everything": ""}


def there_and_back(rows: Any, name: str, on: Any, off: Any) -> Callable[[], None]:
    """The same state as the cut-off left, but by another person's decision."""

    def change() -> None:
        rows.update(**{name: on})
        rows.update(**{name: off})

    return change


def saved(rows: Any, **changes: Any) -> Callable[[], None]:
    def change() -> None:
        row = rows.get()
        for name, value in changes.items():
            setattr(row, name, value)
        row.save()

    return change


def past_django(statement: str) -> Callable[[], None]:
    def change() -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)

    return change


def approved_and_suspended_again() -> None:
    alice, terms = world.person("alice"), Terms(owner=world.person("charlie"))
    assert agent_lifecycle.change_status(DESKTOP.get(), "approved", by=alice, now=now(), terms=terms)
    assert agent_lifecycle.change_status(DESKTOP.get(), "suspended", by=alice, now=now())


LATER: list[tuple[str, str, Callable[[], object]]] = [
    ("client", "cut off again", lambda: cut("client", "desktop-app")),
    ("client", "everything cut off", lambda: cut("everything", "")),
    ("client", "approved and suspended again", approved_and_suspended_again),
    ("client", "there and back", there_and_back(DESKTOP, "status", "approved", "suspended")),
    ("client", "retired", lambda: DESKTOP.update(status="retired")),
    ("client", "widened", lambda: DESKTOP.update(redirect_uris="https://evil.example/callback")),
    ("client", "saved with a new owner", saved(DESKTOP, owner=None, tags=["other"])),
    ("client", "scope, at the prompt", past_django("UPDATE authz_client SET scope = '[\"mcp:write\"]'")),
    ("person", "cut off again", lambda: cut("person", "bob")),
    ("person", "there and back", there_and_back(BOB, "is_active", True, False)),
    ("person", "became an administrator", saved(BOB, role="administrator")),
    ("person", "another password", lambda: BOB.update(password="!")),
    ("person", "at the prompt", past_django("UPDATE authz_user SET email = 'x@example.com' WHERE username = 'bob'")),
    ("resource", "cut off again", lambda: cut("resource", NOTES)),
    ("resource", "there and back", there_and_back(SERVER, "is_active", True, False)),
    ("resource", "longer tokens", lambda: SERVER.update(access_token_lifetime=86400)),
    ("issuer", "cut off again", lambda: cut("issuer", ISSUER)),
    ("issuer", "there and back", there_and_back(IDP, "enabled", True, False)),
    ("issuer", "believed for more", saved(IDP, accepts=["id-jag", "id_token", "workload"])),
    ("everything", "cut off again", lambda: cut("everything", "")),
    ("everything", "the one cut off by itself", lambda: cut("client", "desktop-app")),
    ("everything", "the one there and back", there_and_back(DESKTOP, "status", "approved", "suspended")),
    ("everything", "the one widened", lambda: DESKTOP.update(redirect_uris="https://evil.example/callback")),
]


@pytest.mark.parametrize(("kind", "what", "later"), LATER, ids=[f"{kind}: {what}" for kind, what, _ in LATER])
def test_a_later_change_voids_it(gatehouse: World, issuer: None, kind: str, what: str, later: Any) -> None:
    row = cut(kind, IDENTIFIER[kind])
    assert is_stopped(kind)
    later()
    given_back = undo(row)
    assert is_stopped(kind), what
    # Of everything, all the others come back, unless everything was cut off again.
    assert given_back is (kind == "everything" and what != "cut off again")
    if not given_back:
        event = AuditEvent.objects.get(event="policy:access:undo_refused")
        assert (event.reason, event.detail["kind"], event.detail["by"]) == ("undo_void", kind, "alice")
        row.refresh_from_db()
        assert row.undone is None


NOTHING_THAT_COUNTS: list[tuple[str, Callable[[], object]]] = [
    ("client", lambda: DESKTOP.get().save()),
    ("client", lambda: DESKTOP.update(approval_reminders=2)),
    ("client", lambda: cut("client", "web-app")),
    ("client", lambda: cut("person", "bob")),
    ("person", lambda: BOB.update(last_login=now())),
    ("person", lambda: cut("person", "charlie")),
    ("resource", lambda: cut("client", "desktop-app")),
    ("resource", lambda: SERVER.get().save()),
    ("issuer", lambda: cut("everything", "")),
    ("everything", lambda: cut("person", "bob")),
]


@pytest.mark.parametrize(("kind", "meanwhile"), NOTHING_THAT_COUNTS)
def test_what_changes_nothing_of_it_leaves_the_undo(gatehouse: World, issuer: None, kind: str, meanwhile: Any) -> None:
    row = cut(kind, IDENTIFIER[kind])
    meanwhile()
    assert undo(row)
    assert not is_stopped(kind)
    assert not CutOffMark.objects.filter(cut_off=row).exists()


def test_a_cut_off_of_before_the_marks_is_not_undone(gatehouse: World) -> None:
    row = cut("client", "desktop-app")
    CutOffMark.objects.all().delete()
    assert not undo(row)


class TestRaces:
    def test_of_many_undos_at_once_one_gives_back(self, committed_gatehouse: World) -> None:
        row = cut("everything", "")

        def tried() -> bool:
            try:
                cut_off.undo(CutOff.objects.get(pk=row.pk), by="alice", now=now())
            except cut_off.NothingToUndo:
                return False
            return True

        assert sorted(at_once([tried] * 4)) == [False, False, False, True]
        assert AuditEvent.objects.filter(event="policy:access:reinstated").count() == 1

    @pytest.mark.parametrize("attempt", range(4))
    @pytest.mark.parametrize("later", ["client", "everything"])
    def test_an_undo_beside_a_later_cut_off_never_outlives_it(
        self, committed_gatehouse: World, later: str, attempt: int
    ) -> None:
        row = cut("client", "desktop-app")

        def cut_again() -> None:
            cut(later, IDENTIFIER[later])

        def tried() -> None:
            undo(CutOff.objects.get(pk=row.pk))

        at_once([cut_again, tried] if attempt % 2 else [tried, cut_again])
        # In either order: the cut-off came last, or voided the undo.
        assert DESKTOP.get().status == "suspended"

    @pytest.mark.parametrize("attempt", range(4))
    def test_an_undo_with_a_concurrent_change_restores_the_earlier_state(
        self, committed_gatehouse: World, attempt: int
    ) -> None:
        row = cut("client", "desktop-app")
        given_back: list[bool] = []

        def widened() -> None:
            # Only while it is stopped, like a change by a person who reviews a stopped agent.
            DESKTOP.filter(status="suspended").update(scope=["mcp:write"])

        def tried() -> None:
            given_back.append(undo(CutOff.objects.get(pk=row.pk)))

        at_once([widened, tried] if attempt % 2 else [tried, widened])
        assert json.dumps([DESKTOP.get().status, DESKTOP.get().scope]) in (
            '["suspended", ["mcp:write"]]',
            '["approved", null]',
        )
        assert given_back == [DESKTOP.get().status == "approved"]
