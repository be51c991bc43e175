"""An agent's life: approved for a time and not by its owner, renewed or stopped, and listed when forgotten."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.db import connection

from authz.approvals import agent_lifecycle, recertification
from authz.approvals.agent_lifecycle import CannotApprove, Terms
from authz.configuration import apply, export
from authz.database import configuration_cache
from authz.models import AuditEvent, Client, Notification, User
from tests.support.world import NOTES, SECRET, World, claims, client, person

NOW = datetime.now(UTC)


@pytest.fixture
def carol(gatehouse: World) -> User:
    """An approver who owns nothing."""
    return User.objects.create(username="carol", role="approver", email="carol@example.com")


def agents(*arguments: str) -> str:
    output = StringIO()
    call_command("agents", *arguments, stdout=output, no_color=True)
    return output.getvalue()


def ask(gatehouse: World) -> int:
    return gatehouse.token(basic=("nightly-report", SECRET), grant_type="client_credentials").status_code


def end(client_id: str, when: datetime) -> None:
    Client.objects.filter(client_id=client_id).update(approved_until=when)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Sets the requests' clock."""

    def set_to(moment: datetime) -> None:
        for name in ("token", "introspection", "authorize"):
            monkeypatch.setattr(f"authz.endpoints.{name}.now", moment.timestamp)

    yield set_to


# --- Approving --------------------------------------------------------------------------------------------------------


def test_an_approval_names_its_approver_end_and_environment(carol: User) -> None:
    agent = client("pending-agent")
    terms = Terms(owner=person("bob"), environment="production", until=NOW + timedelta(days=30))

    assert agent_lifecycle.approve(agent, by=carol, now=NOW, terms=terms)

    agent.refresh_from_db()
    assert (agent.status, agent.owner, agent.environment) == ("approved", person("bob"), "production")
    assert (agent.approved_by, agent.approved, agent.approved_until) == (carol, NOW, terms.until)
    detail = AuditEvent.objects.get(event="agent:status:approved").detail
    assert detail["by"] == "carol"
    assert (detail["owner"], detail["environment"], detail["was"]) == ("bob", "production", "pending")


def test_an_approval_always_ends(carol: User) -> None:
    agent_lifecycle.change_status(
        client("pending-agent"), "approved", by=carol, now=NOW, terms=Terms(owner=person("bob"))
    )
    assert client("pending-agent").approved_until == NOW + agent_lifecycle.USUAL
    with pytest.raises(CannotApprove, match="ends within"):
        agent_lifecycle.approve(
            client("pending-agent"), by=carol, now=NOW, terms=Terms(until=NOW + timedelta(days=1000))
        )


def test_an_agent_without_an_owner_cannot_be_approved(carol: User) -> None:
    with pytest.raises(CannotApprove, match="owner"):
        agent_lifecycle.approve(client("pending-agent"), by=carol, now=NOW, terms=Terms())
    User.objects.filter(username="bob").update(is_active=False)
    with pytest.raises(CannotApprove, match="owner"):
        agent_lifecycle.approve(client("pending-agent"), by=carol, now=NOW, terms=Terms(owner=person("bob")))
    assert client("pending-agent").status == "pending"


def test_a_person_cannot_approve_or_renew_their_own_agent(gatehouse: World) -> None:
    alice = person("alice")
    with pytest.raises(PermissionDenied, match="approve your own agent"):
        agent_lifecycle.approve(client("nightly-report"), by=alice, now=NOW, terms=Terms())
    # Neither does making oneself the owner in the same breath help, nor having been made it meanwhile.
    with pytest.raises(PermissionDenied, match="approve your own agent"):
        agent_lifecycle.approve(client("pending-agent"), by=alice, now=NOW, terms=Terms(owner=alice))
    looked_at = client("pending-agent")
    Client.objects.filter(client_id="pending-agent").update(owner=alice)
    assert not agent_lifecycle.approve(looked_at, by=alice, now=NOW, terms=Terms(owner=person("bob")))
    # Nor giving one's own away in the approval.
    with pytest.raises(PermissionDenied, match="approve your own agent"):
        agent_lifecycle.approve(client("nightly-report"), by=alice, now=NOW, terms=Terms(owner=person("bob")))


@pytest.mark.django_db(transaction=True)
def test_of_many_who_renew_at_once_one_does(committed_gatehouse: World) -> None:
    approvers = [User.objects.create(username=f"approver-{i}", role="approver") for i in range(6)]
    looked_at, done = client("nightly-report"), []
    start = threading.Barrier(len(approvers))

    def renew(by: User) -> None:
        start.wait()
        try:
            done.append(agent_lifecycle.approve(looked_at, by=by, now=datetime.now(UTC), terms=Terms()))
        finally:
            connection.close()

    threads = [threading.Thread(target=renew, args=[by]) for by in approvers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(done) == [False] * 5 + [True]
    assert AuditEvent.objects.filter(event="agent:approval:renewed").count() == 1


def test_a_new_agent_gets_nothing(gatehouse: World) -> None:
    apply(f"clients: [{{client_id: newcomer, grant_types: [client_credentials], client_secret: {SECRET}}}]")
    answer = gatehouse.token(basic=("newcomer", SECRET), grant_type="client_credentials")
    assert answer.status_code == 400
    assert answer.json()["error"] == "unauthorized_client"


# --- The end ----------------------------------------------------------------------------------------------------------


def test_an_approval_expires_at_its_end_date_without_a_task(gatehouse: World, clock: Any) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    end("nightly-report", until)
    clock(until - timedelta(seconds=30))
    assert ask(gatehouse) == 200
    token = gatehouse.machine_token()["access_token"]
    assert gatehouse.introspect(token)["active"]

    # The snapshot is warm, and nothing is written: only the clock goes on.
    clock(until)
    assert ask(gatehouse) == 400
    assert gatehouse.introspect(token) == {"active": False}
    refused = AuditEvent.objects.filter(event="token:access:refused").latest("id")
    assert (refused.reason, refused.detail["detail"]) == ("client_not_approved", "approval ended")


def test_no_token_outlives_the_approval_of_its_client(gatehouse: World, clock: Any) -> None:
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    end("nightly-report", until)
    clock(until - timedelta(seconds=30))
    token = claims(gatehouse.machine_token()["access_token"])
    assert token["exp"] <= until.timestamp()


def test_the_end_costs_no_statement(gatehouse: World, django_assert_num_queries: Any) -> None:
    end("nightly-report", datetime.now(UTC) + timedelta(hours=1))
    gatehouse.machine_token()
    with django_assert_num_queries(2):
        gatehouse.machine_token()


def test_a_person_is_told_that_the_agent_waits_for_an_approval_again(gatehouse: World) -> None:
    end("desktop-app", datetime.now(UTC) - timedelta(seconds=1))
    gatehouse.sign_in("bob")
    page = gatehouse.browser.get(gatehouse.authorize_url())
    assert page.status_code == 403
    assert b"alice@example.com" in page.content
    assert b"The approval of this agent has ended" in page.content


def test_a_refresh_after_the_end_is_refused(gatehouse: World) -> None:
    refresh_token = gatehouse.signed_in_tokens(scope="mcp:read offline_access")["refresh_token"]
    end("desktop-app", datetime.now(UTC) - timedelta(seconds=1))
    assert gatehouse.refresh(refresh_token).json()["error"] == "unauthorized_client"


def test_renewing_lets_it_go_on(gatehouse: World, carol: User) -> None:
    end("nightly-report", datetime.now(UTC) - timedelta(seconds=1))
    assert ask(gatehouse) == 400
    assert agent_lifecycle.approve(client("nightly-report"), by=carol, now=datetime.now(UTC), terms=Terms())
    assert ask(gatehouse) == 200
    assert AuditEvent.objects.filter(event="agent:approval:renewed", detail__by="carol").exists()


# --- Reminders --------------------------------------------------------------------------------------------------------


def test_the_owner_is_reminded_twice_and_told_of_the_end_each_once(
    gatehouse: World, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    start = datetime.now(UTC)
    end("nightly-report", start + timedelta(days=20))
    told = []
    for days in (0, 7, 8, 19, 20, 21, 22):

        class Clock(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
                return start + timedelta(days=days, minutes=1)  # noqa: B023

        monkeypatch.setattr(recertification, "datetime", Clock)
        recertification.run()
        recertification.run()
        told.append(Notification.objects.count())

    assert told == [0, 1, 1, 2, 3, 3, 3]
    kinds = list(Notification.objects.order_by("created").values_list("kind", "recipient__username"))
    assert kinds == [("agent.ends_soon", "alice"), ("agent.ends_soon", "alice"), ("agent.ended", "alice")]
    assert AuditEvent.objects.filter(event="agent:approval:ended", client_id="nightly-report").count() == 1


def test_a_renewal_begins_the_reminders_anew(gatehouse: World, carol: User, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    now = datetime.now(UTC)
    end("nightly-report", now + timedelta(days=1))
    recertification.run()
    assert client("nightly-report").approval_reminders == 2
    agent_lifecycle.approve(client("nightly-report"), by=carol, now=now, terms=Terms(until=now + timedelta(days=10)))
    recertification.run()
    assert client("nightly-report").approval_reminders == 1


def test_where_the_owner_has_left_administrators_are_told(gatehouse: World, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    Client.objects.filter(client_id="nightly-report").update(owner=person("bob"))
    User.objects.filter(username="bob").update(is_active=False)
    end("nightly-report", datetime.now(UTC) + timedelta(days=1))
    recertification.run()
    assert {row.recipient.username for row in Notification.objects.all() if row.recipient} == {"alice"}


# --- Lists ------------------------------------------------------------------------------------------------------------


def test_unused_agents_are_listed(gatehouse: World) -> None:
    Client.objects.update(created=NOW - timedelta(days=100))
    token = gatehouse.machine_token()["access_token"]
    gatehouse.introspect(token)
    gatehouse.token(basic=("posting-agent", "wrong-" + SECRET), grant_type="client_credentials")

    listed = agents("unused", "--days", "30")

    # The one that got a token is used, and so is the server that asked about it; who only knocks is not.
    assert "nightly-report" not in listed
    assert "notes-server" not in listed
    assert "posting-agent" in listed
    assert "pending-agent" not in listed
    Client.objects.update(created=NOW)
    assert agents("unused", "--days", "30") == "0 agents.\n"


def test_agents_of_an_inactive_owner_are_listed_as_without_an_owner(gatehouse: World) -> None:
    Client.objects.update(owner=person("bob"))
    assert agents("ownerless") == "0 agents.\n"
    User.objects.filter(username="bob").update(is_active=False)
    assert "nightly-report: approved without an end, owned by bob, who is disabled" in agents("ownerless")
    User.objects.filter(username="bob").delete()
    assert "nightly-report: approved without an end, without owner" in agents("ownerless")


def test_approvals_that_end_are_listed(gatehouse: World) -> None:
    now = datetime.now(UTC)
    end("nightly-report", now + timedelta(days=5))
    end("web-app", now - timedelta(days=5))
    end("desktop-app", now + timedelta(days=50))
    listed = agents("ending", "--days", "30")
    assert [line.partition(":")[0] for line in listed.splitlines()] == ["web-app", "nightly-report", "2 agents."]
    assert "approval ended" in listed


# --- The terminal and the file ----------------------------------------------------------------------------------------


def test_the_terminal_decides_by_the_same_rules(carol: User) -> None:
    said = agents(
        "approve", "pending-agent", "--by", "carol", "--owner", "bob", "--environment", "staging"
    )  # fmt: skip
    assert said.startswith("pending-agent: approved for staging by carol until ")
    assert said.endswith("owned by bob\n")
    with pytest.raises(CommandError, match="approve your own agent"):
        agents("approve", "nightly-report", "--by", "alice")
    with pytest.raises(CommandError, match="administrators and approvers"):
        agents("retire", "nightly-report", "--by", "bob")
    with pytest.raises(CommandError, match="It is not approved for production"):
        agents("show", "pending-agent", "--environment", "production")
    assert agents("show", "pending-agent", "--environment", "staging")
    assert "suspended" in agents("suspend", "pending-agent", "--by", "carol")
    assert "retired" in agents("retire", "pending-agent", "--by", "carol")


def test_apply_and_export_understand_the_end_of_an_approval(gatehouse: World) -> None:
    text = f"""
clients:
  - client_id: nightly-report
    status: approved
    owner: bob
    environment: production
    approved_until: 2027-01-31
    tags: [finance]
    grant_types: [client_credentials]
    client_secret: {SECRET}
"""
    assert apply(text)
    agent = client("nightly-report")
    # A date is the end of that day, as in rules.
    assert agent.approved_until is not None
    assert agent.approved_until.isoformat() == "2027-02-01T00:00:00+00:00"
    assert agent.approved is not None
    assert apply(text) == []
    assert client("nightly-report").approved == agent.approved
    configuration_cache.forget()
    assert "approved_until: '2027-02-01T00:00:00Z'" in export()
    assert apply(export()) == []


def test_a_mistaken_end_is_named_by_its_line(gatehouse: World) -> None:
    with pytest.raises(Exception, match=r"line 3: clients\[0\]\.approved_until"):
        apply(
            "clients:\n  - client_id: nightly-report\n    approved_until: soon\n    resource: x".replace(
                "\n    resource: x", ""
            )
        )


def test_the_simulator_takes_an_ended_approval_for_none(gatehouse: World) -> None:
    end("nightly-report", datetime.now(UTC) - timedelta(seconds=1))
    output = StringIO()
    call_command("policy", "explain", "--client", "nightly-report", "--resource", NOTES, stdout=output, no_color=True)
    assert output.getvalue().startswith("DENY: client not approved")


def test_agents_are_listed_by_their_status(gatehouse: World) -> None:
    assert agents("list", "--status", "pending") == "pending-agent: pending, without owner\n1 agent.\n"
    everybody = agents("list")
    assert "nightly-report: approved without an end, owned by alice" in everybody
    assert "pending-agent: pending" in everybody
