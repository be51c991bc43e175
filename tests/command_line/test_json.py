"""`--json` answers in the shapes of the API."""

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from authz.api.framework.schema import document
from authz.command_line import exit_codes
from tests.api.conftest import Caller, person  # noqa: F401  a fixture
from tests.support.world import World


def told(*call: str) -> dict:
    out = StringIO()
    call_command(*call, "--json", stdout=out)
    found: dict = json.loads(out.getvalue())
    return found


def members(path: str, method: str = "get") -> set[str]:
    answers = document()["paths"][path][method]["responses"]
    shape = next(iter(answers["200"]["content"].values()))["schema"]
    item = shape["properties"].get("items", {}).get("items", shape)
    return set(item["properties"])


@pytest.mark.parametrize(
    ("call", "path"),
    [
        (("keys", "list"), "keys"),
        (("agents", "list"), "agents"),
        (("agents", "list", "--status", "pending"), "agents?status=pending"),
        (("requests", "list"), "access_requests?status=open"),
    ],
)
def test_a_list_is_that_of_the_api(
    gatehouse: World,
    person: Callable[[str], Caller],  # noqa: F811
    call: tuple[str, ...],
    path: str,
) -> None:
    theirs = person("administrator").get(path)["items"]
    ours = told(*call)
    assert ours["next"] is None
    key = "kid" if "kid" in (theirs or [{}])[0] else "id"
    assert sorted(ours["items"], key=lambda item: str(item[key])) == sorted(theirs, key=lambda item: str(item[key]))


def test_one_agent_is_that_of_the_api(gatehouse: World, person: Callable[[str], Caller]) -> None:  # noqa: F811
    (theirs,) = person("administrator").get("agents?client_id=nightly-report")["items"]
    assert told("agents", "show", "nightly-report") == theirs


def test_changes_are_those_of_the_api(gatehouse: World, tmp_path: Path) -> None:
    file = tmp_path / "file.yaml"
    file.write_text("users:\n  - {username: dora, role: auditor}\n")
    found = told("apply", str(file), "--dry-run")
    assert found["applied"] is False
    assert set(found["changes"][0]) <= members("/api/v1/configuration", "post") | {
        "section", "key", "action", "before", "after", "rules",
    }  # fmt: skip
    assert found["changes"][0]["key"] == "dora"
    assert told("apply", str(file))["applied"] is True
    assert told("apply", str(file))["changes"] == []


def test_a_plan_and_a_drift_are_those_of_the_api(
    gatehouse: World,
    person: Callable[[str], Caller],  # noqa: F811
    tmp_path: Path,
) -> None:
    file = tmp_path / "file.yaml"
    file.write_text("users:\n  - {username: dora, role: auditor}\n")
    planned = told("plan", str(file), "--note", "Ticket 7")
    assert planned == person("administrator").get(f"plans/{planned['id']}")
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("drift", str(file), "--json", stdout=out)
    assert ended.value.code == exit_codes.DIFFERS
    assert json.loads(out.getvalue()) == {"drift": True, "changes": planned["changes"]}
    call_command("apply", str(file), stdout=StringIO())
    assert told("drift", str(file)) == {"drift": False, "changes": []}
    assert told("plan", str(file))["status"] == "unchanged"


def test_an_assertion_is_explained_for_programs(gatehouse: World, tmp_path: Path) -> None:
    (tmp_path / "assertion.jwt").write_text("no.jwt.here")
    out = StringIO()
    with pytest.raises(Exception, match="It would be refused"):
        call_command("xaa", "explain", str(tmp_path / "assertion.jwt"), "--json", stdout=out)
    found = json.loads(out.getvalue())
    assert found["accepted"] is False
    assert not found["findings"][-1]["passed"]
