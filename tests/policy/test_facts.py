"""A question goes into the audit and comes back as it was."""

import dataclasses

import pytest

from authz.policy import AccessQuestion, ClientKind, ClientStatus, facts_of, question_from

from .cast import NOTES, machine, question

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
