"""Owners of an MCP server: in the file, in the export, in the form; they decide as its one owner does."""

import json
from typing import Any

import pytest

from authz.approvals import approvers
from authz.authorizations import removal
from authz.configuration import ConfigurationError, apply
from authz.configuration.resources import as_item, rows
from authz.models import AccessRequest, ProtectedResource, User
from tests.support.world import NOTES, World, client, person

pytestmark = pytest.mark.django_db

ADDRESS = "/console/authz/protectedresource/{}/change/"


def owned_by(*names: str, owner: str | None = None) -> ProtectedResource:
    item = as_item(rows().get(identifier=NOTES)) | {"owner": owner, "owners": list(names)}
    apply(json.dumps({"resources": [item]}))
    return ProtectedResource.objects.get(identifier=NOTES)


def request_for(user: User) -> AccessRequest:
    moment = "2100-01-01T00:00:00Z"
    return AccessRequest.objects.create(
        digest="d", client=client("desktop-app"), user=user, resource=NOTES, grant_type="authorization_code",
        scopes=["mcp:read"], first_asked=moment, last_asked=moment,
    )  # fmt: skip


def test_the_file_names_several_and_the_export_says_them_again(gatehouse: World) -> None:
    row = owned_by("charlie", "bob", owner="alice")

    assert as_item(rows().get(pk=row.pk))["owners"] == ["bob", "charlie"]
    assert row.owner_keys() == {person(name).pk for name in ("alice", "bob", "charlie")}
    assert apply(json.dumps({"resources": [as_item(rows().get(pk=row.pk))]})) == []


def test_an_owner_who_does_not_exist_is_refused(gatehouse: World) -> None:
    with pytest.raises(ConfigurationError, match="there is no person 'nemo'"):
        owned_by("bob", "nemo")
    assert ProtectedResource.objects.get(identifier=NOTES).owner_keys() == frozenset()


def test_each_owner_decides_and_no_other_person_without_a_role(gatehouse: World) -> None:
    owned_by("bob")
    request = request_for(person("alice"))

    assert approvers.objection(request, person("bob")) == ""
    assert (
        approvers.objection(request, person("charlie")) == "Others decide this: the server’s owner or an administrator."
    )
    assert person("bob") in approvers.who(request)


def test_an_owner_does_not_decide_their_own_request(gatehouse: World) -> None:
    owned_by("bob")

    assert approvers.objection(request_for(person("bob")), person("bob")) == "You cannot decide your own request."


def test_the_form_shows_and_saves_them(gatehouse: World) -> None:
    row, browser = owned_by("bob"), gatehouse.browser
    gatehouse.sign_in("alice")
    page = browser.get(ADDRESS.format(row.pk))
    form = page.context["adminform"].form
    assert form["owners"].value() and "bob" in page.content.decode()

    given: dict[str, Any] = {name: form[name].value() for name in form.fields} | {"owners": "bob\ncharlie"}
    given["introspection_clients"] = "notes-server"
    for inline in page.context["inline_admin_formsets"]:
        for each in [inline.formset.management_form, *inline.formset.forms]:
            given |= {each.add_prefix(name): each[name].value() for name in each.fields}
    saved = browser.post(ADDRESS.format(row.pk), {n: v for n, v in given.items() if v not in (None, False)})

    assert saved.status_code == 302, saved.context["errors"]
    assert row.owner_keys() == {person("bob").pk, person("charlie").pk}


def test_an_owner_who_is_removed_owns_nothing(gatehouse: World) -> None:
    row = owned_by("bob", "charlie")

    removal.remove(person("bob"))

    assert row.owner_keys() == {person("charlie").pk}
