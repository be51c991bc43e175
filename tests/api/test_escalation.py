"""Every route of the management API and the console, as every role. The table lists all that is allowed.

The routes are read from the URL conf, so one without a row fails. D is a developer, U an auditor, P an approver, X an
administrator. People without a role, and those who are not signed in, are refused everywhere. A letter means that the
role is admitted, with any answer. Each attempt is rolled back.
"""

import json
from collections.abc import Callable, Iterator

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.test import Client as Browser
from django.urls import URLPattern, reverse

from authz.api.urls import urlpatterns
from authz.models import (
    AccessRequest,
    AuditEvent,
    Authorization,
    Client,
    ConfigurationPlan,
    Notification,
    User,
    WebhookEndpoint,
)
from tests.api.conftest import BACKEND, PEOPLE, Caller
from tests.api.who_may import API, BODIES, CONSOLE, FOR_EVERYBODY, METHODS, OF_DJANGO, OPEN, PAGES, ROLES
from tests.support import everything, pages
from tests.support.world import NOTES, World, client

pytestmark = pytest.mark.any_database


def api_routes() -> dict[str, URLPattern]:
    return {str(pattern.name): pattern for pattern in urlpatterns}


def console_routes() -> Iterator[str]:
    for name, pattern in pages.patterns():
        if not pages._is_allauths(name, pattern) and name.removeprefix("admin:") not in OF_DJANGO:
            yield name


def expected(name: str, method: str) -> str | None:
    """Who is let in to a page; None where there is no row for it."""
    if name in PAGES:
        return PAGES[name][method == "POST"]
    model, _, page = name.removeprefix("admin:").rpartition("_")
    if model not in CONSOLE:
        return None
    listed, added, seen, changed, removed = CONSOLE[model]
    if page == "change":
        return changed if method == "POST" else seen
    return {"changelist": listed, "add": added, "delete": removed, "history": seen}.get(page)


def test_every_route_of_the_api_has_its_row() -> None:
    assert set(api_routes()) == set(API) | FOR_EVERYBODY


def test_every_page_of_the_console_has_its_row() -> None:
    assert [name for name in console_routes() if expected(name, "GET") is None] == []
    assert len(list(console_routes())) > 90


@pytest.fixture
def agent(gatehouse: World) -> Client:
    """The developer's own, so that what keeps them out is not that they do not see it."""
    erin, _ = User.objects.get_or_create(username="erin")
    agent = client("pending-agent")
    agent.client_id, agent.owner, agent.grant_types = "tool", erin, ["client_credentials"]
    agent.save()
    return agent


@pytest.fixture
def rows(gatehouse: World, agent: Client) -> dict[str, str]:
    """Something of everything, and the arguments by which the API's routes name it."""
    frank, erin = User.objects.create(username="frank", role="developer"), User.objects.get(username="erin")
    gatehouse.machine_token()
    everything.fill(owner="frank")
    AccessRequest.objects.all().delete()
    moment = "2100-01-01T00:00:00Z"
    asked = AccessRequest.objects.create(
        digest="e", client=client("nightly-report"), user=erin, resource=NOTES, grant_type="client_credentials",
        scopes=["mcp:read"], first_asked=moment, last_asked=moment,
    )  # fmt: skip
    hook = WebhookEndpoint.objects.create(name="Hook", url="https://hooks.example.com/", secret=b"")
    Notification.objects.create(
        message=hook.pk, kind="access_request.opened", endpoint=hook, subject="Asked", created=moment, due=moment
    )
    client_row = client("nightly-report")
    client_row.owner = frank
    client_row.save()
    return {
        "agent": str(agent.pk),
        "access_request": str(asked.pk),
        "authorization": str(Authorization.objects.filter(client=client_row).latest("created").pk),
        "plan": str(ConfigurationPlan.objects.latest("created").pk),
        "audit_event": str(AuditEvent.objects.latest("id").pk),
        "clients_item": "tool",
        "users_item": "frank",
        "rules_item": "Agents read notes",
        "resources_item": NOTES,
        "trusted_issuers_item": "https://idp.hostile.example.com",
        "resource_authorization_servers_item": "https://as.hostile.example.com",
    }


def arguments(name: str, pattern: URLPattern, rows: dict[str, str]) -> dict[str, str]:
    if not pattern.pattern.converters:
        return {}
    about = [row for row in rows if name.removeprefix("api_").startswith(row)]
    return {argument: rows[max(about, key=len)] if about else "nothing" for argument in pattern.pattern.converters}


def undone(call: Callable[[], HttpResponse]) -> HttpResponse:
    with transaction.atomic():
        response = call()
        transaction.set_rollback(True)
    return response


def signed_in(role: str) -> Browser:
    user, _ = User.objects.get_or_create(username=PEOPLE[role])
    user.role = role
    user.save()
    browser = Browser(raise_request_exception=False)
    browser.force_login(user, backend=BACKEND)
    return browser


@pytest.mark.parametrize("letter", ["", "N", *ROLES])
def test_the_api_admits_the_roles_in_the_table(rows: dict[str, str], letter: str) -> None:
    caller = Caller(signed_in({**ROLES, "N": "none"}[letter]) if letter else Browser())
    wrong = []
    for name, pattern in api_routes().items():
        if name in FOR_EVERYBODY:
            continue
        path = reverse(name, kwargs=arguments(name, pattern, rows)).removeprefix("/api/v1/")
        path += {
            "api_policy_reach": "?client_id=tool",
            "api_end_access": "?kind=client&name=tool",
            "api_cut_off": "?kind=client&name=tool",
        }.get(name, "")
        if name == "api_policy_explain":
            path += f"?client_id=tool&resource={NOTES}"
        for method in METHODS:
            row = API[name]
            if method not in row and letter != "X":
                continue  # tried once, below, as who may everything else
            asked = path.partition("?")[0] if method != "GET" else path
            given = BODIES.get((name, method), None if method in {"GET", "DELETE"} else {})
            response = undone(lambda m=method, p=asked, b=given: caller(m, p, b, if_match="*"))
            if method not in row:
                is_right = response.status_code == 405
            elif letter and letter in row[method]:
                is_right = response.status_code < 500 and response.status_code not in {401, 403, 405}
            else:
                is_right = response.status_code == (403 if letter else 401)
            if not is_right:
                wrong.append((name, method, response.status_code, response.content[:200]))
    assert wrong == []


@pytest.mark.parametrize("letter", ["", "N", *ROLES])
def test_the_console_admits_the_roles_in_the_table(rows: dict[str, str], letter: str) -> None:
    browser = signed_in({**ROLES, "N": "none"}[letter]) if letter else Browser(raise_request_exception=False)
    found = dict(pages.patterns())
    wrong = []
    for name in console_routes():
        about = {
            "account_decide": "authz_accessrequest",
            "admin:replay": "authz_auditevent",
            "admin:authz_auditdestination_proof": "authz_auditevent",
        }.get(name, "")
        path = reverse(
            name,
            kwargs={
                argument: everything.first(about) if about else pages._value(name, argument, everything.first)
                for argument in pages._arguments(found[name])
            },
        )
        reading, writing = str(expected(name, "GET")), str(expected(name, "POST"))
        for method, may in (("GET", reading), ("POST", writing)):
            # A POST of the same page admits the same roles as the GET; and tests/console/ looks at every page as Alice.
            if letter and letter in may and (reading == writing if method == "POST" else letter == "X"):
                continue
            response = undone(lambda m=method, p=path: browser.generic(m, p))
            is_in = not is_refusal(response)
            if is_in is not bool((letter and letter in may) or (not letter and (name, method) in OPEN)):
                wrong.append((name, method, response.status_code, response.headers.get("Location", "")))
    assert wrong == []


def is_refusal(response: HttpResponse) -> bool:
    away = response.headers.get("Location", "")
    # The admin redirects a person who may not see a row to its front page.
    is_away = away.startswith(("/accounts/login/", "/console/login/")) or away == "/console/"
    return response.status_code in {403, 404, 405} or (response.status_code == 302 and is_away)


@pytest.mark.parametrize("role", ["auditor", "approver", "developer"])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("configuration/users/{me}", {"role": "administrator"}),
        ("configuration/users/{me}", {"groups": ["engineering"]}),
        ("configuration/clients/tool", {"status": "approved"}),
        ("configuration/clients/tool", {"owner": "{me}"}),
        ("configuration/rules/Agents read notes", {"enabled": False}),
        ("configuration/resources/http%3A%2F%2F127.0.0.1%3A9200%2Fmcp", {"owner": "{me}"}),
    ],
)
@pytest.mark.usefixtures("agent")
def test_no_one_raises_their_own_role(role: str, path: str, body: dict) -> None:
    me = PEOPLE[role]
    caller = Caller(signed_in(role))
    filled = json.loads(json.dumps(body).replace("{me}", me))

    response = caller("PATCH", path.format(me=me), filled, if_match="*")

    assert response.status_code == 403
    assert User.objects.get(username=me).role == role
    assert not User.objects.get(username=me).groups.filter(name="engineering").exists() or role == "approver"
    assert client("tool").status == "pending"


@pytest.mark.parametrize("kind", ["person", "resource", "everything"])
def test_an_approver_cuts_off_no_more_than_agents_and_grants(rows: dict[str, str], kind: str) -> None:
    caller = Caller(signed_in("approver"))
    name = {"person": "frank", "resource": NOTES, "everything": ""}[kind]

    response = caller("POST", "cut_off", {"kind": kind, "name": name, "reason": "A try."})

    assert response.status_code == 403
    assert User.objects.get(username="frank").is_active
    assert client("nightly-report").status == "approved"


def test_a_refused_attempt_is_recorded_with_its_caller(rows: dict[str, str]) -> None:
    caller = Caller(signed_in("auditor"))

    caller("PUT", "configuration/users/dana", {"role": "administrator"}, if_match="*")

    event = AuditEvent.objects.filter(event="api:request:refused").latest("id")
    assert event.reason == "api_role_insufficient"
    assert event.subject == str(User.objects.get(username="dana").subject)
    assert event.detail["detail"] == "PUT /api/v1/configuration/users/dana: authz.change_configuration"
