"""A question goes into the audit and comes back as it was."""

import dataclasses
import json
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given

from authz import policy
from authz.policy import AccessQuestion, ClientKind, ClientStatus, Rule, decide, facts_of, question_from

from . import strategies as any_
from .cast import NOTES, NOW, call, machine, question
from .strategies import SOME

FULL = question(
    "read odd",
    client_kind=ClientKind.CIMD,
    client_host="app.example.com",
    client_tags=("finance", "office"),
    client_owner="olga",
    client_environment="production",
    groups=("engineering", "leads"),
    refresh=True,
    acr="gold",
    amr=("pwd", "otp"),
    auth_time=1_799_999_000.0,
    address="192.0.2.1",
)
GROUPS = {"engineering", "leads"}


@pytest.mark.parametrize("asked", [question(), machine(), FULL, machine("read", client_tags=("x",))])
def test_it_comes_back_as_it_was(asked: AccessQuestion) -> None:
    facts = facts_of(asked, GROUPS)
    back = question_from(facts, client_id=asked.client_id, resource=asked.resource, address=asked.address or "")
    assert back == asked


def test_it_is_written_without_what_is_at_its_default() -> None:
    assert facts_of(machine(), GROUPS) == {"grant_type": "client_credentials", "scopes": [["read", "low"]]}


def test_every_fact_has_a_name() -> None:
    assert facts_of(FULL, GROUPS) == {
        "user": "bob",
        "groups": ["engineering", "leads"],
        "kind": "cimd",
        "host": "app.example.com",
        "tags": ["finance", "office"],
        "owner": "olga",
        "environment": "production",
        "grant_type": "authorization_code",
        "refresh": True,
        "scopes": [["read", "low"], ["odd", ""]],
        "acr": "gold",
        "amr": ["pwd", "otp"],
        "auth_time": 1_799_999_000.0,
    }


def test_of_many_groups_those_are_kept_that_rules_name() -> None:
    asked = question(groups=("staff", "engineering", "berlin"))
    assert facts_of(asked, {"engineering": 1})["groups"] == ["engineering"]
    assert "groups" not in facts_of(asked, {})


def test_the_client_was_approved_then() -> None:
    read = question_from({"grant_type": "authorization_code"}, client_id="c", resource=NOTES, address="")
    assert read.client_status is ClientStatus.APPROVED
    assert read == dataclasses.replace(machine(), client_id="c", grant_type="authorization_code", scopes=())


@SOME
@given(any_.questions, any_.rule_lists)
def test_a_call_is_decided_alike_by_what_is_kept_of_it(asked: AccessQuestion, rules: list[Rule]) -> None:
    asked = replace(asked, client_status=ClientStatus.APPROVED)
    compiled = policy.compile(rules)
    kept = json.loads(json.dumps(facts_of(asked, compiled.groups, compiled.members)))
    again = question_from(kept, client_id=asked.client_id, resource=asked.resource, address=asked.address or "")
    assert decide(again, compiled, NOW) == decide(asked, compiled, NOW)


def test_of_a_call_only_the_members_that_rules_name_are_kept() -> None:
    canary = "canary-7f3a"
    arguments = {"amount": Decimal("9.50"), "to": {"country": "DE", "iban": canary}, "note": canary, "long": "x" * 201}
    asked = call("pay", labels=frozenset({"pii"}), arguments=arguments)
    kept = facts_of(asked, {}, {"amount", "to.country", "long", "absent", "to"})["tool"]
    assert kept == {
        "name": "pay",
        "digest": "this",
        "labels": ["pii"],
        "arguments": {"amount": {"number": "9.50"}, "to.country": "DE", "to": [], "long": None},
        "missing": ["absent"],
        "unusual": [],
    }
    assert canary not in json.dumps(kept)


def test_a_number_of_a_million_digits_is_not_written_down() -> None:
    for huge in (10**5000, Decimal("1E+999999999"), Decimal("NaN")):
        kept = facts_of(call("pay", arguments={"amount": huge}), {}, {"amount"})["tool"]
        assert kept["arguments"] == {"amount": {"number": "NaN"}}  # type: ignore[index] # a mapping
