"""An owner leaves: their agents pass to a successor who is here, or are suspended after the grace period."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from authz.approvals import agent_lifecycle, succession
from authz.approvals.agent_lifecycle import Terms
from authz.approvals.succession import Step, step
from authz.configuration import apply
from authz.configuration.clients import as_item
from authz.models import AuditEvent, Client, Notification, User
from authz.operations.doctor.services import agents as examined
from tests.support.races import at_once
from tests.support.world import SECRET, World, client, person

AGENT = "nightly-report"
NOW = datetime(2026, 11, 30, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def mail(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"


@pytest.fixture
def owned(gatehouse: World) -> World:
    """Charlie owns the agent, and someone is there who approves."""
    item(owner="charlie")
    User.objects.create(username="carol", role="approver", email="carol@example.com")
    return gatehouse


def item(**keys: object) -> None:
    """By a file: what the agent is, with these keys."""
    given = as_item(client(AGENT)) | {"client_secret": SECRET} | keys
    apply(json.dumps({"clients": [given]}))


def file_of(*names: str, **active: bool) -> str:
    roles = {"alice": "administrator", "carol": "approver"}
    people = [
        {
            "username": name,
            "email": f"{name}@example.com",
            "role": roles.get(name, "none"),
            "active": active.get(name, True),
        }
        for name in names
    ]
    return json.dumps({"users": people})


def settle(days: float = 0) -> None:
    """The scheduled task, so many days later."""
    with pytest.MonkeyPatch.context() as patch:

        class Later(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
                return datetime.now(tz) + timedelta(days=days)

        patch.setattr(succession, "datetime", Later)
        while succession.run():
            pass


def events() -> list[str]:
    return list(AuditEvent.objects.filter(event__startswith="agent:").order_by("id").values_list("event", flat=True))


def told() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for kind, name in Notification.objects.order_by("recipient__username").values_list("kind", "recipient__username"):
        found.setdefault(kind, []).append(name)
    return found


def token(world: World) -> int:
    return world.token(basic=(AGENT, SECRET), grant_type="client_credentials").status_code


@pytest.mark.parametrize(
    ("here", "successor", "since", "approved", "expected"),
    [
        (True, True, None, True, Step.NOTHING),
        (True, False, NOW - 90 * DAY, True, Step.KEEP),
        (True, True, NOW, False, Step.KEEP),
        (False, True, None, True, Step.PASS),
        (False, True, NOW - 90 * DAY, True, Step.PASS),
        (False, True, None, False, Step.PASS),
        (False, False, None, True, Step.WARN),
        (False, False, None, False, Step.WARN),
        (False, False, NOW - 13 * DAY, True, Step.NOTHING),
        (False, False, NOW - 14 * DAY, True, Step.SUSPEND),
        (False, False, NOW - 90 * DAY, False, Step.NOTHING),
    ],
)
def test_what_becomes_of_an_agent(
    here: bool, successor: bool, since: datetime | None, approved: bool, expected: Step
) -> None:
    found = step(
        is_owner_here=here, has_successor=successor, since=since, is_approved=approved, grace=14 * DAY, now=NOW
    )
    assert found is expected


def switched_off() -> None:
    apply(file_of("charlie", charlie=False))


def pruned() -> None:
    apply(file_of("alice", "bob", "carol"), prune=True)


def cut_off() -> None:
    call_command("end_access", "person", "charlie", stdout=StringIO())


@pytest.mark.parametrize("leave", [switched_off, pruned, cut_off])
class TestEachWayOfLeaving:
    def test_it_passes_to_the_successor(self, owned: World, leave: Callable[[], None]) -> None:
        item(owner="charlie", successor="bob")
        leave()
        settle()
        agent = client(AGENT)
        assert agent.owner == person("bob")
        assert (agent.successor, agent.owner_left, agent.lost_owner) == (None, None, "")
        assert events() == ["agent:owner:passed"]
        assert AuditEvent.objects.get(event="agent:owner:passed").detail == {
            "owner": "charlie", "to": "bob", "how": "successor",
        }  # fmt: skip
        assert told() == {"agent.passed": ["bob"]}
        assert token(owned) == 200

    def test_without_one_it_is_suspended_after_the_grace_period(self, owned: World, leave: Callable[[], None]) -> None:
        leave()
        settle()
        settle(13)
        assert token(owned) == 200
        assert events() == ["agent:owner:left"]
        assert told() == {"agent.owner_left": ["alice", "carol"]}

        settle(15)

        assert client(AGENT).status == "suspended"
        assert token(owned) == 400
        settle(16)
        assert events() == ["agent:owner:left", "agent:status:suspended"]
        assert told() == {"agent.owner_left": ["alice", "carol"], "agent.suspended": ["alice", "carol"]}
        assert AuditEvent.objects.get(event="agent:status:suspended").detail["owner"] == "charlie"


def test_an_owner_who_comes_back_keeps_it(owned: World) -> None:
    cut_off()
    settle()
    call_command("end_access", "person", "charlie", "--undo", stdout=StringIO())
    settle(60)
    agent = client(AGENT)
    assert (agent.owner, agent.owner_left, agent.status) == (person("charlie"), None, "approved")
    assert events() == ["agent:owner:left", "agent:owner:returned"]


def test_one_who_came_back_is_not_suspended_however_late_the_task_is(owned: World) -> None:
    switched_off()
    settle()
    apply(file_of("charlie"))
    settle(400)
    assert client(AGENT).status == "approved"


def test_a_successor_who_has_left_inherits_nothing(owned: World) -> None:
    item(owner="charlie", successor="bob")
    apply(file_of("charlie", "bob", charlie=False, bob=False))
    settle()
    assert client(AGENT).owner == person("charlie")
    assert client(AGENT).owner_left is not None
    # The first of the two who is here again.
    apply(file_of("bob"))
    settle(1)
    assert client(AGENT).owner == person("bob")


def test_the_default_successor_is_the_second_choice(owned: World, settings: Any) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"DEFAULT_SUCCESSOR": "alice"}
    item(owner="charlie", successor="bob")
    switched_off()
    settle()
    assert client(AGENT).owner == person("bob")
    apply(file_of("bob", bob=False))
    settle()
    assert client(AGENT).owner == person("alice")
    assert [row.detail["how"] for row in AuditEvent.objects.filter(event="agent:owner:passed").order_by("id")] == [
        "successor", "default successor",
    ]  # fmt: skip


def test_no_grace_is_a_grace(owned: World, settings: Any) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"OWNER_GRACE_DAYS": 0}
    switched_off()
    settle()
    settle()
    assert client(AGENT).status == "suspended"


def test_an_agent_that_never_had_an_owner_is_left_alone(gatehouse: World) -> None:
    settle()
    settle(400)
    assert client("desktop-app").status == "approved"
    assert events() == []


def test_no_owner_by_a_later_file_ends_no_grace(owned: World) -> None:
    switched_off()
    settle()
    item(owner=None)
    settle(15)
    assert client(AGENT).status == "suspended"


def test_an_approval_with_another_owner_brings_it_back(owned: World) -> None:
    pruned()
    settle()
    settle(15)
    now, carol = datetime.now(UTC), person("carol")
    assert agent_lifecycle.approve(client(AGENT), by=carol, now=now, terms=Terms(owner=person("bob")))
    settle(60)
    agent = client(AGENT)
    assert (agent.status, agent.owner_left, agent.lost_owner) == ("approved", None, "")


def test_many_leave_at_once_and_one_notice_says_it(owned: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(succession, "BATCH", 3)
    Client.objects.filter(status="approved").update(owner=person("charlie"))
    switched_off()
    settle()
    count = Client.objects.filter(owner_left__isnull=False).count()
    assert count > 4
    assert AuditEvent.objects.filter(event="agent:owner:left").count() == count
    notices = Notification.objects.filter(kind="agent.owner_left", recipient__username="carol")
    assert notices.count() == -(-count // 3)
    assert "3 agents without an owner" in {row.subject for row in notices}


class TestWhoSeesIt:
    def test_the_console(self, owned: World) -> None:
        item(owner="charlie", successor="bob")
        apply(file_of("bob", "charlie", bob=False, charlie=False))
        settle()
        owned.sign_in("alice")
        page = owned.browser.get(f"/console/authz/client/{client(AGENT).pk}/change/").content.decode()
        assert "unless it gets an owner or a successor who is here" in page
        assert ">bob</bdi> (left)" in page
        listed = owned.browser.get("/console/authz/client/?attention=ownerless").content.decode()
        assert "Nightly report" in listed
        assert "suspended <time" in listed

    def test_the_api(self, owned: World) -> None:
        switched_off()
        settle()
        owned.sign_in("alice")
        found = json.loads(owned.browser.get(f"/api/v1/agents/{client(AGENT).pk}").content)
        left, ends = (datetime.fromisoformat(found[name]) for name in ("owner_left", "suspended_from"))
        assert ends - left == 14 * DAY

    def test_the_command(self, owned: World) -> None:
        switched_off()
        settle()
        output = StringIO()
        call_command("agents", "ownerless", stdout=output, no_color=True)
        assert "owned by charlie, who is disabled, suspended on " in output.getvalue()

    def test_doctor_names_a_default_successor_who_is_not_here(self, owned: World, settings: Any) -> None:
        assert list(examined()) == []
        settings.GATEHOUSE = settings.GATEHOUSE | {"DEFAULT_SUCCESSOR": "nemo"}
        (finding,) = examined()
        assert "names nemo" in finding.says


class TestRaces:
    @pytest.fixture
    def both(self, committed_gatehouse: World) -> World:
        item(owner="charlie", successor="bob")
        switched_off()
        return committed_gatehouse

    def test_of_two_nodes_one_passes_it_on(self, both: World) -> None:
        at_once([succession.run] * 3)
        assert client(AGENT).owner == person("bob")
        assert events() == ["agent:owner:passed"]
        assert told() == {"agent.passed": ["bob"]}

    def test_a_successor_who_leaves_at_the_same_moment_is_never_the_last_word(self, both: World) -> None:
        """Attack: the agent ends up with an owner who has left, and no grace period begins."""

        def leave() -> None:
            call_command("end_access", "person", "bob", stdout=StringIO())

        at_once([settle, leave, succession.run])
        settle()
        agent = client(AGENT)
        assert agent.owner_left is not None
        assert events()[-1] == "agent:owner:left"
        settle(15)
        assert client(AGENT).status == "suspended"

    def test_an_approval_at_the_same_moment_counts(self, committed_gatehouse: World) -> None:
        """Attack: the suspension, decided before, takes the new owner's agent."""
        item(owner="charlie")
        switched_off()
        settle()
        carol = User.objects.create(username="carol", role="approver")
        agent, now = client(AGENT), datetime.now(UTC)
        terms = Terms(owner=person("bob"))
        at_once([lambda: settle(15), lambda: agent_lifecycle.approve(agent, by=carol, now=now, terms=terms)])
        found = client(AGENT)
        if found.owner == person("bob"):
            assert (found.status, found.owner_left) == ("approved", None)
        else:
            # It was suspended before the approver's look could be true.
            assert found.status == "suspended"
