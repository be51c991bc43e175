"""Provisioning as clients of SCIM do it: their requests one after the other, in our words.

Sources, read in December 2026. Okta: “SCIM 2.0 protocol reference” (okta/okta-developer-docs) and the requests of its
specification test, Okta-SCIM-20-SPEC-Test. Entra ID: “Develop and plan provisioning for a SCIM endpoint” and “Known
issues and resolutions with SCIM 2.0 protocol compliance” (MicrosoftDocs/entra-docs), and the collection of requests of
AzureAD/SCIMReferenceCode. authentik: authentik/providers/scim/clients (goauthentik/authentik). Keycloak: the client of
mitodl/keycloak-scim.
"""

from typing import Any

import pytest

from authz.configuration import apply
from tests.xaa.company import Company
from tests.xaa.directories import GROUP, PATCH, USER, Scim, configure, user_of

ADSCIM = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


@pytest.fixture
def okta(company: Company) -> Scim:
    configure()
    return Scim("Okta")


def groups_of(resource: dict[str, Any]) -> list[str]:
    return sorted(one.name for one in user_of(resource).groups.all())


def test_okta_tests_the_endpoint(okta: Scim) -> None:
    """The twelve requests of its specification test, and what it asserts of the answers."""
    first = okta.person("first@acme.example", name={"givenName": "F", "familyName": "First"}, emails=["f@acme.example"])
    listed = okta.ask("GET", "/Users?count=1&startIndex=1").body
    assert listed["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:ListResponse"]
    assert [type(listed[name]) for name in ("itemsPerPage", "startIndex", "totalResults")] == [int, int, int]
    (one,) = listed["Resources"]
    assert all(one[name] for name in ("id", "userName", "active"))
    assert one["name"]["familyName"] and one["name"]["givenName"] and one["emails"][0]["value"]
    assert okta.ask("GET", f"/Users/{first['id']}").body["id"] == first["id"]
    for name in ("abcdefgh@atko.com", "ABCDEFGH@ATKO.COM"):
        found = okta.ask("GET", f'/Users?filter=userName eq "{name}"')
        assert (found.status, found.body["totalResults"]) == (200, 0)
    missing = okta.ask("GET", "/Users/010101001010101011001010101011")
    assert (missing.status, missing.body["schemas"]) == (404, ["urn:ietf:params:scim:api:messages:2.0:Error"])
    assert missing.body["detail"]
    body = {
        "schemas": [USER],
        "userName": "Runscope300Abc@atko.com",
        "externalId": "00u300",
        "name": {"givenName": "Runscope300", "familyName": "Abc"},
        "emails": [{"primary": True, "value": "runscope300@atko.com", "type": "work"}],
        "displayName": "Runscope300 Abc",
        "active": True,
    }
    made = okta.ask("POST", "/Users", body)
    assert made.status == 201
    assert {name: made.body[name] for name in body} == body
    assert okta.ask("GET", f"/Users/{made.body['id']}").body == made.body
    assert okta.ask("POST", "/Users", body).status == 409
    assert okta.ask("GET", f'/Users?filter=userName eq "{body["userName"].upper()}"').body["totalResults"] == 1
    assert okta.ask("GET", "/Groups").status == 200


def test_okta_by_put_alone(okta: Scim) -> None:
    """Integrations that an administrator makes by the wizard send whole resources, also to deactivate."""
    ann, ben = okta.person("ann@acme.example"), okta.person("ben@acme.example")
    group = okta.ask("POST", "/Groups", {"schemas": [GROUP], "displayName": "okta-all", "members": []}).body
    whole = {**group, "members": [{"value": ann["id"], "display": "ann"}, {"value": ben["id"], "display": "ben"}]}
    assert okta.ask("PUT", f"/Groups/{group['id']}", whole).status == 200
    assert groups_of(ann) == groups_of(ben) == ["okta-all"]
    whole = {**whole, "displayName": "okta-renamed", "members": whole["members"][:1]}
    assert okta.ask("PUT", f"/Groups/{group['id']}", whole).status == 200
    assert (groups_of(ann), groups_of(ben)) == (["okta-renamed"], [])
    gone = okta.ask("PUT", f"/Users/{ann['id']}", {**ann, "active": False, "groups": [], "password": "1mz050nq"})
    assert gone.body["active"] is False
    assert not user_of(ann).is_active
    back = okta.ask("PUT", f"/Users/{ann['id']}", {**gone.body, "active": True})
    assert back.body["active"] is True
    assert user_of(ann).is_active


def test_okta_pushes_groups_and_passwords(okta: Scim) -> None:
    ann, ben = okta.person("ann@acme.example"), okta.person("ben@acme.example")
    group = okta.group("okta-all")
    path = f"/Groups/{group['id']}"
    everyone = [{"value": one["id"], "display": one["userName"]} for one in (ann, ben)]
    assert okta.patch(path, {"op": "replace", "path": "members", "value": everyone}).status == 204
    assert groups_of(ann) == groups_of(ben) == ["okta-all"]
    # Who is not in the group is taken out of it all the same.
    stranger = "89bb1940-b905-4575-9e7f-6f887cfb368e"
    assert okta.patch(path, {"op": "remove", "path": f'members[value eq "{stranger}"]'}).status == 204
    kinds = {"op": "remove", "path": f'members[value eq "{ben["id"]}" and type eq "User"]'}
    assert okta.patch(path, kinds).status == 204
    assert groups_of(ben) == []
    # “Push now” of an empty group, in both of its forms.
    assert okta.patch(path, {"op": "replace", "path": "members", "value": []}).status == 204
    assert groups_of(ann) == []
    okta.patch(path, {"op": "add", "path": "members", "value": everyone})
    empty = {"id": group["id"], "displayName": "okta-all", "members": []}
    assert okta.patch(path, {"op": "replace", "value": empty}).status == 204
    assert groups_of(ben) == []
    synced = okta.patch(f"/Users/{ann['id']}", {"op": "replace", "value": {"password": "Unguessable-0123456789"}})
    assert synced.status == 200
    assert not user_of(ann).has_usable_password()


def test_okta(okta: Scim) -> None:
    assert okta.ask("GET", "/Users?startIndex=1&count=2").status == 200
    assert okta.ask("GET", "/Groups?startIndex=1&count=100").status == 200
    found = okta.ask("GET", '/Users?filter=userName eq "test.user@okta.local"&startIndex=1&count=100')
    assert found.body["totalResults"] == 0
    body: dict[str, Any] = {
        "schemas": [USER],
        "userName": "test.user@okta.local",
        "name": {"givenName": "Test", "familyName": "User"},
        "emails": [{"primary": True, "value": "test.user@okta.local", "type": "work"}],
        "displayName": "Test User",
        "locale": "en-US",
        "externalId": "00ujl29u0le5T6Aj10h7",
        "groups": [],
        "password": "1mz050nq",
        "active": True,
    }
    made = okta.ask("POST", "/Users", body)
    assert made.status == 201
    path = f"/Users/{made.body['id']}"
    again = okta.ask("POST", "/Users", body)
    assert (again.status, again.body["scimType"]) == (409, "uniqueness")
    # A profile is pushed as Okta has read it, with what changed.
    read = okta.ask("GET", path).body
    put = okta.ask("PUT", path, {**read, "name": {"givenName": "Another", "middleName": "", "familyName": "User"}})
    assert put.body["name"] == {"givenName": "Another", "familyName": "User"}
    group = okta.ask("POST", "/Groups", {"schemas": [GROUP], "displayName": "okta-Test SCIMv2", "members": []})
    assert group.status == 201
    of_group = f"/Groups/{group.body['id']}"
    renamed = {"op": "replace", "value": {"id": group.body["id"], "displayName": "okta-Test SCIMv2 renamed"}}
    assert okta.patch(of_group, renamed).status == 204
    member = {"value": made.body["id"], "display": "test.user@okta.local"}
    changed = okta.patch(
        of_group,
        {"op": "remove", "path": f'members[value eq "{made.body["id"]}"]'},
        {"op": "add", "path": "members", "value": [member]},
    )
    assert changed.status == 204
    assert [one.name for one in user_of(made.body).groups.all()] == ["okta-Test SCIMv2 renamed"]
    assert okta.patch(path, {"op": "replace", "value": {"active": False}}).body["active"] is False
    assert not user_of(made.body).is_active
    assert okta.patch(path, {"op": "replace", "value": {"active": True}}).body["active"] is True
    assert okta.ask("DELETE", of_group).status == 204
    assert not user_of(made.body).groups.exists()


def test_entra(okta: Scim) -> None:
    apply("directories: [{name: Okta, issuer: 'https://idp.example', groups: ['*']}]")
    entra = okta
    # “Test Connection” asks for a person who is not there.
    found = entra.ask("GET", '/Users?filter=userName eq "non-existent user"')
    assert (found.status, found.body["totalResults"]) == (200, 0)
    assert entra.ask("GET", "/Users/5171a35d82074e068ce2").status == 404
    made = entra.ask(
        "POST",
        "/Users",
        {
            "schemas": [USER, ENTERPRISE],
            "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
            "userName": "Test_User_ab6490ee-1e48-479e-a20b-2d77186b5dd1",
            "active": True,
            "emails": [{"primary": True, "type": "work", "value": "Test_User_fd0ea19b@testuser.com"}],
            "meta": {"resourceType": "User"},
            "name": {"formatted": "givenName familyName", "familyName": "familyName", "givenName": "givenName"},
            "roles": [],
        },
    )
    assert made.status == 201
    path = f"/Users/{made.body['id']}"
    patched = entra.patch(
        path,
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "updatedEmail@microsoft.com"},
        {"op": "Replace", "path": "name.familyName", "value": "updatedFamilyName"},
        {"op": "Add", "path": 'phoneNumbers[type eq "mobile"].value', "value": "555 1234"},
        {"op": "Add", "path": f"{ENTERPRISE}:department", "value": "Sales"},
        {"op": "Add", "path": f"{ENTERPRISE}:manager", "value": "5d48a0a8e9f04aa38008"},
    )
    assert patched.status == 200
    assert patched.body["emails"] == [{"value": "updatedEmail@microsoft.com", "type": "work", "primary": True}]
    assert patched.body["name"]["familyName"] == "updatedFamilyName"
    assert patched.body[ENTERPRISE] == {"department": "Sales"}
    renamed = entra.patch(path, {"op": "Replace", "path": "userName", "value": "5b50642d@testuser.com"})
    assert renamed.body["userName"] == "5b50642d@testuser.com"
    group = entra.ask(
        "POST",
        "/Groups",
        {
            "schemas": [GROUP, ADSCIM],
            "externalId": "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159",
            "displayName": "Engineering",
            "meta": {"resourceType": "Group"},
        },
    )
    assert group.status == 201
    of_group = f"/Groups/{group.body['id']}"
    shown = entra.ask("GET", '/Groups?excludedAttributes=members&filter=displayName eq "engineering"').body
    assert [one["id"] for one in shown["Resources"]] == [group.body["id"]]
    member = {"$ref": None, "value": made.body["id"]}
    assert entra.patch(of_group, {"op": "Add", "path": "members", "value": [member]}).status == 204
    assert [one.name for one in user_of(made.body).groups.all()] == ["Engineering"]
    assert "members" not in entra.ask("GET", f"{of_group}?excludedAttributes=members").body
    assert entra.patch(of_group, {"op": "Remove", "path": "members", "value": [member]}).status == 204
    assert not user_of(made.body).groups.exists()
    # Without the flag aadOptscim062020 it writes false as a text.
    old = entra.ask(
        "PATCH", path, {"schemas": [PATCH], "Operations": [{"op": "Replace", "path": "active", "value": "False"}]}
    )
    assert old.body["active"] is False
    assert not user_of(made.body).is_active
    user = user_of(made.body)
    assert entra.ask("DELETE", path).status == 204
    assert entra.ask("GET", path).status == 404
    user.refresh_from_db()
    assert not user.is_active


def test_entra_looks_for_people_and_groups(okta: Scim) -> None:
    ann = okta.person("ann@acme.example", emails=[{"type": "work", "primary": True, "value": "a@acme.example"}])
    group = okta.group("engineering", ann["id"])
    okta.patch(f"/Groups/{group['id']}", {"op": "Replace", "path": "externalId", "value": "8aa1a0c0"})
    for path, key in (
        ('/Users?filter=emails[type eq "work"].value eq "A@acme.example"', ann["id"]),
        (f'/Users?filter=externalId eq "{ann["externalId"]}"', ann["id"]),
        ('/Users?filter=userName eq "ANN@acme.example" and active eq true', ann["id"]),
        ('/Users/?filter=UserName+eq+"ann@acme.example"', ann["id"]),
        ('/Groups?excludedAttributes=members&filter=displayName eq "Engineering"', group["id"]),
        ('/Groups?filter=externalId eq "8aa1a0c0"', group["id"]),
        (f'/Groups?filter=id eq "{group["id"]}" and members eq "{ann["id"]}"', group["id"]),
    ):
        found = okta.ask("GET", path)
        assert [one["id"] for one in found.body["Resources"]] == [key], path
    shown = okta.ask("GET", '/Users?attributes=emails[type eq "work"]').body["Resources"]
    assert shown[0]["emails"][0]["value"] == "a@acme.example"


def test_entra_with_and_without_its_flag(okta: Scim) -> None:
    """The same changes, as older and as newer jobs write them."""
    path = f"/Users/{okta.person('ann@acme.example')['id']}"
    older = okta.patch(
        path,
        {"op": "Replace", "path": "displayName", "value": "Pvlo"},
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "one@acme.example"},
        {"op": "Replace", "path": "name.givenName", "value": "Gtfd"},
        {"op": "Replace", "path": "name.familyName", "value": "Pkqf"},
        {"op": "Replace", "path": f"{ENTERPRISE}:employeeNumber", "value": "Eqpj"},
        {"op": "Add", "path": "nickName", "value": "Babs"},
    )
    assert older.body["name"] == {"givenName": "Gtfd", "familyName": "Pkqf"}
    assert older.body["emails"] == [{"type": "work", "value": "one@acme.example"}]
    newer = okta.patch(
        path,
        {"op": "replace", "path": 'emails[type eq "work"].value', "value": "two@acme.example"},
        {
            "op": "replace",
            "value": {
                "displayName": "Bjfe",
                "name.givenName": "Kkom",
                "name.familyName": "Unua",
                f"{ENTERPRISE}:employeeNumber": "Aklq",
            },
        },
    )
    assert newer.body["displayName"] == "Bjfe"
    assert newer.body["name"] == {"givenName": "Kkom", "familyName": "Unua"}
    assert newer.body["emails"] == [{"type": "work", "value": "two@acme.example"}]
    assert newer.body[ENTERPRISE] == {"employeeNumber": "Aklq"}


def test_entra_maps_what_is_not_kept_and_the_person_leaves_all_the_same(okta: Scim) -> None:
    """One attribute that this server does not know must not keep a leaver here."""
    ann = okta.person("ann@acme.example")
    left = okta.patch(
        f"/Users/{ann['id']}",
        {"op": "Add", "path": "urn:ietf:params:scim:schemas:extension:Acme:2.0:User:tag", "value": "701984"},
        {"op": "Add", "path": 'roles[primary eq "True"].value', "value": "Administrator"},
        {"op": "Replace", "path": 'addresses[type eq "work"].formatted', "value": "1 Way"},
        {"op": "Replace", "path": "active", "value": "False"},
    )
    assert (left.status, left.body["active"]) == (200, False)
    assert not user_of(ann).is_active


def test_the_reference_collection_of_microsoft(okta: Scim) -> None:
    """Names in other cases, nulls, attributes that are misspelt, members as texts."""
    made = okta.ask(
        "POST",
        "/Users",
        {
            "schemas": [ENTERPRISE, USER],
            "userName": "OMalley",
            "externalId": "22fbc523",
            "active": "True",
            "addresses": [{"country": None, "formatted": "1 Way\nTown", "type": "other", "primary": False}],
            "emails": [
                {"Primary": True, "type": "work", "value": "anna33@example.com"},
                {"Primary": False, "type": "home", "value": "anna33@gmail.example"},
            ],
            "meta": {"created": "2019-09-18T18:15:26.5788954+00:00", "resourceType": "User"},
            "name": {"formatted": "Daniel", "familyName": "OMalley", "givenName": "Darl", "honorificPrefix": None},
            "phoneNumbers": [{"type": "work", "value": None}],
            "roles": [],
            "title": "Site engineer",
            ENTERPRISE: {"Department": "some department", "Manager": {"Value": "SuzzyQ"}},
        },
    )
    assert made.status == 201
    assert made.body["emails"][0] == {"value": "anna33@example.com", "type": "work", "primary": True}
    assert made.body[ENTERPRISE] == {"department": "some department"}
    path = f"/Users/{made.body['id']}"
    put = {**made.body, "adreses": [{"country": "Germany"}], "displayName": "Kim"}
    assert okta.ask("PUT", path, put).body["displayName"] == "Kim"
    assert okta.ask("PUT", path, {"schemas": [USER], "userame": "OMalley"}).status == 400
    assert okta.ask("GET", "/Users/?filter=DisplayName+eq+%22kim%22").body["totalResults"] == 1
    found = okta.ask(
        "GET", '/Users?filter=name.FamilyName eq "OMalley" and (emails.Value co "example.com" or id eq "x")'
    )
    assert found.body["totalResults"] == 1
    group = okta.group("Group 1")
    body = {"id": group["id"], "schemas": [PATCH]}
    add = [{"name": "addMember", "op": "add", "path": "members", "value": made.body["id"]}]
    assert okta.ask("PATCH", f"/Groups/{group['id']}", {**body, "Operations": add}).status == 204
    assert [one["value"] for one in okta.ask("GET", f"/Groups/{group['id']}").body["members"]] == [made.body["id"]]
    assert okta.patch(f"/Groups/{group['id']}", {"op": "remove", "path": "members"}).status == 204
    assert okta.ask("GET", f"/Groups/{group['id']}").body["members"] == []


def test_authentik(okta: Scim) -> None:
    assert okta.ask("GET", "/ServiceProviderConfig").body["patch"]["supported"] is True
    ann, ben = okta.person("ann"), okta.person("ben")
    made = okta.ask("POST", "/Groups", {"schemas": [GROUP], "externalId": "g-1", "displayName": "engineering"})
    path = f"/Groups/{made.body['id']}"
    # It gives members to a group whose answer has a list of them, and to no other.
    assert okta.ask("GET", path).body["members"] == []
    okta.patch(path, *({"op": "add", "path": "members", "value": [{"value": one["id"]}]} for one in (ann, ben)))
    assert groups_of(ann) == groups_of(ben) == ["engineering"]
    whole = {"schemas": [GROUP], "id": made.body["id"], "externalId": "g-1", "displayName": "okta-eng"}
    assert okta.patch(path, {"op": "replace", "value": whole}).status == 204
    okta.patch(path, {"op": "remove", "path": "members", "value": [{"value": ben["id"]}]})
    assert (groups_of(ann), groups_of(ben)) == (["okta-eng"], [])


def test_keycloak(okta: Scim) -> None:
    """It sends whole resources, and addresses that are not whole."""
    ann = okta.person("ann")
    key = okta.group("engineering")["id"]
    member = {"value": ann["id"], "$ref": f"Users/{ann['id']}"}
    whole = {"schemas": [GROUP], "id": key, "externalId": "k-1", "displayName": "engineering", "members": [member]}
    put = okta.ask("PUT", f"/Groups/{key}", {**whole, "meta": {"location": f"Groups/{key}"}})
    assert (put.status, put.body["members"][0]["$ref"]) == (200, ann["meta"]["location"])
    assert groups_of(ann) == ["engineering"]
