"""Fields of access requests that extensions ask for, and how many approvers they want."""

import json
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from django.test import Client as Browser

from authz.approvals import extension_fields
from authz.approvals.extension_fields import FieldError
from authz.approvals.voting import NotDecided
from authz.configuration import apply
from authz.database import configuration_cache
from authz.models import AccessRequest, AuditEvent, User
from tests.approvals.test_approvers import approve, bob_asks, hold, person
from tests.support import world
from tests.support.extension_packages import Install
from tests.support.races import at_once
from tests.support.world import NOTES, PAYROLL, World

PAYMENT = "com.example/payment-approval"
SOURCE = """
TITLE = "Payments"
FIELDS = [
    {"name": "amount", "label": "Amount", "kind": "number", "required": True},
    {"name": "iban", "label": "Account", "pattern": "[A-Z]{2}[0-9]+", "help": "An IBAN."},
]
SETTINGS = {"type": "object", "properties": {"limit": {"type": "number"}}}

def approvers_needed(request, settings):
    return 2 if request["fields"]["amount"] >= settings["limit"] else 1
"""


def configured(install: Install, source: str = SOURCE, resource: str = NOTES) -> None:
    install(PAYMENT, source)
    settings = {"enabled": True, "resources": [resource]}
    apply(json.dumps({"extensions": {PAYMENT: settings | ({"limit": 100} if "limit" in source else {})}}))
    configuration_cache.begin()


def asked_before(gatehouse: World, install: Install) -> AccessRequest:
    """Bob's request, from before anyone wanted to know more."""
    hold()
    request = bob_asks(gatehouse)
    configured(install)
    return request


def give(request: AccessRequest, **fields: Any) -> AccessRequest:
    bob = world.person("bob")
    assert extension_fields.give(request, by=bob, given={PAYMENT: fields}, now=datetime.now(UTC))
    request.refresh_from_db()
    return request


def approvers() -> tuple[User, User]:
    return person("quentin", role="approver"), person("paula", role="approver")


@pytest.mark.django_db
def test_without_a_required_field_it_cannot_be_approved(gatehouse: World, install: Install) -> None:
    request, (first, _) = asked_before(gatehouse, install), approvers()
    with pytest.raises(NotDecided, match="It lacks what has to be said: Amount"):
        approve(request, first)
    assert approve(give(request, amount=5), first) == "approved"
    event = AuditEvent.objects.filter(event="policy:access_request:explained").latest("id")
    assert event.detail["fields"] == {PAYMENT: {"amount": 5}}


@pytest.mark.django_db
def test_above_the_limit_two_different_people_approve_it(gatehouse: World, install: Install) -> None:
    request, (first, second) = give(asked_before(gatehouse, install), amount=100), approvers()
    assert approve(request, first) == "open"
    with pytest.raises(NotDecided, match="You have decided this already"):
        approve(request, first)
    assert approve(request, second) == "approved"
    assert [vote.by.username for vote in request.votes.all()] == ["quentin", "paula"]
    assert AuditEvent.objects.filter(event="policy:access_request:seconded").count() == 1


@pytest.mark.django_db
def test_attack_an_amount_that_grows_after_the_first_vote(gatehouse: World, install: Install) -> None:
    request, (first, second) = give(asked_before(gatehouse, install), amount=100), approvers()
    approve(request, first)
    with pytest.raises(FieldError, match="An approver has decided"):
        give(request, amount=100_000)
    assert approve(request, second) == "approved"


@pytest.mark.django_db
def test_attack_an_amount_that_grows_while_the_approver_reads(gatehouse: World, install: Install) -> None:
    read, (first, _) = give(asked_before(gatehouse, install), amount=5), approvers()
    give(AccessRequest.objects.get(pk=read.pk), amount=100_000)
    with pytest.raises(NotDecided, match="has changed since"):
        approve(read, first)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "answer",
    ["0", "6", "True", "'2'", "None", "1/0", "__import__('time').sleep(0.5)", "2.0"],
)
def test_attack_a_number_of_approvers_that_is_none(gatehouse: World, install: Install, answer: str) -> None:
    hold()
    configured(install, f"TITLE = 'x'\ndef approvers_needed(request, settings):\n    return {answer}\n")
    with pytest.raises(NotDecided, match="It can’t be approved"):
        approve(bob_asks(gatehouse), approvers()[0])


@pytest.mark.django_db
def test_a_broken_one_holds_only_requests_of_its_own_servers(gatehouse: World, install: Install) -> None:
    hold()
    configured(install, "TITLE = 'x'\ndef approvers_needed(request, settings):\n    raise ValueError\n", PAYROLL)
    assert approve(bob_asks(gatehouse), approvers()[0]) == "approved"


WRONG = {
    "another extension's": {"com.example/other": {"amount": 5}},
    "no field of it": {PAYMENT: {"sum": 5}},
    "a text for a number": {PAYMENT: {"amount": "5"}},
    "a switch for a number": {PAYMENT: {"amount": True}},
    "a negative number": {PAYMENT: {"amount": -5}},
    "no number at all": {PAYMENT: {"amount": float("nan")}},
    "a number for a text": {PAYMENT: {"iban": 5}},
    "against the pattern": {PAYMENT: {"iban": "<script>"}},
    "with a line break": {PAYMENT: {"iban": "DE1\n"}},
    "too long": {PAYMENT: {"iban": "DE" + "1" * 300}},
    "no mapping": [PAYMENT],
    "no mapping inside": {PAYMENT: 5},
}


@pytest.mark.django_db
@pytest.mark.parametrize("given", WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_not_taken(gatehouse: World, install: Install, given: Any) -> None:
    request = asked_before(gatehouse, install)
    with pytest.raises(FieldError):
        extension_fields.give(request, by=world.person("bob"), given=given, now=datetime.now(UTC))
    request.refresh_from_db()
    assert request.extension_fields is None


@pytest.mark.django_db
def test_the_person_fills_them_in_on_the_requests_page_and_approvers_read_them(
    gatehouse: World, install: Install
) -> None:
    request = asked_before(gatehouse, install)
    address = f"/account/requests/{request.pk}"
    assert "Amount" in gatehouse.browser.get(address).content.decode()
    gatehouse.browser.post(address, {"fields": "1", f"{PAYMENT}:amount": "120.50", f"{PAYMENT}:iban": "DE12"})
    request.refresh_from_db()
    assert request.extension_fields == {PAYMENT: {"amount": 120.5, "iban": "DE12"}}
    browser = Browser()
    browser.force_login(person("alice", role="administrator"))
    page = browser.get(f"/console/authz/accessrequest/{request.pk}/decide/").content.decode()
    assert "120.5" in page
    assert "DE12" in page


@pytest.mark.django_db
def test_the_api_takes_them_from_who_asks_and_from_no_one_else(gatehouse: World, install: Install) -> None:
    request = asked_before(gatehouse, install)
    address = f"/api/v1/access_requests/{request.pk}"

    def patch(username: str, fields: Any) -> Any:
        browser = Browser()
        browser.force_login(world.person(username))
        return browser.patch(address, {"fields": fields}, content_type="application/json")

    User.objects.filter(username="bob").update(role="developer")
    assert patch("alice", {PAYMENT: {"amount": 1}}).status_code == 403
    assert patch("bob", {PAYMENT: {"amount": "much"}}).status_code == 422
    assert patch("bob", {PAYMENT: {"amount": 7}}).json()["fields"] == {PAYMENT: {"amount": 7}}


@pytest.mark.django_db(transaction=True)
def test_two_approvers_at_once_are_two_votes_and_one_approval(committed_gatehouse: World, install: Install) -> None:
    request = give(asked_before(committed_gatehouse, install), amount=100)
    first, second = approvers()

    def vote(by: User) -> str:
        try:
            return str(approve(AccessRequest.objects.get(pk=request.pk), by))
        except NotDecided:
            return "refused"

    # Each twice: one person is never two.
    outcomes = at_once([partial(vote, by) for by in (first, second, first, second)])
    assert outcomes.count("approved") == 1
    assert outcomes.count("open") == 1
    assert outcomes.count("refused") == 2
    assert sorted(request.votes.values_list("by__username", flat=True)) == ["paula", "quentin"]
    assert AuditEvent.objects.filter(event="policy:access_request:approved").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_vote_and_a_change_at_once_never_approve_what_was_not_read(
    committed_gatehouse: World, install: Install
) -> None:
    request = give(asked_before(committed_gatehouse, install), amount=5)
    read, (first, _) = AccessRequest.objects.get(pk=request.pk), approvers()

    def vote() -> str:
        try:
            return str(approve(read, first))
        except NotDecided:
            return "refused"

    def change() -> str:
        try:
            given = {PAYMENT: {"amount": 100_000}}
            return str(extension_fields.give(request, by=world.person("bob"), given=given, now=datetime.now(UTC)))
        except FieldError:
            return "refused"

    voted, _ = at_once([vote, change])
    request.refresh_from_db()
    assert request.status != "approved" or request.extension_fields == {PAYMENT: {"amount": 5}}
    assert voted in {"approved", "refused"}
