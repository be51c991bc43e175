"""SCIM 2.0: people and groups of a directory (RFC 7643, RFC 7644)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from authz.models import AuditEvent, User
from authz.sign_in import memberships
from tests.xaa.company import IDP, Company
from tests.xaa.directories import GROUP, USER, Scim, configure, user_of
from xaa.models import Directory, DirectoryContact, DirectoryPerson, DirectoryToken, SubjectLink
from xaa.scim import tokens
from xaa.scim.schemas import ENTERPRISE


@pytest.fixture
def okta(company: Company) -> Iterator[Scim]:
    configure()
    yield Scim("Okta")


def replace(path: str, value: Any, op: str = "replace") -> dict[str, Any]:
    return {"op": op, "path": path, "value": value}


class TestPeople:
    def test_one_is_created_read_changed_and_deleted(self, okta: Scim) -> None:
        made = okta.ask(
            "POST",
            "/Users",
            {
                "schemas": [USER, ENTERPRISE],
                "userName": "ann@acme.example",
                "externalId": "00u1",
                "name": {"givenName": "Ann", "familyName": "Lee"},
                "emails": [{"value": "ann@acme.example", "type": "work", "primary": True}],
                "active": True,
                ENTERPRISE: {"department": "Sales"},
            },
        )
        assert made.status == 201
        assert made.headers["Location"] == made.body["meta"]["location"]
        assert made.headers["ETag"] == made.body["meta"]["version"] == 'W/"1"'
        assert made.body[ENTERPRISE] == {"department": "Sales"}
        user = user_of(made.body)
        assert user.username.startswith("ann-")
        assert not user.has_usable_password()
        assert (user.first_name, user.last_name) == ("Ann", "Lee")
        assert SubjectLink.objects.get(user=user).subject == "00u1"
        path = f"/Users/{made.body['id']}"
        assert okta.ask("GET", path).body == made.body
        whole = {"schemas": [USER], "userName": "ann@acme.example", "externalId": "00u1", "displayName": "Ann L."}
        put = okta.ask("PUT", path, whole)
        assert put.status == 200
        assert put.body["displayName"] == "Ann L."
        assert "name" not in put.body
        assert put.body["meta"]["version"] == 'W/"2"'
        assert okta.ask("DELETE", path).status == 204
        assert okta.ask("GET", path).status == 404
        user.refresh_from_db()
        assert not user.is_active
        events = [one.event for one in AuditEvent.objects.filter(event__startswith="directory:person").order_by("id")]
        assert events == ["directory:person:created", "directory:person:changed", "directory:person:removed"]

    def test_who_comes_back_is_the_same_person(self, okta: Scim) -> None:
        first = okta.person("ann@acme.example")
        user = user_of(first)
        okta.ask("DELETE", f"/Users/{first['id']}")
        again = okta.person("ann@acme.example")
        assert again["id"] != first["id"]
        assert user_of(again).pk == user.pk
        user.refresh_from_db()
        assert user.is_active
        assert User.objects.filter(username__startswith="ann-").count() == 1

    def test_the_same_in_a_directory_without_an_issuer(self, okta: Scim) -> None:
        own = Scim("Own")
        first = own.person("ann@acme.example", emails=[{"value": "ann@acme.example"}])
        assert user_of(first).email == "ann@acme.example"
        own.ask("DELETE", f"/Users/{first['id']}")
        again = own.person("ann@acme.example")
        assert user_of(again).is_active

    def test_a_person_that_the_issuer_signed_in_is_found(self, okta: Scim) -> None:
        bob = User.objects.get(username="bob")
        SubjectLink.objects.filter(user=bob, issuer__issuer=IDP).delete()
        SubjectLink.objects.create(issuer=okta.directory.issuer, subject="00u-bob", user=bob)
        made = okta.person("bob", externalId="00u-bob")
        assert user_of(made).pk == bob.pk

    def test_nothing_changed_is_no_new_version(self, okta: Scim) -> None:
        made = okta.person()
        again = okta.patch(f"/Users/{made['id']}", replace("userName", "ann@acme.example"))
        assert again.body == made

    @pytest.mark.parametrize("body", [{"userName": ""}, {"userName": None}, {"userName": 5}, {"active": "perhaps"}])
    def test_wrong_values_are_refused(self, okta: Scim, body: dict[str, Any]) -> None:
        found = okta.ask("POST", "/Users", {"schemas": [USER], "userName": "x", "externalId": "x", **body})
        assert (found.status, found.body["scimType"]) == (400, "invalidValue")

    def test_a_name_twice_is_refused(self, okta: Scim) -> None:
        okta.person("ann")
        found = okta.ask("POST", "/Users", {"schemas": [USER], "userName": "ANN", "externalId": "other"})
        assert (found.status, found.body["scimType"]) == (409, "uniqueness")
        assert found.body["status"] == "409"
        assert User.objects.filter(username__istartswith="ann-").count() == 1


class TestVersions:
    def test_a_stale_change_is_refused(self, okta: Scim) -> None:
        made = okta.person()
        path = f"/Users/{made['id']}"
        assert okta.patch(path, replace("displayName", "A"), **{"If-Match": 'W/"1"'}).status == 200
        assert okta.patch(path, replace("displayName", "B"), **{"If-Match": 'W/"1"'}).status == 412
        assert okta.ask("DELETE", path, **{"If-Match": 'W/"1"'}).status == 412
        assert okta.ask("GET", path, **{"If-None-Match": 'W/"2"'}).status == 304


class TestGroups:
    def test_members_are_in_the_group_here(self, okta: Scim) -> None:
        ann, ben = okta.person("ann"), okta.person("ben")
        group = okta.group("engineering", ann["id"])
        assert [one["value"] for one in group["members"]] == [ann["id"]]
        assert [one.name for one in user_of(ann).groups.all()] == ["engineering"]
        path = f"/Groups/{group['id']}"
        okta.patch(path, {"op": "add", "path": "members", "value": [{"value": ben["id"]}]})
        okta.patch(path, {"op": "remove", "path": f'members[value eq "{ann["id"]}"]'})
        assert not user_of(ann).groups.exists()
        assert [one.name for one in user_of(ben).groups.all()] == ["engineering"]
        shown = okta.ask("GET", f"/Users/{ben['id']}").body["groups"]
        assert [(one["value"], one["display"]) for one in shown] == [(group["id"], "engineering")]
        assert okta.patch(path, replace("displayName", "elsewhere")).status == 204
        assert not user_of(ben).groups.exists()
        okta.patch(path, replace("displayName", "okta-sales"))
        assert [one.name for one in user_of(ben).groups.all()] == ["okta-sales"]
        assert okta.ask("DELETE", path).status == 204
        assert not user_of(ben).groups.exists()

    def test_groups_that_are_given_here_stay(self, okta: Scim) -> None:
        ann = okta.person("ann")
        user = user_of(ann)
        memberships.set_own(user, ["engineering"])
        group = okta.group("engineering", ann["id"])
        okta.ask("DELETE", f"/Groups/{group['id']}")
        assert memberships.own(User.objects.get(pk=user.pk)) == {"engineering"}

    def test_what_is_given_here_no_more_stays_by_the_directory(self, okta: Scim) -> None:
        ann = okta.person("ann")
        user = user_of(ann)
        memberships.set_own(user, ["engineering", "sales"])
        okta.group("engineering", ann["id"])
        memberships.set_own(User.objects.get(pk=user.pk), [])
        user = User.objects.get(pk=user.pk)
        assert [one.name for one in user.groups.all()] == ["engineering"]
        assert memberships.own(user) == frozenset()

    def test_groups_end_with_the_directory(self, okta: Scim) -> None:
        ann = okta.person("ann")
        user = user_of(ann)
        okta.group("engineering", ann["id"])
        Directory.objects.get(name="Okta").delete()
        assert not user.groups.exists()

    def test_other_groups_count_once_they_are_named(self, okta: Scim) -> None:
        ann = okta.person("ann")
        okta.group("sales", ann["id"])
        assert not user_of(ann).groups.exists()
        directory = Directory.objects.get(name="Okta")
        directory.groups = ["sales"]
        directory.save()
        assert [one.name for one in user_of(ann).groups.all()] == ["sales"]


class TestQueries:
    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ('userName eq "ANN"', ["ann"]),
            ('externalId eq "00u-ben"', ["ben"]),
            ('externalId eq "00U-BEN"', []),
            ('userName sw "a" or userName ew "n"', ["ann", "ben"]),
            ('userName co "n" and not (userName eq "ann")', ["ben"]),
            ('emails[type eq "work" and value co "@ann"]', ["ann"]),
            ('emails co "@ann"', ["ann"]),
            ("displayName pr", ["cy"]),
            ("active eq true", ["ann", "ben", "cy"]),
            ('active eq "False"', []),
            ('urn:ietf:params:scim:schemas:core:2.0:User:userName eq "cy"', ["cy"]),
            ('meta.created gt "2020-01-01T00:00:00Z"', ["ann", "ben", "cy"]),
            ('id eq "no-uuid"', []),
            ('nothing eq "x"', []),
        ],
    )
    def test_filters(self, okta: Scim, text: str, names: list[str]) -> None:
        okta.person("ann", emails=[{"value": "x@ann.example", "type": "work"}, {"value": "y@b.example"}])
        okta.person("ben")
        okta.person("cy", displayName="Cy")
        found = okta.ask("GET", f"/Users?filter={text}")
        assert found.status == 200, found.body
        assert [one["userName"] for one in found.body["Resources"]] == names
        assert found.body["totalResults"] == len(names)

    @pytest.mark.parametrize(
        "text",
        [
            *("userName", "userName eq", "eq", "(", 'userName eq "a" and', 'userName xx "a"', 'userName eq "a" )'),
            *("active gt true", "userName co 5", "a" * 3000, "(" * 60 + 'userName eq "a"' + ")" * 60),
            *('emails[type eq "work"', 'userName eq "\\ud800"', " or ".join(['userName eq "a"'] * 60)),
        ],
    )
    def test_wrong_filters(self, okta: Scim, text: str) -> None:
        found = okta.ask("POST", "/Users/.search", {"schemas": [SEARCH], "filter": text})
        assert (found.status, found.body.get("scimType")) == (400, "invalidFilter")

    def test_pages(self, okta: Scim) -> None:
        for name in "abcde":
            okta.person(name)
        found = okta.ask("GET", "/Users?startIndex=2&count=2").body
        assert [one["userName"] for one in found["Resources"]] == ["b", "c"]
        assert (found["totalResults"], found["itemsPerPage"], found["startIndex"]) == (5, 2, 2)
        assert okta.ask("GET", "/Users?count=0").body["totalResults"] == 5
        assert okta.ask("GET", "/Users?startIndex=-3&count=-1").body["Resources"] == []
        ordered = okta.ask("GET", "/Users?sortBy=userName&sortOrder=descending&count=2").body
        assert [one["userName"] for one in ordered["Resources"]] == ["e", "d"]

    def test_choice_of_attributes(self, okta: Scim) -> None:
        okta.person("ann", name={"givenName": "Ann", "familyName": "Lee"})
        (only,) = okta.ask("GET", "/Users?attributes=name.givenName").body["Resources"]
        assert set(only) == {"schemas", "id", "userName", "name"}
        assert only["name"] == {"givenName": "Ann"}
        (less,) = okta.ask("GET", "/Users?excludedAttributes=name,userName,meta").body["Resources"]
        assert set(less) == {"schemas", "id", "userName", "externalId", "active"}

    def test_one_list_of_all(self, okta: Scim) -> None:
        ann = okta.person("ann")
        okta.group("engineering", ann["id"])
        found = okta.ask("POST", "/.search", {"schemas": [SEARCH], "count": 1, "startIndex": 2}).body
        assert found["totalResults"] == 2
        assert [one["displayName"] for one in found["Resources"]] == ["engineering"]


SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"


class TestBulk:
    def test_a_group_of_new_people(self, okta: Scim) -> None:
        found = okta.ask(
            "POST",
            "/Bulk",
            {
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
                "Operations": [
                    {
                        "method": "POST",
                        "path": "/Users",
                        "bulkId": "ann",
                        "data": {"schemas": [USER], "userName": "ann", "externalId": "1"},
                    },
                    {
                        "method": "POST",
                        "path": "/Groups",
                        "bulkId": "g",
                        "data": {
                            "schemas": [GROUP],
                            "displayName": "engineering",
                            "members": [{"value": "bulkId:ann"}],
                        },
                    },
                    {"method": "DELETE", "path": "/Users/bulkId:unknown"},
                ],
            },
        )
        assert found.status == 200
        assert [one["status"] for one in found.body["Operations"]] == ["201", "201", "409"]
        assert [one.name for one in DirectoryPerson.objects.get().user.groups.all()] == ["engineering"]


class TestTokens:
    @pytest.mark.parametrize("what", ["none", "wrong", "expired", "withdrawn", "off", "issuer off"])
    def test_a_token_that_is_not_good(self, okta: Scim, what: str) -> None:
        now = datetime.now(UTC)
        row = DirectoryToken.objects.get()
        if what == "wrong":
            okta.token = tokens.PREFIX + "x" * 43
        elif what == "none":
            okta.token = ""
        elif what == "expired":
            DirectoryToken.objects.update(expires=now - timedelta(seconds=1))
        elif what == "withdrawn":
            assert tokens.withdraw(row, by="test", now=now)
        elif what == "off":
            Directory.objects.filter(name="Okta").update(enabled=False)
        else:
            issuer = okta.directory.issuer
            assert issuer is not None
            issuer.enabled = False
            issuer.save()
        found = okta.ask("GET", "/Users")
        assert found.status == 401
        assert found.body["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
        assert found.headers["WWW-Authenticate"].startswith('Bearer realm="scim"')
        assert AuditEvent.objects.filter(event="directory:request:refused").exists()

    def test_it_is_kept_as_a_digest(self, okta: Scim) -> None:
        assert okta.token not in str(list(DirectoryToken.objects.values()))


def test_contact_and_last_error_are_known(okta: Scim) -> None:
    okta.person()
    assert okta.ask("GET", "/Users?filter=x").status == 400
    contact = DirectoryContact.objects.get()
    assert contact.last is not None
    assert contact.failure == "400 A name is missing."


@pytest.mark.parametrize("path", ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas", "/ResourceTypes/User"])
def test_what_the_server_says_of_itself(okta: Scim, path: str) -> None:
    assert okta.ask("GET", path).status == 200
    assert okta.ask("GET", f"{path}?filter=x").status == 403


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/Nothing", 404),
        ("GET", "/Users/x", 404),
        ("GET", "/Users/0b3c8f6e-0000-4000-8000-000000000000", 404),
        ("DELETE", "/Users", 405),
        ("PUT", "/ServiceProviderConfig", 405),
        ("GET", "/Me", 501),
        ("PATCH", "/Me", 501),
        ("TRACE", "/Users", 405),
    ],
)
def test_what_is_not_there(okta: Scim, method: str, path: str, status: int) -> None:
    found = okta.ask(method, path)
    assert found.status == status
    assert found.body["status"] == str(status)
