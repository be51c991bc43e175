"""Attacks by a directory, or by who has its token."""

import json
from typing import Any

import pytest

from authz.configuration import apply
from authz.models import AuditEvent, User
from authz.sign_in import memberships
from tests.support.races import at_once
from tests.xaa.company import IDP, Company
from tests.xaa.directories import GROUP, USER, Scim, configure, user_of
from xaa.models import DirectoryGroup, DirectoryPerson, SubjectLink, TrustedIssuer


@pytest.fixture
def okta(company: Company) -> Scim:
    configure()
    return Scim("Okta")


@pytest.fixture
def other(okta: Scim) -> Scim:
    return Scim("Other")


MASS = {
    "role": "administrator",
    "is_superuser": True,
    "is_staff": True,
    "password": "a-password-of-the-directory-0123",
    "subject": "00000000-0000-4000-8000-000000000000",
    "groups": [{"value": "engineering"}],
    "roles": [{"value": "administrator"}],
    "entitlements": [{"value": "administrator"}],
    "is_from_elsewhere": False,
    "id": "11111111-1111-4111-8111-111111111111",
    "user": 1,
    "directory": 2,
    "made": False,
}


@pytest.mark.parametrize("by", ["POST", "PUT", "PATCH", "Bulk"])
def test_mass_assignment(okta: Scim, by: str) -> None:
    body = {"schemas": [USER], "userName": "eve", "externalId": "eve", **MASS}
    if by == "POST":
        found = okta.ask("POST", "/Users", body)
    elif by == "Bulk":
        operation = {"method": "POST", "path": "/Users", "bulkId": "1", "data": body}
        schemas = ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"]
        found = okta.ask("POST", "/Bulk", {"schemas": schemas, "Operations": [operation]})
    else:
        path = f"/Users/{okta.person('eve', externalId='eve')['id']}"
        found = okta.ask("PUT", path, body) if by == "PUT" else okta.patch(path, {"op": "replace", "value": body})
    assert found.status in (200, 201), found.body
    user = DirectoryPerson.objects.get().user
    assert (user.role, user.is_superuser, user.is_staff) == ("none", False, False)
    assert not user.has_usable_password()
    assert not user.groups.exists()
    assert str(user.subject) != MASS["subject"]
    assert str(DirectoryPerson.objects.get().pk) != MASS["id"]


@pytest.mark.parametrize("path", ["role", "is_superuser", "password.x", "user", "directory"])
def test_a_path_to_what_is_ours(okta: Scim, path: str) -> None:
    made = okta.person()
    found = okta.patch(f"/Users/{made['id']}", {"op": "replace", "path": path, "value": "administrator"})
    assert found.status in (200, 400)
    assert user_of(made).role == "none"


@pytest.mark.parametrize("name", ["Okta", "Own", "Other"])
def test_a_user_name_takes_no_one_over(okta: Scim, name: str) -> None:
    bob = User.objects.get(username="bob")
    made = Scim(name).person("bob", emails=[{"value": "bob@example.com"}])
    assert user_of(made).pk != bob.pk
    bob.refresh_from_db()
    assert bob.email == "bob@example.com"
    assert user_of(made).email != "bob@example.com"


class TestAddresses:
    """An address finds a person only where the issuer may find people by it, for its own domains."""

    @pytest.fixture
    def by_address(self, okta: Scim) -> Scim:
        apply("directories: [{name: Okta, issuer: 'https://idp.example', groups: []}]")
        return okta

    def ask(self, scim: Scim, address: str) -> Any:
        return scim.ask("POST", "/Users", {"schemas": [USER], "userName": "x", "emails": [{"value": address}]})

    def test_it_may_not_without_the_domain(self, by_address: Scim) -> None:
        made = self.ask(by_address, "bob@example.com")
        assert user_of(made.body).username != "bob"

    def test_it_may_for_its_domain(self, by_address: Scim) -> None:
        TrustedIssuer.objects.filter(issuer=IDP).update(email_trusted=True, email_domains=["example.com"])
        made = self.ask(by_address, "bob@example.com")
        assert user_of(made.body).username == "bob"
        by_address.ask(
            "PUT", f"/Users/{made.body['id']}", {"schemas": [USER], "userName": "x", "emails": ["e@example.com"]}
        )
        assert user_of(made.body).email == "bob@example.com"

    def test_never_who_has_a_role(self, by_address: Scim) -> None:
        TrustedIssuer.objects.filter(issuer=IDP).update(email_trusted=True, email_domains=["example.com"])
        User.objects.filter(username="bob").update(role="approver")
        found = self.ask(by_address, "bob@example.com")
        assert (found.status, found.body["scimType"]) == (409, "uniqueness")
        assert AuditEvent.objects.filter(event="directory:request:refused", reason="scim_person_kept").exists()

    def test_never_another_directorys(self, by_address: Scim) -> None:
        own = Scim("Own").person("zoe", emails=[{"value": "zoe@example.com"}])
        TrustedIssuer.objects.filter(issuer=IDP).update(email_trusted=True, email_domains=["example.com"])
        assert self.ask(by_address, "zoe@example.com").status == 409
        assert user_of(own).is_active


def test_the_same_external_id_of_another_issuer_is_another_person(okta: Scim, other: Scim) -> None:
    mine, theirs = okta.person("ann", externalId="00u1"), other.person("ann", externalId="00u1")
    assert user_of(mine).pk != user_of(theirs).pk


def test_a_directory_sees_and_changes_only_its_own(okta: Scim, other: Scim) -> None:
    ann = okta.person("ann")
    group = okta.group("engineering", ann["id"])
    for path in (f"/Users/{ann['id']}", f"/Groups/{group['id']}"):
        assert other.ask("GET", path).status == 404
        assert other.ask("DELETE", path).status == 404
        assert other.patch(path, {"op": "replace", "path": "displayName", "value": "x"}).status == 404
        assert other.ask("PUT", path, {"schemas": [USER, GROUP], "userName": "x", "displayName": "x"}).status in (
            400,
            404,
        )
    assert other.ask("GET", "/Users").body["totalResults"] == 0
    assert (
        other.ask("POST", "/Groups", {"schemas": [GROUP], "displayName": "g", "members": [{"value": ann["id"]}]}).status
        == 400
    )
    assert user_of(ann).is_active


def test_a_new_external_id_takes_no_ones_identity(okta: Scim) -> None:
    ann, ben = okta.person("ann"), okta.person("ben")
    bob = User.objects.get(username="bob")
    SubjectLink.objects.create(issuer=okta.directory.issuer, subject="00u-bob", user=bob)
    for taken in ("00u-ann", "00u-bob"):
        found = okta.patch(f"/Users/{ben['id']}", {"op": "replace", "path": "externalId", "value": taken})
        assert found.status == 409
    assert SubjectLink.objects.get(subject="00u-bob").user_id == bob.pk
    assert SubjectLink.objects.get(subject="00u-ann").user_id == user_of(ann).pk


class TestGroups:
    @pytest.mark.parametrize("by", ["remove", "replace", "PUT", "DELETE"])
    def test_a_membership_of_another_source_stays(self, okta: Scim, by: str) -> None:
        """Attack: a directory takes people out of the groups that they were given here."""
        ann = okta.person("ann")
        user = user_of(ann)
        memberships.set_own(user, ["engineering"])
        path = f"/Groups/{okta.group('engineering', ann['id'])['id']}"
        if by == "remove":
            okta.patch(path, {"op": "remove", "path": f'members[value eq "{ann["id"]}"]'})
        elif by == "replace":
            okta.patch(path, {"op": "replace", "path": "members", "value": []})
        elif by == "PUT":
            okta.ask("PUT", path, {"schemas": [GROUP], "displayName": "engineering", "members": []})
        else:
            okta.ask("DELETE", path)
        assert [group.name for group in user.groups.all()] == ["engineering"]

    def test_another_directorys_members_stay(self, okta: Scim, other: Scim) -> None:
        ann = okta.person("ann")
        okta.group("engineering", ann["id"])
        theirs = other.group("engineering")
        assert other.ask("DELETE", f"/Groups/{theirs['id']}").status == 204
        assert user_of(ann).groups.filter(name="engineering").exists()

    def test_a_star_covers_no_group_that_approves(self, other: Scim) -> None:
        apply(
            """
rules:
  - name: Security approves
    effect: require_approval
    clients: ["*"]
    resources: ["*"]
    scopes: ["*"]
    approvers: {groups: [security]}
"""
        )
        eve = other.person("eve")
        other.group("security", eve["id"])
        other.group("harmless", eve["id"])
        assert [one.name for one in user_of(eve).groups.all()] == ["harmless"]

    def test_a_name_that_looks_alike_is_told_apart(self, other: Scim) -> None:
        eve = other.person("eve")
        other.group("engi\u200bneering", eve["id"])
        assert [one.name for one in user_of(eve).groups.all()] == ["engi⟨U+200B⟩neering"]


def test_the_last_administrator_is_not_locked_out(okta: Scim) -> None:
    User.objects.filter(role="administrator").delete()
    ann = okta.person("ann")
    user = user_of(ann)
    user.role = "administrator"
    user.save()
    found = okta.patch(f"/Users/{ann['id']}", {"op": "replace", "path": "active", "value": False})
    assert found.status == 403
    assert okta.ask("DELETE", f"/Users/{ann['id']}").status == 403
    user.refresh_from_db()
    assert user.is_active


@pytest.mark.django_db(transaction=True)
def test_the_last_two_administrators_do_not_leave_at_once(okta: Scim) -> None:
    """Attack: each of the two sees the other one, who is still there."""
    User.objects.filter(role="administrator").delete()
    keys = [okta.person(name)["id"] for name in ("ann", "bea")]
    assert User.objects.exclude(directory_people=None).update(role="administrator") == 2

    def leave(key: str) -> int:
        return Scim("Okta", okta.token).ask("DELETE", f"/Users/{key}").status

    statuses = at_once([lambda key=key: leave(key) for key in keys])  # type: ignore[misc]
    assert sorted(statuses) == [204, 403]
    assert User.objects.filter(role="administrator", is_active=True).count() == 1


def test_what_was_sent_is_in_no_event_and_no_log(okta: Scim, caplog: pytest.LogCaptureFixture) -> None:
    canary = "canary-7d1f"
    name = {"givenName": canary, "familyName": canary}
    made = okta.person("ann", name=name, displayName=canary, emails=[{"value": f"{canary}@a.example"}])
    okta.ask("GET", f'/Users?filter=displayName eq "{canary}" x')
    okta.patch(f"/Users/{made['id']}", {"op": "replace", "path": canary, "value": canary})
    told = [json.dumps(one.detail) for one in AuditEvent.objects.filter(event__startswith="directory:")]
    assert len(told) >= 3
    assert canary not in "".join(told) + caplog.text


@pytest.mark.django_db(transaction=True)
def test_two_creates_of_one_person_at_once(okta: Scim) -> None:
    body = {"schemas": [USER], "userName": "ann", "externalId": "00u1"}

    def create() -> int:
        return Scim("Okta", okta.token).ask("POST", "/Users", body).status

    assert sorted(at_once([create] * 4)) == [201, 409, 409, 409]
    assert DirectoryPerson.objects.count() == SubjectLink.objects.filter(subject="00u1").count() == 1
    assert User.objects.filter(username__startswith="ann-").count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_creates_of_one_group_at_once(okta: Scim) -> None:
    body = {"schemas": [GROUP], "displayName": "engineering"}

    def create() -> int:
        return Scim("Okta", okta.token).ask("POST", "/Groups", body).status

    assert sorted(at_once([create] * 3)) == [201, 409, 409]
    assert DirectoryGroup.objects.count() == 1
