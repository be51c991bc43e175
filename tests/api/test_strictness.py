"""What schemathesis found (tests/interop/test_schemathesis.py): values of another type or shape are refused."""

import json
from collections.abc import Callable

import pytest

from tests.api.conftest import Caller, problem

pytestmark = pytest.mark.any_database
Person = Callable[[str], Caller]


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("configuration/cimd", {"registration": 0}, "#/registration"),
        ("configuration/users/zoe", {"active": "yes"}, "#/active"),
        ("configuration/users/zoe", {"email": 5}, "#/email"),
        ("configuration/users/zoe", {"groups": [7]}, "#/groups/0"),
        (
            "configuration/resources/https%3A%2F%2Fa.example",
            {"access_token_lifetime": "600"},
            "#/access_token_lifetime",
        ),
        ("configuration/resources/https%3A%2F%2Fa.example", {"scopes": [{"name": 1}]}, "#/scopes/0/name"),
    ],
)
def test_a_value_of_another_json_type_is_refused(person: Person, path: str, body: object, pointer: str) -> None:
    refused = person("administrator")("PUT", path, body)
    assert (refused.status_code, [error["pointer"] for error in problem(refused)["errors"]]) == (422, [pointer])


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("access_requests?status=AAA", 422),
        ("agents?status=AAA", 422),
        ("audit_events?until=", 422),
        ("audit_events?since=yesterday", 422),
        ("authorizations?live=AAA", 400),
        ("policy/history?rule=-1", 400),
        ("plans?status=expired", 422),
        ("agents?owner=%00", 400),
    ],
)
def test_a_parameter_of_another_shape_is_refused(person: Person, query: str, status: int) -> None:
    refused = person("administrator")("GET", query)
    assert (refused.status_code, problem(refused)["status"]) == (status, status)


def test_an_address_with_a_line_break_is_a_problem_and_no_page(person: Person) -> None:
    missing = person("administrator")("GET", "configuration/users/a%0Ab")
    assert (missing.status_code, problem(missing)["title"]) == (404, "Not found")


def test_a_member_without_a_name_is_named_as_one(person: Person) -> None:
    refused = person("administrator")("PUT", "configuration/users/zoe", {"": 1})
    assert json.loads(refused.content)["errors"][0]["pointer"] == "#/"
    assert "the file" not in problem(refused)["detail"]
