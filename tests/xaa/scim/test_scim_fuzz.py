"""What directories may send over HTTP, and what none should: each answer is SCIM's, and none is a 5xx."""

import json
import random
from typing import Any

import pytest

from tests.xaa.company import Company
from tests.xaa.directories import GROUP, PATCH, USER, Scim, configure

ROUNDS = 120
NASTY = [
    "",
    " ",
    "\0",
    "\ud800",
    "\u202e",
    "é" * 300,
    "9" * 400,
    "-0",
    "1e999",
    "'",
    '"',
    "\\",
    "%00",
    "[",
    ")",
    "null",
]
WORDS = [
    "userName", "emails", "emails.value", "name.familyName", "meta.lastModified", "members", "active", "id", "urn:x:y",
    "$ref", USER, f"{USER}:userName", "eq", "ne", "co", "sw", "pr", "gt", "le", "and", "or", "not", "(", ")", "[", "]",
    '"ann"', '""', "true", "null", "12", "2026-01-01T00:00:00Z", '"\\ud800"',
]  # fmt: skip
VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    1e300,
    10**30,
    "",
    "x",
    [],
    {},
    [[]],
    [None],
    {"value": None},
    [{"value": {}}],
    {"a": {"b": []}},
]


def text(chance: random.Random) -> str:
    return " ".join(chance.choice([*WORDS, *NASTY]) for _ in range(chance.randint(0, 9)))


def value(chance: random.Random) -> Any:
    plain = chance.choice([*VALUES, *NASTY])
    return chance.choice([plain, [plain] * chance.randint(1, 4), {chance.choice(WORDS): plain}])


def operation(chance: random.Random) -> Any:
    found = {
        "op": chance.choice(["add", "Replace", "remove", "move", None, 7]),
        "path": chance.choice([text(chance), chance.choice(WORDS), None, 5]),
        "value": value(chance),
    }
    return chance.choice([found, {name: found[name] for name in chance.sample(sorted(found), 2)}, value(chance)])


@pytest.fixture
def okta(company: Company) -> Scim:
    configure()
    return Scim("Okta")


def is_well(found: Any) -> bool:
    return found.status < 400 or (found.status < 500 and found.body["status"] == str(found.status))


def test_no_filter_is_a_5xx(okta: Scim) -> None:
    okta.person("ann")
    chance = random.Random(51)
    for _ in range(ROUNDS):
        asked = {
            "filter": text(chance),
            "sortBy": chance.choice(WORDS),
            "count": chance.choice([0, 1, "-1", "x", 10**30]),
        }
        found = okta.ask("POST", "/.search", {"schemas": [SEARCH], **asked})
        assert is_well(found), asked


SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"


@pytest.mark.parametrize("kind", ["Users", "Groups"])
def test_no_patch_is_a_5xx(okta: Scim, kind: str) -> None:
    ann = okta.person("ann")
    path = f"/Users/{ann['id']}" if kind == "Users" else f"/Groups/{okta.group('engineering', ann['id'])['id']}"
    chance = random.Random(kind)
    for _ in range(ROUNDS):
        operations = [operation(chance) for _ in range(chance.randint(0, 3))]
        found = okta.ask("PATCH", path, {"schemas": [PATCH], "Operations": operations})
        assert is_well(found), operations
    assert okta.ask("GET", path).status == 200


@pytest.mark.parametrize("schema", [USER, GROUP])
def test_no_resource_is_a_5xx(okta: Scim, schema: str) -> None:
    chance = random.Random(schema)
    path = "/Users" if schema == USER else "/Groups"
    for _ in range(ROUNDS):
        body = {
            chance.choice([*WORDS, "displayName", "externalId"]): value(chance) for _ in range(chance.randint(0, 5))
        }
        found = okta.ask(
            "POST", path, {"schemas": [schema], "userName": text(chance) or "x", "displayName": "y", **body}
        )
        assert is_well(found), body


@pytest.mark.parametrize(
    "body", ["", "[]", "null", "{", '{"schemas": 1}', '{"a": ' * 2000, "\ufeff{}", '{"a":1,"a":2}', "NaN"]
)
def test_no_body_is_a_5xx(okta: Scim, body: str) -> None:
    for method, path in (("POST", "/Users"), ("POST", "/Bulk"), ("POST", "/.search"), ("POST", "/Groups")):
        answer: Any = okta.browser.generic(
            method, f"/o/scim/v2{path}", body, content_type="application/scim+json",
            headers={"authorization": f"Bearer {okta.token}"},
        )  # fmt: skip
        assert 400 <= answer.status_code < 500
        assert json.loads(answer.content)["status"] == str(answer.status_code)
