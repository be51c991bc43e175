"""Rules that name what does not exist, as programs are told of them."""

import json
from collections.abc import Callable

import pytest

from authz.models import Rule
from tests.api.conftest import Caller, key, problem
from tests.support.world import NOTES

Person = Callable[[str], Caller]
MISTYPED = {
    "name": "No writing",
    "effect": "deny",
    "clients": ["nightly-reprot"],
    "grant_types": ["*"],
    "resources": [NOTES],
    "scopes": ["*"],
}
PATH = f"configuration/rules/{key('No writing')}"
WARNING = {
    "field": "clients[0]",
    "value": "nightly-reprot",
    "problem": "There is no agent of this client_id. Did you mean “nightly-report”?",
    "suggestion": "nightly-report",
}


@pytest.fixture
def alice(person: Person) -> Caller:
    return person("administrator")


def test_an_answer_has_the_warnings_beside_the_rule(alice: Caller) -> None:
    made = json.loads(alice("PUT", PATH, MISTYPED).content)
    assert made["warnings"] == [WARNING]
    assert alice.get(PATH)["warnings"] == [WARNING]


def test_what_was_read_can_be_written_back(alice: Caller) -> None:
    alice("PUT", PATH, MISTYPED)
    read = alice.get(PATH)
    mended = alice("PUT", PATH, {**read, "clients": ["nightly-report"]}, if_match=alice.etag(PATH))
    assert mended.status_code == 200
    assert "warnings" not in json.loads(mended.content)
    assert "warnings" not in Rule.objects.get(name="No writing").definition


def test_all_rules_with_warnings_are_listed(alice: Caller) -> None:
    assert alice.get("policy/warnings") == {"items": []}
    alice("PUT", PATH, MISTYPED)
    assert alice.get("policy/warnings") == {
        "items": [{"rule": "No writing", "matches_nothing": True, "parts": [WARNING]}]
    }


@pytest.mark.parametrize("dry_run", ["true", "false"])
def test_a_file_is_applied_with_its_warnings(alice: Caller, dry_run: str) -> None:
    answer = json.loads(alice("POST", f"configuration?dry_run={dry_run}", {"rules": [MISTYPED]}).content)
    assert answer["warnings"] == [{"rule": "No writing", "matches_nothing": True, "parts": [{"line": 1, **WARNING}]}]
    assert Rule.objects.filter(name="No writing").exists() is (dry_run == "false")


def test_a_strict_request_refuses_the_file(alice: Caller) -> None:
    refused = alice("POST", "configuration?strict=true", {"rules": [MISTYPED]})
    assert refused.status_code == 422
    assert "Did you mean" in json.dumps(problem(refused), ensure_ascii=False)
    assert not Rule.objects.filter(name="No writing").exists()


def test_only_readers_of_rules_read_the_warnings(person: Person) -> None:
    assert person("none")("GET", "policy/warnings").status_code == 403
