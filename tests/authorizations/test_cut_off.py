"""`manage.py end_access`: from its return on nothing is issued, no refresh succeeds and no token is active."""

import json
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from authz.authorizations import cut_off
from authz.models import AuditEvent, Authorization, Client, CutOff, ProtectedResource
from tests.support import append_only, world
from tests.support.races import at_once
from tests.support.world import NOTES, SECRET, World
from xaa.models import TrustedIssuer


def end_access(*arguments: str) -> str:
    output = StringIO()
    call_command("end_access", *arguments, stdout=output)
    return output.getvalue()


def is_active(gatehouse: World, token: str) -> bool:
    """With everything cut off the resource server itself may no longer ask; that is no "active" either."""
    response = gatehouse.post(
        "introspect", {"token": token}, authorization=world.basic_header("notes-server", world.SERVER_SECRET)
    )
    return bool(json.loads(response.content).get("active"))


def identifier(kind: str) -> list[str]:
    authorization = Authorization.objects.get(client__client_id="desktop-app")
    return {
        "client": ["desktop-app"],
        "person": ["bob"],
        "authorization": [str(authorization.pk)],
        "session": [authorization.session_digest],
        "resource": [NOTES],
        "everything": [],
    }[kind]


KINDS = ("client", "person", "authorization", "session", "resource", "everything")


@pytest.mark.parametrize("kind", KINDS)
def test_every_token_under_it_is_dead(gatehouse: World, kind: str) -> None:
    tokens = gatehouse.signed_in_tokens()
    later = json.loads(gatehouse.refresh(tokens["refresh_token"]).content)
    output = end_access(kind, *identifier(kind), "--reason", "a stolen laptop")
    assert output.startswith("1 authorization ended.")
    for token in (tokens, later):
        assert gatehouse.refresh(token["refresh_token"]).status_code == 400
        assert is_active(gatehouse, token["access_token"]) is False
    event = AuditEvent.objects.get(event="policy:access:cut_off")
    assert (event.detail["kind"], event.detail["ended"], event.detail["because"]) == (kind, 1, "a stolen laptop")
    assert AuditEvent.objects.filter(event="token:authorization:revoked").count() == 1


@pytest.mark.parametrize("kind", ["client", "person", "resource", "everything"])
def test_an_undo_lets_it_ask_again_and_gives_nothing_back(gatehouse: World, kind: str) -> None:
    tokens = gatehouse.signed_in_tokens()
    which = identifier(kind)
    end_access(kind, *which)

    output = end_access(kind, *which, "--undo")

    assert "never come back" in output
    assert gatehouse.refresh(tokens["refresh_token"]).status_code == 400
    assert is_active(gatehouse, tokens["access_token"]) is False
    again = World().signed_in_tokens()
    assert is_active(gatehouse, again["access_token"]) is True
    event = AuditEvent.objects.get(event="policy:access:reinstated")
    before, after = event.detail["before"], event.detail["after"]
    assert before != after
    assert AuditEvent.objects.get(event="policy:access:cut_off").detail["before"] == after
    with pytest.raises(CommandError, match="waits to be undone"):
        end_access(kind, *which, "--undo")


@pytest.mark.parametrize("kind", ["authorization", "session"])
def test_what_only_ended_something_cannot_be_undone(gatehouse: World, kind: str) -> None:
    gatehouse.signed_in_tokens()
    end_access(kind, *identifier(kind))
    with pytest.raises(CommandError, match="never come back"):
        end_access(kind, *identifier(kind), "--undo")


def test_an_undo_gives_back_only_what_the_switch_took(gatehouse: World) -> None:
    end_access("client", "web-app")
    Client.objects.filter(client_id="posting-agent").update(status="suspended")
    end_access("everything")
    Client.objects.filter(client_id="signing-agent").update(status="retired")
    end_access("client", "nightly-report")

    end_access("everything", "--undo")

    statuses = dict(Client.objects.values_list("client_id", "status"))
    assert statuses["desktop-app"] == "approved"
    assert statuses["pending-agent"] == "pending"
    assert [statuses[name] for name in ("web-app", "posting-agent", "nightly-report")] == ["suspended"] * 3
    assert statuses["signing-agent"] == "retired"


def test_what_slipped_in_beside_the_switch_is_dead_after_an_undo_too(gatehouse: World) -> None:
    tokens = gatehouse.signed_in_tokens()
    end_access("client", "desktop-app")
    # As a request leaves it that read the agent's row before, and committed after.
    with append_only.lifted():
        Authorization.objects.update(revoked=None)
    assert is_active(gatehouse, tokens["access_token"]) is False
    end_access("client", "desktop-app", "--undo")
    assert is_active(gatehouse, tokens["access_token"]) is False
    assert gatehouse.refresh(tokens["refresh_token"]).status_code == 400


def test_a_person_who_comes_back_is_signed_in_nowhere(gatehouse: World) -> None:
    gatehouse.sign_in("bob")
    assert gatehouse.browser.get("/account/").status_code == 200
    end_access("person", "bob")
    end_access("person", "bob", "--undo")
    assert gatehouse.browser.get("/account/").status_code == 302


def test_of_two_who_undo_at_once_one_does(committed_gatehouse: World) -> None:
    end_access("client", "desktop-app")
    row = CutOff.objects.get()

    def undo() -> bool:
        try:
            cut_off.undo(row, by="alice", now=datetime.now(UTC))
        except cut_off.NothingToUndo:
            return False
        return True

    assert sorted(at_once([undo] * 4)) == [False, False, False, True]
    assert AuditEvent.objects.filter(event="policy:access:reinstated").count() == 1


def test_of_two_who_cut_off_at_once_each_authorization_ends_once(committed_gatehouse: World) -> None:
    committed_gatehouse.signed_in_tokens()

    def cut() -> int:
        found = cut_off.target("client", "desktop-app")
        row = cut_off.cut_off(
            found, kind="client", identifier="desktop-app", reason="", by="alice", now=datetime.now(UTC)
        )
        return row.counts["authorizations"]

    assert sum(at_once([cut] * 4)) >= 1
    assert AuditEvent.objects.filter(event="token:authorization:revoked").count() == 1


def test_a_session_that_is_ended_issues_no_code_to_a_page_that_was_open(gatehouse: World) -> None:
    """Cut off between looking and answering: the consent page of a signed-out browser gives nothing."""
    gatehouse.signed_in_tokens()
    url = gatehouse.authorize_url(prompt="consent")
    page = gatehouse.browser.get(url)
    end_access("session", *identifier("session"))
    answer = gatehouse.press(url, page, allow="true")
    assert "code=" not in answer.headers.get("Location", "")


@pytest.mark.parametrize("kind", KINDS)
def test_a_preview_says_what_and_whose(gatehouse: World, kind: str) -> None:
    gatehouse.signed_in_tokens()
    told = end_access(kind, *identifier(kind), "--preview")
    assert all(f"  1 {name}\n" in told for name in ("agent", "person", "MCP server"))
    assert "- Desktop app for bob at Notes" in told


@pytest.mark.parametrize("kind", KINDS)
def test_a_preview_changes_nothing(gatehouse: World, kind: str) -> None:
    tokens = gatehouse.signed_in_tokens()
    before = list(AuditEvent.objects.values_list("pk", flat=True))
    assert end_access(kind, *identifier(kind), "--preview").startswith("1 live authorization would end.")
    assert list(AuditEvent.objects.values_list("pk", flat=True)) == before
    assert gatehouse.refresh(tokens["refresh_token"]).status_code == 200


@pytest.mark.parametrize("kind", ["client", "person", "session", "resource", "everything"])
def test_nothing_more_is_issued_and_a_code_on_its_way_is_worth_nothing(gatehouse: World, kind: str) -> None:
    gatehouse.signed_in_tokens()
    code = world.redirect_parameters(gatehouse.browser.get(gatehouse.authorize_url()))["code"]
    end_access(kind, *identifier(kind))
    assert gatehouse.redeem(code).status_code == 400
    response = gatehouse.browser.get(gatehouse.authorize_url())
    answered = world.redirect_parameters(response) if response.status_code == 302 else {}
    assert "code" not in answered
    assert Authorization.objects.filter(revoked=None).count() == 0


@pytest.mark.parametrize(("kind", "name"), [("client", "nightly-report"), ("resource", NOTES), ("everything", "")])
def test_a_machine_is_cut_off(gatehouse: World, kind: str, name: str) -> None:
    token = gatehouse.machine_token()["access_token"]
    end_access(kind, *([name] if name else []))
    assert gatehouse.token(basic=("nightly-report", SECRET), grant_type="client_credentials").status_code == 400
    assert is_active(gatehouse, token) is False


def test_an_ended_authorization_asks_for_consent_again(gatehouse: World) -> None:
    gatehouse.signed_in_tokens()
    assert gatehouse.browser.get(gatehouse.authorize_url()).status_code == 302
    end_access("authorization", *identifier("authorization"))
    assert gatehouse.browser.get(gatehouse.authorize_url()).status_code == 200


def test_others_go_on(gatehouse: World) -> None:
    machine = gatehouse.machine_token()["access_token"]
    gatehouse.signed_in_tokens()
    end_access("person", "bob")
    end_access("client", "desktop-app")
    assert gatehouse.introspect(machine)["active"] is True


def test_an_issuer_is_believed_no_more(gatehouse: World) -> None:
    issuer = TrustedIssuer.objects.create(issuer="https://idp.example.com", name="IdP", accepts=["id-jag"])
    tokens = gatehouse.signed_in_tokens()
    Authorization.objects.update(lineage={"issuer": issuer.issuer})
    assert end_access("issuer", issuer.issuer).startswith("1 authorization ended.")
    issuer.refresh_from_db()
    assert issuer.enabled is False
    assert gatehouse.introspect(tokens["access_token"]) == {"active": False}


@pytest.mark.parametrize(
    "arguments",
    [("client", "nobody"), ("client",), ("authorization", "x"), ("session", "x"), ("everything", "please")],
)
def test_what_is_not_there_is_said_and_nothing_changes(gatehouse: World, arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        end_access(*arguments)
    assert ProtectedResource.objects.filter(is_active=False).count() == 0


def test_a_retired_agent_stays_retired(gatehouse: World) -> None:
    client: Any = world.client("desktop-app")
    client.status = "retired"
    client.save()
    end_access("client", "desktop-app")
    assert world.client("desktop-app").status == "retired"
