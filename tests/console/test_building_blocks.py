"""Suggestions, narrowing, the keys' timeline, and the waiting decisions."""

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from authz.console.agents.narrowing import narrowed
from authz.console.widgets.key_timeline import Key, timeline
from authz.models import AuditEvent, Client, User
from tests.console.conftest import Page
from tests.support import everything
from tests.support.world import client

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


# --- Suggestions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("of", "text", "found"), [
    ("agents", "night", "nightly-report"), ("agents", "Desktop", "desktop-app"), ("people", "bob@", "bob"),
    ("groups", "engin", "engineering"), ("resources", "Payr", "https://payroll.example.com/mcp"),
    ("scopes", "payroll", "payroll:read"),
])  # fmt: skip
def test_a_field_suggests_what_the_server_knows(signed_in: Page, of: str, text: str, found: str) -> None:
    response = signed_in("administrator").get("/console/suggest/", {"of": of, "q": text})

    assert found in [row["value"] for row in response.json()["found"]]


def test_what_is_not_offered_is_refused(signed_in: Page) -> None:
    assert signed_in("administrator").get("/console/suggest/", {"of": "secrets", "q": "a"}).status_code == 400


@pytest.mark.parametrize("query", [{"of": "agents"}, {"q": "a"}, {}])
def test_nothing_else_is_suggested(signed_in: Page, query: dict[str, str]) -> None:
    assert signed_in("administrator").get("/console/suggest/", query).json() == {"found": []}


@pytest.mark.parametrize("of", ["agents", "people", "groups"])
def test_a_developer_does_not_learn_who_and_what_there_is(signed_in: Page, of: str) -> None:
    assert signed_in("developer").get("/console/suggest/", {"of": of, "q": "a"}).status_code == 403


def test_suggestions_are_bounded(signed_in: Page) -> None:
    Client.objects.bulk_create([Client(client_id=f"many-{i}") for i in range(50)])

    assert len(signed_in("administrator").get("/console/suggest/?of=agents&q=many").json()["found"]) == 8


# --- Narrowing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("current", "most", "left"), [
    (None, ["a", "b"], ["a", "b"]), (["a", "c"], ["a", "b"], ["a"]), (["c"], ["a"], []), (["a"], ["a", "b"], ["a"]),
])  # fmt: skip
def test_narrowing_only_takes_away(current: list[str] | None, most: list[str], left: list[str]) -> None:
    assert narrowed(current, most) == left


def narrow(browser: object, *agents: Client, scopes: str) -> object:
    form = {"action": "narrow_selected", "_selected_action": [agent.pk for agent in agents], "post": "yes"}
    return browser.post(reverse("admin:authz_client_changelist"), {**form, "scopes": scopes})  # type: ignore[attr-defined]


def test_several_agents_are_narrowed_at_once_and_it_is_recorded(signed_in: Page) -> None:
    Client.objects.filter(client_id="web-app").update(scope=["mcp:read", "mcp:write"])
    Client.objects.filter(client_id="desktop-app").update(scope=["payroll:read"])
    agents = [client("nightly-report"), client("web-app"), client("desktop-app")]

    narrow(signed_in("approver"), *agents, scopes="mcp:read")

    assert [client(agent.client_id).scope for agent in agents] == [["mcp:read"], ["mcp:read"], ["payroll:read"]]
    recorded = AuditEvent.objects.filter(event="configuration:object:changed")
    assert sorted(event.detail["after"] for event in recorded) == [["mcp:read"], ["mcp:read"]]


@pytest.mark.parametrize("role", ["auditor", "developer"])
def test_who_may_not_approve_may_not_narrow(signed_in: Page, role: str) -> None:
    narrow(signed_in(role), client("nightly-report"), scopes="mcp:read")

    assert client("nightly-report").scope is None


# --- The signing keys' timeline ------------------------------------------------------------------------------------


def key(**moments: timedelta | None) -> Key:
    names = ("published", "signs_from", "retired", "expires")
    return Key("kid", "ES256", *(None if moments.get(name) is None else NOW + moments[name] for name in names))  # type: ignore[arg-type, operator]


def test_a_keys_stretches_follow_each_other() -> None:
    rotated = key(
        published=timedelta(days=-9),
        signs_from=timedelta(days=-8),
        retired=timedelta(hours=-2),
        expires=timedelta(days=1),
    )

    stretches = timeline([rotated], NOW).tracks[0].stretches

    assert [part.stage for part in stretches] == ["published", "signing", "retired"]
    assert stretches[1].x == pytest.approx(stretches[0].x + stretches[0].width, abs=0.1)
    assert stretches[2].x + stretches[2].width <= 100


def test_a_signing_key_has_no_end_and_a_gone_key_no_track() -> None:
    signing = key(published=timedelta(days=-90), signs_from=timedelta(days=-89))
    gone = key(
        published=timedelta(days=-90),
        signs_from=timedelta(days=-89),
        retired=timedelta(days=-50),
        expires=timedelta(days=-49),
    )

    tracks = timeline([signing, gone], NOW).tracks

    assert [[part.stage for part in track.stretches] for track in tracks] == [["signing"]]
    assert tracks[0].stretches[0].width == pytest.approx(100)


def test_no_key_is_no_timeline() -> None:
    assert timeline([], NOW).tracks == ()


# --- What needs me -------------------------------------------------------------------------------------------------


def told(signed_in: Page, role: str) -> list[tuple[str, str]]:
    return [(task.text, task.url) for task in signed_in(role).get("/console/").context["tasks"]]


def test_everything_that_waits_stands_on_the_home_page_with_the_list_behind_it(signed_in: Page) -> None:
    browser = signed_in("approver")
    everything.fill(owner="charlie")
    User.objects.filter(username="charlie").update(role="none")
    Client.objects.filter(client_id="web-app").update(approved_until=datetime.now(UTC) + timedelta(days=2))
    Client.objects.filter(client_id="desktop-app").update(approved_until=datetime.now(UTC) - timedelta(days=2))

    tasks = dict(told(signed_in, "approver"))

    assert {
        "2 agents wait for approval", "1 approval of an agent ends soon", "1 approval of an agent has ended",
        "1 access request waits for you", "1 agent's document has changed", "The keys of 1 issuer cannot be fetched",
    } <= set(tasks)  # fmt: skip
    for text, url in tasks.items():
        shown = browser.get(url)
        assert shown.status_code == 200
        if url.endswith("/signals/"):  # the page of one stream, with its events
            assert "<tbody>" in shown.content.decode()
            continue
        assert len(shown.context["cl"].result_list) >= 1, text


def test_home_shows_no_task_that_the_person_cannot_decide(signed_in: Page) -> None:
    everything.fill(owner="charlie")

    assert told(signed_in, "developer") == []
    assert all("wait" not in text for text, _ in told(signed_in, "auditor"))


# --- Testing an assertion ------------------------------------------------------------------------------------------


def test_an_assertion_is_judged_check_by_check(signed_in: Page) -> None:
    page = signed_in("administrator").post("/console/xaa/trustedissuer/test/", {"assertion": "not.a.token"})

    assert b"It would be refused" in page.content
    assert b"it can be read" in page.content
    assert b"not.a.token</" in page.content  # it stays in the field, and nowhere else


@pytest.mark.parametrize("role", ["approver", "auditor", "developer"])
def test_other_roles_cannot_make_the_server_fetch_keys(signed_in: Page, role: str) -> None:
    assert signed_in(role).post("/console/xaa/trustedissuer/test/", {"assertion": "a.b.c"}).status_code == 403


def test_a_workload_is_bound_to_an_agent_that_asks_in_this_way(signed_in: Page) -> None:
    from xaa.admin.workloads import WorkloadForm

    wrong = WorkloadForm({"subject": "spiffe://x/y", "claims": "{}", "client": "nightly-report"})
    missing = WorkloadForm({"subject": "spiffe://x/y", "claims": "{}", "client": "nobody"})

    assert "does not ask for tokens by" in str(wrong.errors["client"])
    assert "No agent has this client_id" in str(missing.errors["client"])
