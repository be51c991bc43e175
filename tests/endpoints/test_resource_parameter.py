"""The `resource` parameter at the endpoints: it may be repeated, a token is for one (RFC 8707 §2)."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.world import NOTES, PAYROLL, SECRET, World, claims

AGENT: dict[str, Any] = {"basic": ("nightly-report", SECRET), "grant_type": "client_credentials"}


def test_the_same_one_twice_is_one(gatehouse: World) -> None:
    answer = gatehouse.machine_token(resource=[NOTES, NOTES])
    assert claims(answer["access_token"])["aud"] == NOTES


@pytest.mark.parametrize("resource", [[NOTES, PAYROLL], [f"{NOTES} {PAYROLL}"]], ids=["repeated", "in one"])
def test_two_are_refused(gatehouse: World, resource: list[str]) -> None:
    answer = gatehouse.token(**AGENT, resource=resource)
    assert (answer.status_code, json.loads(answer.content)["error"]) == (400, "invalid_target")


def test_a_repeated_resource_leads_to_the_sign_in(gatehouse: World) -> None:
    gatehouse.sign_in("bob")
    once, twice = (gatehouse.browser.get(gatehouse.authorize_url(resource=named)) for named in (NOTES, [NOTES, NOTES]))
    assert (once.status_code, twice.status_code) == (200, 200)
    away = gatehouse.browser.get(gatehouse.authorize_url(resource=[NOTES, PAYROLL]))
    assert parse_qs(urlsplit(away["Location"]).query)["error"] == ["invalid_target"]
