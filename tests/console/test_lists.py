"""A list answers for what it declares, and for nothing else: each column of its model, with operators of Django's that
take turns (docs/decisions/0080), asked by each role, of the console's lists and of the API's (attack 37).
"""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.messages.storage.fallback import FallbackStorage
from django.core.cache import cache
from django.core.exceptions import SuspiciousOperation
from django.db.models import Model
from django.http import HttpRequest
from django.test import Client as Browser
from django.test import RequestFactory
from django.urls import get_resolver, reverse

from authz.console.pages import console
from authz.models import AuditEvent, User
from tests.console.conftest import Page
from tests.support import everything, lookups
from tests.support.rotation import part

ROLES = ("administrator", "approver", "auditor", "developer", "none")
MODELS = sorted(console._registry, key=lambda model: model._meta.label)
# Lists that are one page of their own.
NO_LIST = {"authz.AuditDestination"}
LISTS = [model for model in MODELS if model._meta.label not in NO_LIST]


def changelist(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def request_of(user: User, query: dict[str, str]) -> HttpRequest:
    request = RequestFactory().get("/console/", query)
    request.user = user
    request.session = {}  # type: ignore[assignment]
    request._messages = FallbackStorage(request)  # type: ignore[attr-defined]
    return request


def declared(model: type[Model], user: User) -> frozenset[str]:
    admin: Any = console._registry[model]
    return admin.declared(request_of(user, {}))


@pytest.mark.any_database
@pytest.mark.parametrize("model", LISTS, ids=lambda model: model._meta.label_lower)
def test_no_operator_on_any_column_is_answered_unless_it_is_declared(signed_in: Page, model: type[Model]) -> None:
    signed_in("auditor")
    admin, user = console._registry[model], User.objects.get(username="dana")
    names = declared(model, user)
    tried = part(lookups.all_of(model), MODELS.index(model), 4)
    answered = []
    for lookup, value in tried:
        if lookup in names:
            continue
        try:
            admin.get_changelist_instance(request_of(user, {lookup: value}))
        except SuspiciousOperation:
            continue
        answered.append(lookup)

    assert len(tried) > 10
    assert answered == []


@pytest.mark.any_database
@pytest.mark.parametrize("role", ROLES)
def test_no_role_gets_a_list_by_a_column_that_is_not_declared(signed_in: Page, role: str) -> None:
    browser = signed_in(role)
    user = User.objects.get(pk=browser.session["_auth_user_id"])
    answers = {}
    for model in LISTS:
        own = [(path, field) for path, field in lookups.columns(model, deep=0)]
        names = declared(model, user)
        # Each column is asked for by two roles of five.
        for turn, (path, field) in part([*enumerate(own)] * 2, ROLES.index(role), len(ROLES)):
            known = lookups.operators(field)
            lookup = f"{path}__{known[1 + turn % (len(known) - 1)]}"
            if lookup not in names:
                response = browser.get(changelist(model), {lookup: "1"})
                answers[f"{model._meta.label} {lookup}"] = response.status_code

    assert len(answers) > 60
    assert {what: status for what, status in answers.items() if status not in {302, 400, 403}} == {}
    if role == "none":
        assert set(answers.values()) <= {302, 403}


def test_a_visitor_who_is_not_signed_in_gets_no_list(signed_in: Page) -> None:
    for model in LISTS:
        assert Browser().get(changelist(model), {"pk": "1"}).status_code == 302


def test_what_is_declared_is_a_filter_of_the_page(signed_in: Page) -> None:
    browser = signed_in("administrator")
    everything.fill()
    for model in LISTS:
        for name in declared(model, User.objects.get(username="alice")):
            assert browser.get(changelist(model), {name: ""}).status_code in {200, 400}, name
    assert not {"session_key", "digest__startswith"} & declared(MODELS[-1], User.objects.get(username="alice"))


HIDDEN = [
    ("xaa_session", "session_key__startswith"), ("xaa_session", "digest__startswith"),
    ("xaa_session", "user__password__startswith"), ("xaa_session", "user__browser_sessions__digest__gt"),
    ("authz_user", "password__startswith"), ("authz_user", "password__regex"),
    ("authz_user", "authenticator__data__contains"),
    ("authz_client", "secret_digest__startswith"), ("authz_client", "owner__password__gt"),
    ("authz_client", "client_secret__lt"), ("authz_signingkey", "encrypted__startswith"),
    ("authz_webhookendpoint", "secret__contains"), ("authz_authorization", "client__secret_digest__iregex"),
    ("xaa_trustedissuer", "sign_in__secret__startswith"), ("auth_group", "user__password__startswith"),
    ("authz_accessrequest", "user__password__in"), ("authz_notification", "endpoint__secret__gt"),
]  # fmt: skip


@pytest.mark.parametrize(("page", "lookup"), HIDDEN)
@pytest.mark.parametrize("role", ["auditor", "administrator"])
def test_secrets_cannot_be_read_letter_by_letter(signed_in: Page, page: str, lookup: str, role: str) -> None:
    response = signed_in(role).get(reverse(f"admin:{page}_changelist"), {lookup: "a"})

    assert response.status_code == 400
    refused = AuditEvent.objects.get(event="console:request:refused")
    assert refused.reason == "console_query_not_offered"
    assert lookup in refused.detail["detail"]


@pytest.mark.parametrize(
    ("query", "is_answered"),
    [
        ("o=1", True), ("o=-2.1", True), ("o=", True), ("o=99", False), ("o=password", False), ("o=-password", False),
        ("o=1.x", False), ("o=1,2", False), ("o=" + "1" * 5000, False), ("p=1", True), ("p=x", False), ("p=-1", False),
        ("p=999", False), ("p=" + "9" * 5000, False), ("q=a", True), ("q=" + "a" * 3000, False),
        ("q=" + "a+" * 300, False), ("role__exact=auditor", True), ("role__exact=junk", False),
        ("is_active__exact=junk", False), ("groups__id__exact=x", False),
        ("role__exact=auditor&role__exact=none", False), ("_to_field=id", True), ("_to_field=password", False),
        ("_to_field=subject", False), ("_facets=True", False), ("all=", False), ("junk=1", False),
    ],
)  # fmt: skip
def test_order_page_and_search_are_those_of_the_page(signed_in: Page, query: str, is_answered: bool) -> None:
    status = signed_in("auditor").get(f"/console/authz/user/?{query}").status_code

    assert status == 200 if is_answered else status in {400, 404}


@pytest.mark.parametrize("selected", [["x"], ["9" * 40], ["1", "'"], [""], ["1"] * 501, ["1.5"]])
@pytest.mark.parametrize("page", ["authz_client", "authz_rule", "auth_group"])
def test_an_action_takes_keys_of_rows(signed_in: Page, page: str, selected: list[str]) -> None:
    given = {"action": "delete_selected", "_selected_action": selected, "index": "x"}
    response = signed_in("administrator").post(reverse(f"admin:{page}_changelist"), given)

    assert response.status_code in {302, 400}


@pytest.mark.parametrize("query", ["client_id__startswith=a", "detail__contains=x", "id__gt=1", "outcome=junk", "p=x"])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_export_is_asked_as_the_list_is(signed_in: Page, query: str, form: str) -> None:
    response = signed_in("auditor").get(f"/console/authz/auditevent/export.{form}?{query}")

    assert response.status_code == 400
    assert not AuditEvent.objects.filter(event="audit:events:exported").exists()


@pytest.mark.parametrize("address", ["autocomplete/?app_label=xaa&model_name=session&field_name=user&term=a", "r/1/1/"])
def test_no_address_of_djangos_answers_for_any_model(signed_in: Page, address: str) -> None:
    assert signed_in("administrator").get(f"/console/{address}").status_code == 404


def api_lists() -> Iterator[str]:
    for resolver in get_resolver().url_patterns:
        for pattern in getattr(resolver, "url_patterns", ()):
            if str(getattr(pattern, "name", "")).startswith("api_") and not pattern.pattern.converters:
                yield reverse(pattern.name)


@pytest.mark.any_database
@pytest.mark.parametrize("role", ROLES)
def test_no_api_list_answers_by_a_column_that_it_does_not_name(signed_in: Page, role: str) -> None:
    browser = signed_in(role)
    tried = [name for model in MODELS for name, _ in lookups.all_of(model) if name.count("__") == 1][::37]
    found = {}
    turns = 10 * len(ROLES)
    for number, address in enumerate(sorted(set(api_lists()))):
        cache.clear()  # the API counts what one caller asks in a minute
        # Each look-up goes to some lists, as some roles; those of secrets to each list, as each role.
        some = tried[(number * len(ROLES) + ROLES.index(role)) % turns :: turns]
        for lookup in [*some, "password__startswith", "secret_digest__startswith", "session_key"]:
            response = browser.get(address, {lookup: "a"})
            if response.status_code not in {400, 401, 403, 405, 406}:
                found[f"{address}?{lookup}"] = response.status_code

    assert found == {}
