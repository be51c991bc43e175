"""Lists, versions, bulk and the rest of HTTP, as tables: other spellings of one request, and what is refused."""

import json
from typing import Any

import pytest
from django.test import Client

from tests.xaa.company import Company
from tests.xaa.directories import GROUP, PATCH, USER, Scim, configure, user_of
from xaa.models import DirectoryGroup
from xaa.scim.schemas import ENTERPRISE

BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"


@pytest.fixture
def okta(company: Company) -> Scim:
    configure()
    return Scim("Okta")


PAGES = {
    "count=2": (["a", "b"], 5, 1),
    "startIndex=5&count=2": (["e"], 5, 5),
    "startIndex=6&count=2": ([], 5, 6),
    "startIndex=99999999999999999999&count=2": ([], 5, 2_000_000_000),
    "startIndex=0&count=1": (["a"], 5, 1),
    "startIndex=-7&count=1": (["a"], 5, 1),
    "count=0": ([], 5, 1),
    "count=-1": ([], 5, 1),
    "count=100000": (["a", "b", "c", "d", "e"], 5, 1),
    'filter=userName gt "b"&startIndex=2&count=1': (["d"], 3, 2),
    'filter=userName gt "b"&startIndex=9': ([], 3, 9),
    'filter=userName gt "b"&count=0': ([], 3, 1),
    "sortBy=userName&sortOrder=descending&count=2": (["e", "d"], 5, 1),
    "sortBy=USERNAME&sortOrder=ASCENDING&count=1": (["a"], 5, 1),
    f"sortBy={USER}:userName&count=1": (["a"], 5, 1),
    # Without a value: last when ascending, first when descending (RFC 7644 §3.4.2.3).
    "sortBy=displayName&count=2": (["c", "a"], 5, 1),
    "sortBy=displayName&sortOrder=descending&startIndex=5": (["c"], 5, 5),
    "sortBy=emails&count=1": (["d"], 5, 1),
    "sortBy=emails.value&count=1": (["d"], 5, 1),
    "sortBy=name.familyName&count=1": (["e"], 5, 1),
    "sortBy=nothing&count=1": (["a"], 5, 1),
    "filter=&count=1": (["a"], 5, 1),
    "cursor=x&unknown=y&count=1": (["a"], 5, 1),
}


def test_pages(okta: Scim) -> None:
    more: dict[str, dict[str, Any]] = {
        "c": {"displayName": "Cy"},
        "d": {"emails": [{"value": "z@x.example"}, {"value": "a@x.example", "primary": True}]},
        "e": {"name": {"familyName": "Eve"}},
    }
    for name in "abcde":
        okta.person(name, **more.get(name, {}))
    for query, (names, total, start) in PAGES.items():
        found = okta.ask("GET", f"/Users?{query}").body
        assert [one["userName"] for one in found["Resources"]] == names, query
        assert (found["totalResults"], found["itemsPerPage"], found["startIndex"]) == (total, len(names), start), query
    whole = okta.ask("GET", "/?count=2&startIndex=5").body
    assert [one["userName"] for one in whole["Resources"]] == ["e"]


ALWAYS = {"schemas", "id", "userName"}
CHOICES: dict[str, set[str]] = {
    "attributes=DISPLAYNAME": {"displayName"},
    f"attributes={USER}:displayName,{ENTERPRISE}:department": {"displayName", ENTERPRISE},
    f"attributes={ENTERPRISE}": {ENTERPRISE},
    'attributes=emails[type eq "work"]': {"emails"},
    "attributes=nothing,urn:x:y": set(),
    "attributes=meta.version": {"meta"},
    "excludedAttributes=id,userName,schemas,meta,emails,name": {"externalId", "displayName", "active", ENTERPRISE},
    f"excludedAttributes=meta,name,{ENTERPRISE},urn:x:y": {"externalId", "displayName", "active", "emails"},
}


def test_choices_of_attributes(okta: Scim) -> None:
    made = okta.person(
        "ann", displayName="A", name={"givenName": "A"}, emails=["a@x.example"], **{ENTERPRISE: {"department": "d"}}
    )
    for query, names in CHOICES.items():
        for found in (
            okta.ask("GET", f"/Users?{query}").body["Resources"][0],
            okta.ask("GET", f"/Users/{made['id']}?{query}").body,
        ):
            assert set(found) == ALWAYS | names, query


REFUSED = {
    ("GET", "/Users?count=x"): 400,
    ("GET", "/Users?startIndex=1.5"): 400,
    ("GET", "/Users?sortOrder=up"): 400,
    ("GET", "/Users?attributes=userName&excludedAttributes=meta"): 400,
    ("GET", "/Users?filter=id pr&filter=id pr"): 400,
    ("GET", "/Users?filter=userName"): 400,
    ("GET", '/Users?filter=emails[type eq "work"].value'): 400,
    ("GET", "/users"): 404,
    ("GET", "/Users/1/2"): 404,
    ("GET", "/Schemas/urn:x"): 404,
    ("GET", "/ResourceTypes/Device"): 404,
    ("GET", "/Bulk"): 404,
    ("GET", "/Users/.search"): 404,
    ("GET", "/Schemas?filter=id pr"): 403,
    ("PUT", "/Users"): 405,
    ("POST", "/Users/1"): 405,
    ("POST", "/Schemas"): 405,
    ("POST", "/Me"): 501,
}


def test_what_is_refused(okta: Scim) -> None:
    for (method, path), status in REFUSED.items():
        found = okta.ask(method, path, {"schemas": [USER]} if method != "GET" else None)
        assert (found.status, found.body["status"]) == (status, str(status)), (method, path)


def test_media_types(okta: Scim) -> None:
    """> Service providers […] SHOULD support […] "application/json" (RFC 7644 §8.1)"""
    for number, (media, status) in enumerate(
        {
            "application/scim+json": 201,
            "application/json": 201,
            "Application/SCIM+JSON; charset=utf-8": 201,
            "application/json;charset=UTF-8": 201,
            "text/plain": 415,
            "application/x-www-form-urlencoded": 415,
            "application/xml": 415,
        }.items()
    ):
        body = json.dumps({"schemas": [USER], "userName": f"p{number}", "externalId": f"p{number}"})
        headers = {"authorization": f"Bearer {okta.token}", "accept": "application/json"}
        found: Any = Client().generic("POST", "/o/scim/v2/Users", body, content_type=media, headers=headers)
        assert (found.status_code, found.headers["Content-Type"]) == (status, "application/scim+json"), media


def test_versions(okta: Scim) -> None:
    path = f"/Users/{okta.person('ann')['id']}"
    tag = okta.ask("GET", path).headers["ETag"]
    other = 'W/"99"'
    assert okta.ask("GET", path, **{"If-None-Match": f"{other}, {tag}"}).status == 304
    assert okta.ask("GET", path, **{"If-None-Match": "*"}).status == 304
    assert okta.ask("GET", path, **{"If-None-Match": other}).status == 200
    whole = okta.ask("GET", path).body
    assert okta.ask("PUT", path, {**whole, "displayName": "x"}, **{"If-Match": other}).status == 412
    assert "displayName" not in okta.ask("GET", path).body
    for header in (tag, tag.removeprefix("W/"), f"{other}, {tag}", "*"):
        assert okta.ask("PUT", path, whole, **{"If-Match": header}).status == 200, header
    assert okta.ask("DELETE", path, **{"If-Match": other}).status == 412
    assert okta.ask("DELETE", path, **{"If-Match": tag}).status == 204
    assert okta.ask("DELETE", path, **{"If-Match": tag}).status == 404


def test_read_only_members_of_a_put_are_passed_over(okta: Scim) -> None:
    """> Any values provided SHALL be ignored (RFC 7644 §3.5.1, readOnly)"""
    ann = okta.person("ann")
    group = okta.group("engineering", ann["id"])
    given = {**ann, "id": "other", "meta": {"version": 'W/"9"'}, "groups": [], "schemas": [USER], "displayName": "A"}
    put = okta.ask("PUT", f"/Users/{ann['id']}", given)
    assert (put.status, put.body["id"], put.body["meta"]["version"]) == (200, ann["id"], 'W/"2"')
    assert [one["value"] for one in put.body["groups"]] == [group["id"]]


def operation(method: str, path: str, name: str = "", **more: Any) -> dict[str, Any]:
    return {"method": method, "path": path, **({"bulkId": name} if name else {}), **more}


def new(name: str, path: str = "/Users", **more: Any) -> dict[str, Any]:
    data = {"schemas": [USER, GROUP], "userName": name, "externalId": name, "displayName": name, **more}
    return operation("POST", path, name, data=data)


class TestBulk:
    def ask(self, okta: Scim, *operations: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
        found = okta.ask("POST", "/Bulk", {"schemas": [BULK], "Operations": list(operations), **more})
        assert found.status == 200, found.body
        return found.body["Operations"]  # type: ignore[no-any-return]

    def test_what_is_made_later_is_made_first(self, okta: Scim) -> None:
        """Attack on the order: a group comes before its members, who come last."""
        members = [{"value": "bulkId:ann"}, {"value": "bulkId:ben"}]
        change = {
            "schemas": [PATCH],
            "Operations": [{"op": "add", "path": "members", "value": [{"value": "bulkId:cy"}]}],
        }
        done = self.ask(
            okta,
            operation("PATCH", "/Groups/bulkId:engineering", data=change),
            new("engineering", "/Groups", members=members),
            *(new(name) for name in ("ann", "ben", "cy")),
        )
        assert [one["status"] for one in done] == ["200", "201", "201", "201", "201"]
        assert [one.get("bulkId") for one in done] == [None, "engineering", "ann", "ben", "cy"]
        assert DirectoryGroup.objects.get().members.count() == 3

    def test_names_in_a_circle_and_names_of_nothing(self, okta: Scim) -> None:
        done = self.ask(
            okta,
            new("one", "/Groups", members=[{"value": "bulkId:two"}]),
            new("two", "/Groups", members=[{"value": "bulkId:one"}]),
            new("three", "/Groups", members=[{"value": "bulkId:nothing"}]),
            new("four", "/Groups", members=[{"value": "bulkId:four"}]),
            new("ann"),
        )
        assert [one["status"] for one in done] == ["409", "409", "409", "409", "201"]

    def test_all_methods_on_what_was_made(self, okta: Scim) -> None:
        whole = {"schemas": [USER], "userName": "ann", "externalId": "ann"}
        change = {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "active", "value": False}]}
        done = self.ask(
            okta,
            {**new("ann"), "method": "post"},
            operation("PUT", "/Users/bulkId:ann", data=whole, version='W/"1"'),
            operation("PATCH", "/Users/bulkId:ann", data=change, version='W/"1"'),
            operation("PATCH", "/Users/bulkId:ann", data=change),
            operation("DELETE", "/Users/bulkId:ann"),
            operation("DELETE", "/Users/bulkId:ann"),
            operation("GET", "/Users"),
            operation("POST", "/Users", data=whole),
            operation("POST", "/Nothing", "n", data=whole),
        )
        assert [one["status"] for one in done] == ["201", "200", "412", "200", "204", "404", "400", "400", "400"]
        assert done[0]["location"].endswith(done[1]["location"].rpartition("/")[2])

    def test_it_stops_at_so_many_failures(self, okta: Scim) -> None:
        wrong = operation("DELETE", "/Users/x")
        done = self.ask(okta, wrong, new("ann"), wrong, wrong, new("ben"), failOnErrors=2)
        assert [one["status"] for one in done] == ["404", "201", "404"]
        assert okta.ask("GET", "/Users").body["totalResults"] == 1
        for number in (0, -1, True, "2"):
            refused = okta.ask("POST", "/Bulk", {"schemas": [BULK], "Operations": [], "failOnErrors": number})
            assert refused.status == 400


def test_a_patch_of_nothing_changes_nothing(okta: Scim) -> None:
    ann = okta.person("ann")
    assert okta.patch(f"/Users/{ann['id']}").body == ann
    wrong: list[dict[str, Any]] = [{}, {"schemas": [PATCH]}, {"schemas": [USER], "Operations": []}, {"Operations": []}]
    for body in wrong:
        assert okta.ask("PATCH", f"/Users/{ann['id']}", body).status == 400
    for schemas in ({"schemas": [PATCH.upper()]}, {"Schemas": [PATCH]}):
        given = {**schemas, "operations": [{"op": "replace", "path": "active", "value": "false"}]}
        assert okta.ask("PATCH", f"/Users/{ann['id']}", given).status == 200
    assert not user_of(ann).is_active


def test_deleted_twice(okta: Scim) -> None:
    ann = okta.person("ann")
    group = okta.group("engineering", ann["id"])
    for path in (f"/Users/{ann['id']}", f"/Groups/{group['id']}"):
        assert [okta.ask("DELETE", path).status for _ in range(2)] == [204, 404]
        assert okta.patch(path, {"op": "replace", "path": "active", "value": True}).status == 404
