"""The agents' pages: the switch, the secret, the form, and foreign text."""

import re
from datetime import UTC, datetime
from threading import Barrier, Thread

import pytest
from django.db import connection
from django.urls import reverse

from authz.console.agents import new_client_id, switch
from authz.models import AuditEvent, Authorization, Client, User
from tests.console.conftest import Page
from tests.support.world import SECRET, World, client, person

LIST = "/console/authz/client/"


def act(to: str, agent: Client) -> str:
    return reverse("admin:authz_client_switch", args=[agent.pk, to])


def test_a_get_asks_and_changes_nothing(signed_in: Page) -> None:
    agent = client("pending-agent")

    page = signed_in("administrator").get(act("approved", agent)).content.decode()

    assert "Approve this agent?" in page
    assert client("pending-agent").status == "pending"


def test_approving_is_recorded_with_who_did_it(signed_in: Page) -> None:
    signed_in("approver").post(act("approved", client("pending-agent")))

    event = AuditEvent.objects.get(event="agent:status:approved")
    assert event.client_id == "pending-agent"
    assert event.subject == str(person("bob").subject)
    assert event.detail == {"by": "bob", "was": "pending"}


def test_a_suspended_agent_gets_nothing_and_an_approved_one_again(signed_in: Page, gatehouse: World) -> None:
    browser = signed_in("administrator")

    def ask() -> int:
        return gatehouse.token(basic=("nightly-report", SECRET), grant_type="client_credentials").status_code

    assert ask() == 200
    browser.post(act("suspended", client("nightly-report")))
    assert ask() == 400
    browser.post(act("approved", client("nightly-report")))
    assert ask() == 200


def test_retiring_ends_its_authorizations(signed_in: Page, gatehouse: World) -> None:
    token = gatehouse.machine_token()["access_token"]

    signed_in("administrator").post(act("retired", client("nightly-report")))

    assert Authorization.objects.get().revoked_reason == "client_retired"
    assert gatehouse.introspect(token) == {"active": False}


def test_nobody_decides_twice(signed_in: Page) -> None:
    browser = signed_in("approver")
    browser.post(act("approved", client("pending-agent")))

    page = browser.post(act("approved", client("pending-agent")), follow=True).content.decode()

    assert "Somebody else was quicker" in page
    assert AuditEvent.objects.filter(event="agent:status:approved").count() == 1


@pytest.mark.usefixtures("committed_gatehouse")
def test_two_who_decide_at_once_decide_once() -> None:
    agent, barrier, moved = client("pending-agent"), Barrier(2), []

    def decide(to: str, by: User) -> None:
        barrier.wait()
        moved.append(switch(agent, to, by=by, now=datetime.now(UTC)))
        connection.close()

    by = person("alice")
    threads = [Thread(target=decide, args=(to, by)) for to in ("approved", "approved")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(moved) == [False, True]


def test_several_are_approved_after_one_confirmation(signed_in: Page) -> None:
    browser = signed_in("approver")
    agents = [client("pending-agent"), Client.objects.create(client_id="another", status="pending")]
    form = {"action": "approve_selected", "_selected_action": [agent.pk for agent in agents]}

    asked = browser.post(LIST, form)
    assert "Approve 2 agents?" in asked.content.decode()
    assert client("another").status == "pending"

    browser.post(LIST, {**form, "post": "yes"})
    assert {client("another").status, client("pending-agent").status} == {"approved"}


def test_a_secret_is_shown_once_and_kept_as_a_digest(signed_in: Page, gatehouse: World) -> None:
    agent = client("nightly-report")
    browser = signed_in("administrator")
    address = reverse("admin:authz_client_secret", args=[agent.pk])

    response = browser.post(address)
    found = re.search(r'id="secret">([^<]+)<', response.content.decode())
    assert found
    secret = found[1]

    assert "no-store" in response["Cache-Control"]
    assert secret not in browser.get(address).content.decode()
    assert len(secret) >= 32
    assert re.fullmatch(r"[A-Za-z0-9_-]+", secret)
    assert not any(secret in str(event.detail) for event in AuditEvent.objects.all())
    assert gatehouse.token(basic=("nightly-report", SECRET), grant_type="client_credentials").status_code == 401
    assert gatehouse.token(basic=("nightly-report", secret), grant_type="client_credentials").status_code == 200


def test_an_approver_cannot_make_a_secret(signed_in: Page) -> None:
    address = reverse("admin:authz_client_secret", args=[client("nightly-report").pk])

    assert signed_in("approver").post(address).status_code == 403


BASE = {"name": "New one", "grant_types": ["client_credentials"], "token_endpoint_auth_method": "client_secret_basic"}


@pytest.mark.parametrize(("change", "sentence"), [
    ({"client_id": "https://evil.example/client.json"}, "Letters, digits"),
    ({"client_id": "nightly-report"}, "already exists"),
    ({"grant_types": ["authorization_code"]}, "needs at least one"),
    ({"redirect_uris": "javascript:alert(1)"}, "Its scheme is never allowed"),
    ({"redirect_uris": "http://app.example.com/cb"}, "Plain http is only for"),
    ({"token_endpoint_auth_method": "none"}, "proves who it is"),
    ({"token_endpoint_auth_method": "private_key_jwt"}, "needs either its keys or their address"),
    ({"token_endpoint_auth_method": "private_key_jwt", "client_jwks": '{"keys": []}'}, "no key in it"),
    ({"token_endpoint_auth_method": "private_key_jwt", "client_jwks": '{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'},
     "Private and symmetric keys are never taken"),
    ({"token_endpoint_auth_method": "private_key_jwt", "client_jwks_uri": "http://keys.example.com"}, "an https URL"),
])  # fmt: skip
def test_the_form_refuses_with_a_sentence(signed_in: Page, change: dict[str, object], sentence: str) -> None:
    before = Client.objects.count()

    page = signed_in("administrator").post("/console/authz/client/add/", {**BASE, **change}).content.decode()

    assert sentence in page
    assert Client.objects.count() == before


def test_a_new_agent_waits_for_approval_and_its_secret(signed_in: Page) -> None:
    response = signed_in("administrator").post("/console/authz/client/add/", BASE)

    agent = Client.objects.get(name="New one")
    assert agent.status == "pending"
    assert agent.scope is None, "an empty list would mean no scope at all"
    assert agent.client_id.startswith("agent-")
    assert response["Location"] == reverse("admin:authz_client_secret", args=[agent.pk])
    event = AuditEvent.objects.filter(event="configuration:object:created").latest("id")
    assert (event.detail["by"], event.detail["kind"]) == ("alice", "client")


def test_made_client_ids_need_no_percent_encoding() -> None:
    assert re.fullmatch(r"agent-[a-z0-9]{20}", new_client_id())


FOREIGN = '\u202egnp.exe"><script>alert(1)</script>' + "x" * 3000


@pytest.mark.parametrize("page", ["", "{pk}/change/", "{pk}/switch/approved/"])
def test_foreign_text_stays_text(signed_in: Page, page: str) -> None:
    agent = Client.objects.create(
        client_id="https://evil.example/c.json", name=FOREIGN[:255], registration_source="cimd"
    )

    html = signed_in("administrator").get(LIST + page.format(pk=agent.pk)).content.decode()

    assert "<script>alert(1)" not in html
    assert "&lt;script&gt;" in html
    assert "evil.example" in html


def test_a_documents_words_are_not_changed_here(signed_in: Page) -> None:
    agent = Client.objects.create(
        client_id="https://app.example/c.json",
        name="As it says",
        registration_source="cimd",
        redirect_uris="https://app.example/cb",
    )

    response = signed_in("administrator").post(
        f"{LIST}{agent.pk}/change/",
        {"name": "Forged", "redirect_uris": "https://evil.example/", "environment": "production"},
    )

    assert response.status_code == 302, response.context["adminform"].form.errors
    agent.refresh_from_db()
    assert (agent.name, agent.redirect_uris, agent.environment) == (
        "As it says",
        "https://app.example/cb",
        "production",
    )
