"""The configuration over HTTP, item by item and whole: the same serializers, one transaction, no lost update."""

import json
from collections.abc import Callable

import pytest
import yaml
from django.test import Client as Browser

from authz.api.sections import merge
from authz.configuration import all_sections, apply, export
from authz.models import AuditEvent, Client, Generation, ProtectedResource, Rule, User
from tests.api.conftest import Caller, key, problem
from tests.support.world import NOTES, PAYROLL, SECRET, World

Person = Callable[[str], Caller]
RULE = "configuration/rules/" + key("Agents read notes")


@pytest.fixture
def alice(person: Person) -> Caller:
    return person("administrator")


EVERYTHING = {
    "trusted_issuers": {"issuer": "https://idp.example.com", "accepts": ["id-jag"]},
    "resource_authorization_servers": {"issuer": "https://auth.chat.example", "name": "Chat"},
    "users": {"username": "zoe", "password": "a-long-password-of-zoe", "groups": ["engineering"]},
    "clients": {"client_id": "made", "grant_types": ["client_credentials"], "client_secret": SECRET},
    "resources": {"identifier": "https://files.example.com/mcp", "name": "Files"},
    "rules": {
        "name": "R/1 ü",
        "effect": "deny",
        "clients": ["*"],
        "grant_types": ["*"],
        "resources": ["*"],
        "scopes": ["*"],
    },
}


@pytest.mark.parametrize("name", EVERYTHING)
def test_every_section_is_made_read_changed_and_removed(alice: Caller, name: str) -> None:
    section = {found.KEY: found for found in all_sections()}[name]
    item = EVERYTHING[name]
    natural = item[section.LOOKUP]
    path = f"configuration/{name}/{key(natural)}"
    shown = {member for member in item if member not in section.SECRET}
    before = Generation.objects.get().value

    made = alice("PUT", path, item)
    assert made.status_code == 201, made.content
    assert {member: json.loads(made.content)[member] for member in shown} == {m: item[m] for m in shown}
    assert name == "users" or Generation.objects.get().value != before
    assert json.loads(made.content) in alice.get(f"configuration/{name}")["items"]
    assert alice("GET", path)["ETag"] == made["ETag"]

    again = alice("PUT", path, item, if_match=made["ETag"])
    assert (again.status_code, again["ETag"]) == (200, made["ETag"])

    removed = alice("DELETE", path, if_match=made["ETag"])
    assert (removed.status_code, removed.content) == (204, b"")
    assert alice("GET", path).status_code == 404

    events = AuditEvent.objects.filter(event__startswith="configuration:", detail__key=natural)
    assert [(event.event.rpartition(":")[2], event.detail["by"]) for event in events.order_by("id")] == [
        ("created", "alice"),
        ("removed", "alice"),
    ]
    assert "a-long-password" not in json.dumps([event.detail for event in events])
    assert SECRET not in json.dumps([event.detail for event in events])


def test_the_one_mapping_is_read_and_written_without_a_key(alice: Caller) -> None:
    assert alice("GET", "configuration/cimd").status_code == 404
    made = alice("PUT", "configuration/cimd", {"trusted_hosts": ["*.example.com"]})
    assert made.status_code == 201

    changed = alice("PATCH", "configuration/cimd", {"registration_tokens": ["t" * 40]}, if_match=made["ETag"])

    assert changed.status_code == 200
    assert changed["ETag"] != made["ETag"]
    assert "t" * 40 not in changed.content.decode()
    assert "registration_tokens" not in json.loads(changed.content)
    assert alice("DELETE", "configuration/cimd", if_match=changed["ETag"]).status_code == 204


def test_a_change_without_a_condition_is_refused(alice: Caller) -> None:
    assert alice("PATCH", RULE, {"max_lifetime": 5}).status_code == 428
    assert alice("PUT", RULE, {}).status_code == 428
    assert alice("DELETE", RULE).status_code == 428
    assert Rule.objects.get(name="Agents read notes").definition["max_lifetime"] == 300


def test_of_two_writers_of_the_same_version_one_succeeds(alice: Caller) -> None:
    seen = alice.etag(RULE)

    assert alice("PATCH", RULE, {"max_lifetime": 60}, if_match=seen).status_code == 200
    late = alice("PATCH", RULE, {"max_lifetime": 90}, if_match=seen)

    assert late.status_code == 412
    assert problem(late)["title"] == "Changed in the meantime"
    assert Rule.objects.get(name="Agents read notes").definition["max_lifetime"] == 60


def test_what_shall_be_made_must_not_be_there(alice: Caller) -> None:
    assert alice("PUT", RULE, {}, if_none_match="*").status_code == 412
    assert alice("PUT", "configuration/users/zoe", {}, if_match='"x"').status_code == 412
    assert not User.objects.filter(username="zoe").exists()


def test_an_entity_tag_knows_a_secret_without_telling_it(alice: Caller) -> None:
    path = "configuration/clients/nightly-report"
    seen = alice.etag(path)

    response = alice("PATCH", path, {"client_secret": "another-secret-0123456789-0123456789"}, if_match=seen)

    assert response.status_code == 200
    assert response["ETag"] != seen
    row = Client.objects.get(client_id="nightly-report")
    assert row.has_secret("another-secret-0123456789-0123456789")
    assert row.secret_digest not in response.content.decode()


def test_a_patch_keeps_the_secret(alice: Caller) -> None:
    path = "configuration/clients/nightly-report"

    response = alice("PATCH", path, {"client_name": "Other"}, if_match="*")

    assert response.status_code == 200, response.content
    row = Client.objects.get(client_id="nightly-report")
    assert (row.name, row.has_secret(SECRET)) == ("Other", True)


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": [1]}, {"a": [2]}, {"a": [2]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"a": "foo"}, {"b": "c"}, {"a": "foo", "b": "c"}),
    ],
)
def test_a_merge_patch_is_that_of_rfc_7396(target: dict, patch: dict, result: dict) -> None:
    assert merge(target, patch) == result


def test_mistakes_are_reported_with_their_places(alice: Caller) -> None:
    response = alice(
        "PUT",
        "configuration/clients/x",
        {"status": "sleeping", "redirect_uris": ["https://a.example/", "http://b.example/"], "tags": "text"},
    )

    told = problem(response)
    assert (response.status_code, told["title"]) == (422, "Not valid")
    assert {error["pointer"] for error in told["errors"]} == {"#/status", "#/redirect_uris/1", "#/tags"}


@pytest.mark.parametrize("password", ["short", "elevenchars", "administrator", "", " " * 11, "1234567890"])
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_password_meets_the_validators(alice: Caller, method: str, password: str) -> None:
    path = "configuration/users/charlie"
    response = alice(method, path, {"username": "charlie", "password": password}, if_match=alice.etag(path))
    assert response.status_code == 422
    assert {error["pointer"] for error in problem(response)["errors"]} == {"#/password"}
    assert User.objects.get(username="charlie").check_password("charlie-password")


def test_a_password_that_is_set_ends_the_persons_sessions(alice: Caller) -> None:
    charlie, path = Browser(), "configuration/users/charlie"
    charlie.post("/accounts/login/", {"login": "charlie", "password": "charlie-password"})
    assert charlie.get("/account/").status_code == 200
    body = {"username": "charlie", "password": "another-long-password"}
    assert alice("PATCH", path, body, if_match=alice.etag(path)).status_code == 200
    assert charlie.get("/account/").status_code == 302


@pytest.mark.parametrize(
    ("member", "value"),
    [("secret", "x"), ("secret_digest", "0" * 64), ("registration_source", "cimd"), ("id", 1), ("is_superuser", True)],
)
def test_a_member_that_is_not_the_files_is_refused(alice: Caller, member: str, value: object) -> None:
    response = alice("PATCH", "configuration/clients/nightly-report", {member: value}, if_match="*")

    assert response.status_code == 422
    (error,) = problem(response)["errors"]
    assert error["pointer"] == f"#/{member}"
    assert error["detail"].startswith("is not a known key; ")


def test_an_item_is_not_renamed(alice: Caller) -> None:
    response = alice("PATCH", RULE, {"name": "Another"}, if_match="*")

    assert response.status_code == 422
    assert problem(response)["errors"][0]["pointer"] == "#/name"


def test_the_servers_environment_is_out_of_reach(alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_SECRET", "s" * 40)
    item = {"client_id": "thief", "grant_types": ["client_credentials"], "client_secret_env": "SOME_SECRET"}

    assert alice("PUT", "configuration/clients/thief", item).status_code == 422
    assert alice("POST", "configuration", {"clients": [item]}).status_code == 422
    assert not Client.objects.filter(client_id="thief").exists()


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"a": 1, "a": 2}', b'{"a": NaN}', b"\xef\xbb\xbf{}", b'{"a": "\\u0000"}', b"\xff"]
)
def test_a_body_that_is_no_strict_json_object_is_refused(alice: Caller, body: bytes) -> None:
    assert alice("PUT", "configuration/users/zoe", body).status_code == 400


def test_a_form_is_no_json(alice: Caller) -> None:
    assert alice("PUT", "configuration/users/zoe", b"a=b", content_type="text/plain").status_code == 415


def test_a_body_has_an_end(alice: Caller) -> None:
    response = alice("PUT", "configuration/users/zoe", {"email": "x" * 300_000})

    assert response.status_code == 413
    assert problem(response)["title"] == "Too large"


def test_naming_another_default_takes_it_from_the_first_and_records_both(alice: Caller) -> None:
    path = f"configuration/resources/{key(PAYROLL)}"

    assert alice("PATCH", path, {"default": True}, if_match="*").status_code == 200

    assert not ProtectedResource.objects.get(identifier=NOTES).is_default
    changed = AuditEvent.objects.filter(event="configuration:object:changed").values_list("detail__key", flat=True)
    assert set(changed) == {NOTES, PAYROLL}


# --- All of it --------------------------------------------------------------------------------------------------------


def test_the_export_is_that_of_the_command(alice: Caller) -> None:
    as_yaml = alice("GET", "configuration", accept="application/yaml")

    assert as_yaml["Content-Type"].startswith("application/yaml")
    assert as_yaml.content.decode() == export()
    assert alice.get("configuration") == yaml.safe_load(export())
    for secret in (SECRET, "password", Client.objects.get(client_id="nightly-report").secret_digest):
        assert secret not in as_yaml.content.decode()


def test_applying_the_export_changes_nothing(alice: Caller) -> None:
    response = alice("POST", "configuration", export().encode(), content_type="application/yaml")

    assert json.loads(response.content) == {"applied": True, "changes": []}


def test_a_dry_run_tells_and_changes_nothing(alice: Caller) -> None:
    count = AuditEvent.objects.count()

    response = alice("POST", "configuration?dry_run=true&prune=true", {"rules": []})

    answer = json.loads(response.content)
    assert answer["applied"] is False
    assert {change["action"] for change in answer["changes"]} == {"removed"}
    assert (Rule.objects.count(), AuditEvent.objects.count()) == (2, count)


def test_a_mistake_in_the_file_is_named_by_its_line_and_changes_nothing(alice: Caller) -> None:
    text = b"users:\n  - username: zoe\nrules:\n  - name: r\n    effect: perhaps\n"

    response = alice("POST", "configuration", text, content_type="application/yaml")

    assert (response.status_code, problem(response)["line"]) == (422, 5)
    assert problem(response)["errors"][0]["pointer"] == "#/rules/0/effect"
    assert not User.objects.filter(username="zoe").exists()


def test_a_file_is_not_applied_over_a_concurrent_change(alice: Caller) -> None:
    seen = alice.etag("configuration")
    apply("users: [{username: zoe}]")

    assert alice("POST", "configuration", {"rules": []}, if_match=seen).status_code == 412


def test_a_person_cannot_approve_their_own_agent_by_configuration(alice: Caller) -> None:
    mine = {"status": "approved", "owner": "alice", "grant_types": ["client_credentials"], "client_secret": SECRET}

    assert alice("PUT", "configuration/clients/mine", mine).status_code == 403
    assert alice("POST", "configuration", {"clients": [{"client_id": "mine", **mine}]}).status_code == 403
    assert not Client.objects.filter(client_id="mine").exists()
    assert alice("PUT", "configuration/clients/mine", {**mine, "owner": "bob"}).status_code == 201


def test_pages_follow_each_other_to_the_end(alice: Caller, gatehouse: World) -> None:
    seen: list[str] = []
    path = "configuration/clients?limit=3"
    while path:
        found = alice.get(path)
        seen += [item["client_id"] for item in found["items"]]
        path = f"configuration/clients?limit=3&cursor={found['next']}" if found["next"] else ""

    assert sorted(seen) == sorted(Client.objects.values_list("client_id", flat=True))
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=-1", "limit=x", "cursor=x", "cursor=WzFd", "cursor=WyJ4Il0", "offset=1",
              "limit=1&limit=2", "limit=" + "9" * 40],
)  # fmt: skip
def test_a_page_that_cannot_be_meant_is_refused(alice: Caller, query: str) -> None:
    assert alice("GET", f"configuration/clients?{query}").status_code == 400
    assert alice("GET", f"audit_events?{query}").status_code == 400


def test_a_program_gone_wild_is_slowed_down(alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("authz.api.framework.view.READS", "3/m")

    statuses = [alice("GET", "me").status_code for _ in range(4)]

    assert statuses == [200, 200, 200, 429]
    assert int(alice("GET", "me")["Retry-After"]) > 0
    assert alice("PUT", "configuration/users/zoe", {}).status_code == 201
