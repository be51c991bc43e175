"""A leaver: from the PATCH's response on nothing of theirs works, and nothing of before comes back."""

import json
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import call_command

from authz.authorizations import cut_off
from authz.models import AccessRequest, AuditEvent, Authorization, BrowserSession, Client, CutOff, User
from tests.support import world
from tests.xaa.company import AGENT, Company, refused
from tests.xaa.directories import USER, Scim, configure, user_of
from xaa.models import SubjectLink


@pytest.fixture
def okta(company: Company) -> Scim:
    configure()
    company.idp_link("bob")
    scim = Scim("Okta")
    scim.entry = scim.person("bob@acme.example", externalId="bob-at-idp")  # type: ignore[attr-defined]
    return scim


def path(okta: Scim) -> str:
    return f"/Users/{okta.entry['id']}"  # type: ignore[attr-defined]


def set_active(okta: Scim, active: object) -> None:
    found = okta.patch(path(okta), {"op": "Replace", "path": "active", "value": active})
    assert found.status == 200
    assert found.body["active"] is (str(active).lower() == "true")


def leave(okta: Scim, how: str) -> None:
    if how == "PATCH":
        set_active(okta, "False")
    elif how == "PUT":
        body = {"schemas": [USER], "userName": "bob@acme.example", "externalId": "bob-at-idp", "active": False}
        assert okta.ask("PUT", path(okta), body).status == 200
    else:
        assert okta.ask("DELETE", path(okta)).status == 204


@pytest.mark.parametrize("how", ["PATCH", "PUT", "DELETE"])
def test_nothing_works_after_the_response(company: Company, okta: Scim, how: str) -> None:
    tokens = company.signed_in_tokens()
    chat = json.loads(company.redeem_assertion(company.idp.id_jag()).content)
    login = company.login()
    assert company.introspect(tokens["access_token"])["active"] is True
    assert BrowserSession.objects.filter(user__username="bob").exists()

    leave(okta, how)

    assert company.refresh(tokens["refresh_token"]).status_code == 400
    for token in (tokens["access_token"], chat["access_token"]):
        assert company.introspect(token)["active"] is False
    assert refused(company.redeem_assertion(company.idp.id_jag())) == (400, "invalid_grant")
    assert company.exchange(login["id_token"]).status_code == 400
    assert not BrowserSession.objects.filter(user__username="bob").exists()
    assert not Authorization.objects.filter(user__username="bob", revoked=None).exists()
    event = AuditEvent.objects.get(event="policy:access:cut_off")
    assert event.detail["by"] == "directory Okta"
    assert AuditEvent.objects.filter(event="token:authorization:revoked").exists()


def test_no_assertion_makes_a_new_person_of_a_leaver(company: Company, okta: Scim) -> None:
    issuer = okta.directory.issuer
    assert issuer is not None
    issuer.create = True
    issuer.save()
    leave(okta, "DELETE")
    people = User.objects.count()
    assert refused(company.redeem_assertion(company.idp.id_jag())) == (400, "invalid_grant")
    assert User.objects.count() == people


def test_reactivation_brings_nothing_back(company: Company, okta: Scim) -> None:
    tokens = company.signed_in_tokens()
    set_active(okta, False)
    set_active(okta, True)
    assert User.objects.get(username="bob").is_active
    assert company.refresh(tokens["refresh_token"]).status_code == 400
    assert company.introspect(tokens["access_token"])["active"] is False
    assert not BrowserSession.objects.filter(user__username="bob").exists()
    assert json.loads(company.redeem_assertion(company.idp.id_jag()).content)["access_token"]


class TestWhoseWord:
    """A directory lifts what its own word stopped, and no administrator's."""

    def stop(self) -> None:
        call_command("end_access", "person", "bob", stdout=StringIO())

    def test_stopped_here_before(self, okta: Scim) -> None:
        self.stop()
        set_active(okta, False)
        found = okta.patch(path(okta), {"op": "replace", "value": {"active": True}})
        assert found.body["active"] is False
        assert not User.objects.get(username="bob").is_active

    def test_stopped_here_meanwhile(self, okta: Scim) -> None:
        set_active(okta, False)
        self.stop()
        okta.patch(path(okta), {"op": "replace", "value": {"active": True}})
        assert not User.objects.get(username="bob").is_active

    def test_stopped_here_and_deleted_there(self, okta: Scim) -> None:
        self.stop()
        okta.ask("DELETE", path(okta))
        again = okta.person("bob@acme.example", externalId="bob-at-idp")
        assert again["active"] is False
        assert not User.objects.get(username="bob").is_active

    def test_a_name_alone_changes_nothing_about_it(self, okta: Scim) -> None:
        self.stop()
        okta.patch(path(okta), {"op": "replace", "path": "displayName", "value": "Bob"})
        assert not User.objects.get(username="bob").is_active

    def test_an_undo_here_is_taken_back_by_the_directorys_next_word(self, okta: Scim) -> None:
        set_active(okta, False)
        cut_off.undo(CutOff.objects.get(), by="alice", now=datetime.now(UTC))
        assert User.objects.get(username="bob").is_active
        set_active(okta, False)
        assert not User.objects.get(username="bob").is_active


def test_approvals_end(company: Company, okta: Scim) -> None:
    bob = User.objects.get(username="bob")
    agent = Client.objects.get(client_id=AGENT[0])
    given = {"client": agent, "user": bob, "resource": world.NOTES, "grant_type": "authorization_code"}
    given |= dict.fromkeys(("first_asked", "last_asked"), datetime.now(UTC))
    AccessRequest.objects.create(digest="1", status="approved", **given)
    AccessRequest.objects.create(digest="2", status="open", **given)
    set_active(okta, False)
    assert set(AccessRequest.objects.values_list("status", flat=True)) == {"expired"}
    set_active(okta, True)
    assert set(AccessRequest.objects.values_list("status", flat=True)) == {"expired"}


def test_created_inactive(okta: Scim) -> None:
    made = okta.person("new", active=False)
    assert made["active"] is False
    assert not user_of(made).is_active
    assert SubjectLink.objects.get(subject="00u-new").user_id == user_of(made).pk
    # What the directory itself changes meanwhile is no one else's word.
    okta.patch(f"/Users/{made['id']}", {"op": "replace", "path": "name.givenName", "value": "New"})
    again = okta.patch(f"/Users/{made['id']}", {"op": "replace", "value": {"active": True}})
    assert again.body["active"] is True
    assert user_of(made).is_active
