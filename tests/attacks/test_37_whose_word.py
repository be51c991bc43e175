"""Attack 37: a developer, a registration or a document that says of a client what only the organisation may say."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client as Browser

from authz.api.agents import REGISTRABLE
from authz.clients import attributes
from authz.configuration import apply
from authz.console.agents.form import AgentForm
from authz.models import AuditEvent, Client, User
from authz.policy import clients as policy_clients
from tests.cimd.test_registration import PATH, TOKEN, ask, program
from tests.support.world import World

BACKEND = "authz.sign_in.password_backend.PasswordBackend"
# What each door would have to be told for these columns, and what they are if it does not listen.
TRUSTED: dict[str, tuple[object, object]] = {
    "environment": ("production", ""),
    "tags": (["finance"], []),
    "reuse_assertions": (True, False),
    "pending_answer": ("on_request", ""),
    "status": ("approved", "pending"),
    "owner": ("alice", "dev"),
    "successor": ("alice", None),
    "approved_until": ("2099-01-01", None),
    "skip_authorization": (True, False),
    "registration_source": ("cimd", "manual"),
    "approved": ("2026-01-01T00:00:00Z", None),
    "approved_by": ("alice", None),
}
FORM = {
    "name": "Mine",
    "client_id": "mine",
    "grant_types": "client_credentials",
    "token_endpoint_auth_method": "client_secret_basic",
}


@pytest.fixture
def developer(gatehouse: World) -> Browser:
    apply("users: [{username: dev, password: a-developers-password, role: developer}]")
    browser = Browser()
    browser.force_login(User.objects.get(username="dev"), BACKEND)
    return browser


def value_of(client: Client, name: str) -> object:
    value = getattr(client, name)
    return value.username if isinstance(value, User) else value


def test_every_column_has_an_owner() -> None:
    assert attributes.unclassified() == set()
    assert not attributes.DECLARED & attributes.ORGANISATIONS
    assert set(TRUSTED) == attributes.ORGANISATIONS - {"approval_reminders"}


def test_what_rules_refer_to_is_the_organisations() -> None:
    """`host` and `kind` are what the server found out itself."""
    columns = {"tag": "tags", "owner": "owner", "environment": "environment"}
    assert set(policy_clients._SELECTORS) - {"host", "kind"} == set(columns)
    assert set(columns.values()) <= attributes.ORGANISATIONS


def test_no_self_service_input_names_them() -> None:
    assert not attributes.ORGANISATIONS & set(REGISTRABLE)
    assert attributes.ORGANISATIONS & set(AgentForm.Meta.fields)


@pytest.mark.parametrize("name", TRUSTED)
def test_not_in_a_developers_form(developer: Browser, name: str) -> None:
    told, otherwise = TRUSTED[name]
    form = {**FORM, name: " ".join(told) if isinstance(told, list) else str(told)}
    assert developer.post("/console/authz/client/add/", form).status_code == 302
    assert value_of(Client.objects.get(client_id="mine"), name) == otherwise


@pytest.mark.parametrize("name", TRUSTED)
def test_not_when_a_developer_changes_it(developer: Browser, name: str) -> None:
    developer.post("/console/authz/client/add/", FORM)
    client = Client.objects.get(client_id="mine")
    told, otherwise = TRUSTED[name]
    form = {**FORM, "name": "Changed", name: " ".join(told) if isinstance(told, list) else str(told)}
    assert developer.post(f"/console/authz/client/{client.pk}/change/", form).status_code == 302
    client.refresh_from_db()
    assert client.name == "Changed"
    assert value_of(client, name) == otherwise


def sent(developer: Browser, method: str, path: str, body: object) -> Any:
    return developer.generic(method, f"/api/v1/{path}", json.dumps(body).encode(), content_type="application/json")


@pytest.mark.parametrize("name", TRUSTED)
def test_not_by_a_developers_api_call(developer: Browser, name: str) -> None:
    item = {"client_id": "mine", "grant_types": ["client_credentials"], name: TRUSTED[name][0]}
    answer = sent(developer, "POST", "agents", item)
    assert answer.status_code in {403, 422}
    assert not Client.objects.filter(client_id="mine").exists()


@pytest.mark.parametrize("name", TRUSTED)
def test_not_by_a_developers_patch(developer: Browser, name: str) -> None:
    made = sent(developer, "POST", "agents", {"client_id": "mine", "grant_types": ["client_credentials"]})
    answer = sent(developer, "PATCH", f"agents/{made.json()['id']}", {"client_name": "X", name: TRUSTED[name][0]})
    assert answer.status_code in {403, 422}
    client = Client.objects.get(client_id="mine")
    assert (client.name, value_of(client, name)) == ("", TRUSTED[name][1])


def test_that_refusal_is_in_the_audit(developer: Browser) -> None:
    sent(developer, "POST", "agents", {"tags": ["finance"]})
    event = AuditEvent.objects.order_by("id").last()
    assert event is not None
    assert event.reason == "api_role_insufficient"


@pytest.mark.parametrize("name", TRUSTED)
@pytest.mark.parametrize("spelt", [str, str.upper, lambda name: name.replace("_", "-")])
def test_not_by_dynamic_registration(gatehouse: World, name: str, spelt: Callable[[str], str]) -> None:
    apply(f"cimd: {{registration: true, registration_tokens: [{TOKEN}], registration_hosts: [localhost]}}")
    plain, told = (ask("post", PATH, body, TOKEN) for body in (program(), program(**{spelt(name): TRUSTED[name][0]})))
    first, second = (Client.objects.get(client_id=answer.json()["client_id"]) for answer in (plain, told))
    if name != "approved":
        assert value_of(second, name) == value_of(first, name)
    assert (second.environment, second.tags, second.reuse_assertions, second.owner) == ("", [], False, None)
    assert not second.skip_authorization


@pytest.mark.parametrize(("name", "told"), [("environment", "production"), ("tags", ["finance"])])
def test_an_administrator_says_it(gatehouse: World, name: str, told: object) -> None:
    browser = Browser()
    browser.force_login(User.objects.get(username="alice"), BACKEND)
    answer = sent(browser, "POST", "agents", {"client_id": "x", "grant_types": ["client_credentials"], name: told})
    assert answer.status_code == 201, answer.content
    assert value_of(Client.objects.get(client_id="x"), name) == told
    form = {**FORM, name: " ".join(told) if isinstance(told, list) else told, "reuse_assertions": "on"}
    assert browser.post("/console/authz/client/add/", form).status_code == 302
    row = Client.objects.get(client_id="mine")
    assert (value_of(row, name), row.reuse_assertions) == (told, True)
