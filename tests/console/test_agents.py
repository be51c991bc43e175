"""The agents' pages: the switch, the secret, the form, and foreign text."""

import re
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection
from django.urls import reverse

from authz.approvals.agent_lifecycle import change_status
from authz.client_auth.credentials import new_client_id
from authz.models import AuditEvent, Authorization, Client, User
from tests.console.conftest import Page
from tests.support.world import SECRET, World, client, hidden_fields, person, submit

LIST = "/console/authz/client/"


UNTIL = str(datetime.now(UTC).date() + timedelta(days=30))


def terms(**changes: str) -> dict[str, str]:
    """The form of an approval."""
    return {"owner": "charlie", "environment": "production", "until": UNTIL, **changes}


def act(to: str, agent: Client) -> str:
    return reverse("admin:authz_client_switch", args=[agent.pk, to])


def test_a_get_asks_and_changes_nothing(signed_in: Page) -> None:
    agent = client("pending-agent")

    page = signed_in("administrator").get(act("approved", agent)).content.decode()

    assert "Approve this agent?" in page
    assert client("pending-agent").status == "pending"


def test_approving_is_recorded_with_who_did_it(signed_in: Page) -> None:
    submit(signed_in("approver"), act("approved", client("pending-agent")), terms())

    event = AuditEvent.objects.get(event="agent:status:approved")
    assert event.client_id == "pending-agent"
    assert event.subject == str(person("bob").subject)
    assert event.detail["by"] == "bob"
    assert event.detail["was"] == "pending"
    assert event.detail["owner"] == "charlie"
    agent = client("pending-agent")
    assert (agent.owner, agent.environment, agent.approved_by) == (person("charlie"), "production", person("bob"))
    assert str(agent.approved_until.date()) > UNTIL  # the whole of that day


def test_an_approval_needs_an_owner_who_is_not_the_approver_and_an_end(signed_in: Page) -> None:
    browser = signed_in("approver")
    far = str(datetime.now(UTC).date() + timedelta(days=1000))
    for wrong, said in (
        ({"owner": ""}, "An agent needs an owner."),
        ({"owner": "bob"}, "You cannot approve your own agent."),
        ({"until": far}, "An approval ends within 366 days."),
        ({"until": "2001-01-01"}, "An approval ends within 366 days."),
        ({"until": ""}, "This field is required."),
    ):
        page = submit(browser, act("approved", client("pending-agent")), terms(**wrong))
        assert said in page.content.decode(), wrong
    assert client("pending-agent").status == "pending"


def test_a_person_cannot_approve_or_renew_their_own_agent(signed_in: Page) -> None:
    browser = signed_in("administrator")
    own = client("nightly-report")
    assert submit(browser, act("approved", own), terms()).status_code == 403
    browser.post(LIST, {"action": "approve_selected", "_selected_action": [own.pk], "post": "yes", **terms()})
    assert client("nightly-report").approved_until is None
    assert "Renew" not in browser.get(reverse("admin:authz_client_change", args=[own.pk])).content.decode()


def test_renewing_several_keeps_each_its_owner_and_environment(signed_in: Page) -> None:
    agents = [client("nightly-report"), client("web-app")]
    Client.objects.filter(client_id="nightly-report").update(environment="staging")
    form = {"action": "approve_selected", "_selected_action": [agent.pk for agent in agents], "post": "yes"}

    browser = signed_in("approver")
    page = browser.post(LIST, {name: value for name, value in form.items() if name != "post"})
    browser.post(LIST, hidden_fields(page) | {**form, **terms(environment="")})

    assert (client("nightly-report").owner, client("nightly-report").environment) == (person("alice"), "staging")
    assert client("web-app").owner == person("charlie")
    assert all(client(agent.client_id).approved_until for agent in agents)
    assert AuditEvent.objects.filter(event="agent:approval:renewed").count() == 2


def test_what_it_was_approved_for_is_not_edited_but_approved_anew(signed_in: Page) -> None:
    agent = client("nightly-report")
    page = signed_in("administrator").get(reverse("admin:authz_client_change", args=[agent.pk])).content.decode()
    assert 'name="environment"' not in page


def test_agents_that_need_attention_are_a_filter_away(signed_in: Page) -> None:
    now = datetime.now(UTC)
    Client.objects.filter(client_id="nightly-report").update(approved_until=now + timedelta(days=3))
    Client.objects.filter(client_id="web-app").update(approved_until=now - timedelta(days=3), owner=person("alice"))
    Client.objects.filter(client_id="posting-agent").update(created=now - timedelta(days=300))
    browser = signed_in("auditor")
    expected = {"ending": "Nightly report", "ended": "Web app", "ownerless": "Desktop app", "unused": "posting-agent"}
    for kind, name in expected.items():
        page = browser.get(f"{LIST}?attention={kind}").content.decode()
        for other in expected.values():
            assert (f">{other}<" in page) == (other == name or (kind == "ownerless" and other == "posting-agent")), kind
    assert "Approval ended" in browser.get(f"{LIST}?attention=ended").content.decode()


def test_a_suspended_agent_gets_nothing_and_an_approved_one_again(signed_in: Page, gatehouse: World) -> None:
    browser = signed_in("approver")

    def ask() -> int:
        return gatehouse.token(basic=("nightly-report", SECRET), grant_type="client_credentials").status_code

    assert ask() == 200
    submit(browser, act("suspended", client("nightly-report")))
    assert ask() == 400
    submit(browser, act("approved", client("nightly-report")), terms())
    assert ask() == 200


def test_retiring_ends_its_authorizations(signed_in: Page, gatehouse: World) -> None:
    token = gatehouse.machine_token()["access_token"]

    browser, address = signed_in("administrator"), act("retired", client("nightly-report"))
    asked = browser.post(address)  # a rule names it (test_rules_change_along.py)
    browser.post(address, hidden_fields(asked) | {"_rules": "leave"})

    assert Authorization.objects.get().revoked_reason == "client_retired"
    assert gatehouse.introspect(token) == {"active": False}


def test_a_second_decision_is_refused(signed_in: Page) -> None:
    browser = signed_in("approver")
    given = terms(seen="pending")
    submit(browser, act("approved", client("pending-agent")), given)

    page = submit(browser, act("approved", client("pending-agent")), given, follow=True).content.decode()

    assert "Another administrator has changed its status already." in page
    assert AuditEvent.objects.filter(event="agent:status:approved").count() == 1


@pytest.mark.usefixtures("committed_gatehouse")
def test_two_who_decide_at_once_decide_once() -> None:
    Client.objects.filter(client_id="pending-agent").update(owner=person("bob"))
    agent, barrier, moved = client("pending-agent"), Barrier(2), []

    def decide(to: str, by: User) -> None:
        barrier.wait()
        moved.append(change_status(agent, to, by=by, now=datetime.now(UTC)))
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

    browser.post(LIST, hidden_fields(asked) | {**form, "post": "yes", **terms()})
    assert {client("another").status, client("pending-agent").status} == {"approved"}


def test_a_secret_is_shown_once_and_kept_as_a_digest(signed_in: Page, gatehouse: World) -> None:
    agent = client("nightly-report")
    browser = signed_in("administrator")
    address = reverse("admin:authz_client_secret", args=[agent.pk])

    response = browser.post(address)
    found = re.search(r'id="secret"[^>]*>([^<]+)<', response.content.decode())
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
    ({"token_endpoint_auth_method": "none"}, "an agent that authenticates"),
    ({"token_endpoint_auth_method": "private_key_jwt"}, "needs either keys or a JWKS URL"),
    ({"token_endpoint_auth_method": "private_key_jwt", "client_jwks": '{"keys": []}'}, "holds no key that verifies"),
    ({"token_endpoint_auth_method": "private_key_jwt", "client_jwks": '{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'},
     "is private or symmetric"),
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
