"""Provisioning as Okta and Entra ID do it: their requests one after the other, as their documents show them.

Sources, read in November 2026. Okta: developer.okta.com, “Okta and SCIM Version 2.0”. Entra ID: learn.microsoft.com,
“Develop and plan provisioning for a SCIM endpoint” and “Known issues with SCIM 2.0 protocol compliance”.
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
