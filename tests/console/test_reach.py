"""What the console says an agent can do: no more than it could ever ask for."""

import pytest

from authz.console.agents.reach import can_speak_of
from authz.models import ProtectedResource
from authz.policy import Rule
from tests.console.conftest import Page
from tests.support.world import NOTES, client

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def rule(**changes: object) -> Rule:
    shape = {"name": "r", "effect": "allow", "clients": ["*"], "resources": ["*"], "scopes": ["*"]}
    return Rule.from_mapping({**shape, "grant_types": ["*"], **changes})


@pytest.mark.parametrize(("given", "grants", "speaks"), [
    ({}, ["client_credentials"], True),
    ({}, [JWT_BEARER], True),
    ({}, ["authorization_code", "refresh_token"], False),
    ({"groups": ["engineering"]}, ["client_credentials"], False),
    ({"groups": ["engineering"]}, ["authorization_code"], True),
    ({"groups": ["engineering"]}, [JWT_BEARER], True),
    ({"users": ["bob"], "grant_types": ["authorization_code"]}, ["refresh_token"], False),
    ({"grant_types": ["client_credentials"]}, ["client_credentials", "authorization_code"], True),
    ({}, [], False),
])  # fmt: skip
def test_a_rule_speaks_of_an_agent_that_can_ask_so(given: dict[str, object], grants: list[str], speaks: bool) -> None:
    assert can_speak_of(rule(**given), grants) is speaks


def test_the_list_names_what_an_agent_reaches_and_its_page_says_how(signed_in: Page) -> None:
    ProtectedResource.objects.filter(identifier=NOTES).update(name="The notes")
    browser = signed_in("auditor")

    page = browser.get("/console/authz/client/?q=nightly-report").content.decode()
    own = browser.get(f"/console/authz/client/{client('nightly-report').pk}/change/").content.decode()

    assert "<bdi>The notes</bdi>" in page
    # People's rules are not this machine's.
    assert "Members of engineering" not in own
    assert "nightly-report" in own
