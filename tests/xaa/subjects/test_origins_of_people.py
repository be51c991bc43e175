"""The console says who else knows a person, what that party said last, and which directories have a group."""

import re

from django.test import Client as Browser

from tests.approvals.test_approvers import person
from tests.xaa.company import Company
from tests.xaa.directories import Scim, configure


def rows(page: str) -> list[str]:
    return re.findall(r"<tr[ >].*?</tr>", page, re.DOTALL)


def test_people_by_their_origin(company: Company) -> None:
    configure()
    company.idp_link("bob")
    scim = Scim("Okta")
    carla = scim.person("carla@acme.example", externalId="carla-at-idp")
    scim.group("okta-finance", carla["id"])
    browser = Browser()
    browser.force_login(person("alice", role="administrator"))

    everyone = rows(browser.get("/console/authz/user/").content.decode())
    (of_carla,) = [row for row in everyone if ">carla-" in row]
    assert "Okta" in of_carla
    for origin, named in (("directory", {"carla"}), ("issuer", {"bob", "carla"}), ("here", {"alice"})):
        found = browser.get("/console/authz/user/", {"origin": origin}).content.decode()
        for name in ("alice", "bob", "carla"):
            assert (f'<bdi class="foreign">{name}' in found) is (name in named), (origin, name)
    assert browser.get("/console/authz/user/", {"origin": "elsewhere"}).status_code == 400

    page_of_carla = re.search(r'href="(/console/authz/user/\d+/change/)', of_carla)
    assert page_of_carla
    assert "says they are active" in browser.get(page_of_carla[1]).content.decode()
    scim.patch(f"/Users/{carla['id']}", {"op": "replace", "path": "active", "value": False})
    assert "says they are not active" in browser.get(page_of_carla[1]).content.decode()

    groups = rows(browser.get("/console/auth/group/").content.decode())
    assert [("Okta" in row) for row in groups if "okta-finance" in row] == [True]
    assert not any("Okta" in row for row in groups if "okta-finance" not in row)
