"""One rule for the identifier of an MCP server, in the file and in the form, with the spelling that was meant."""

import json
from typing import Any

import pytest

from authz.configuration import ConfigurationError, apply
from authz.models import ProtectedResource
from tests.console.conftest import Page, signed_in
from tests.support.world import NOTES, PAYROLL

__all__ = ["signed_in"]

ADD = "/console/authz/protectedresource/add/"
FORM = {
    "name": "New", "is_active": "on", "access_token_lifetime": "600", "access_token_signing_alg": "RS256",
    "pending_answer": "always", "scopes-TOTAL_FORMS": "0", "scopes-INITIAL_FORMS": "0",
}  # fmt: skip

GOOD = ["https://new.example", "https://new.example/", "https://new.example/mcp", "https://new.example/mcp/",
        "https://new.example:8443/mcp", "http://127.0.0.1:9300/mcp", "http://localhost:1/", "https://new.example/?a=b",
        "https://[2001:db8::1]/mcp"]  # fmt: skip
BAD = [
    ("https://New.example/mcp", "must be written as “https://new.example/mcp”"),
    ("HTTPS://new.example/mcp", "must be written as “https://new.example/mcp”"),
    ("https://new.example:443/mcp", "must be written as “https://new.example/mcp”"),
    ("http://localhost:80/mcp", "must be written as “http://localhost/mcp”"),
    ("http://new.example/mcp", "Did you mean “https://new.example/mcp”?"),
    ("new.example/mcp", "Did you mean “https://new.example/mcp”?"),
    ("https://new.example/mcp#x", "Did you mean “https://new.example/mcp”?"),
    ("wss://new.example/mcp", "Did you mean “https://new.example/mcp”?"),
    ("https://user@new.example/mcp", "must be an https URL"),
    ("urn:example:server", "must be an https URL"),
    ("notes", "must be an https URL"),
    ("nightly-report", "must be an https URL"),
]


def in_file(identifier: str) -> str:
    """The problem with it; "" if it is applied."""
    try:
        apply(json.dumps({"resources": [{"identifier": identifier}]}))
    except ConfigurationError as error:
        return str(error)
    return ""


def in_form(signed_in: Page, identifier: str) -> str:
    response: Any = signed_in("administrator").post(ADD, {**FORM, "identifier": identifier})
    return "" if response.status_code == 302 else str(response.context["adminform"].form.errors.get("identifier"))


@pytest.mark.parametrize("identifier", GOOD)
def test_what_the_file_takes_the_form_takes(signed_in: Page, identifier: str) -> None:
    assert in_form(signed_in, identifier) == ""
    assert in_file(identifier) == ""
    assert ProtectedResource.objects.filter(identifier=identifier).count() == 1


@pytest.mark.parametrize(("identifier", "told"), BAD)
def test_what_the_file_refuses_the_form_refuses_in_the_same_words(signed_in: Page, identifier: str, told: str) -> None:
    assert told in in_form(signed_in, identifier)
    assert told in in_file(identifier)
    assert not ProtectedResource.objects.filter(identifier=identifier).exists()


@pytest.mark.parametrize("stored", ["https://new.example", "https://new.example/"])
def test_attack_two_spellings_of_one_server_are_refused_everywhere(signed_in: Page, stored: str) -> None:
    assert in_file(stored) == ""
    other = "https://new.example/" if stored == "https://new.example" else "https://new.example"

    assert f"is the same MCP server as “{stored}”" in in_form(signed_in, other)
    assert f"is the same MCP server as “{stored}”" in in_file(other)


def test_a_server_that_is_stored_is_saved_as_it_is(signed_in: Page) -> None:
    """Former versions took them from a file."""
    row = ProtectedResource.objects.get(identifier=PAYROLL)
    ProtectedResource.objects.filter(pk=row.pk).update(identifier="https://Payroll.example.com:443/mcp")

    assert in_file("https://Payroll.example.com:443/mcp") == ""


def test_a_server_may_get_a_slash(signed_in: Page) -> None:
    in_file("https://new.example")
    row = ProtectedResource.objects.get(identifier="https://new.example")
    form = {**FORM, "identifier": "https://new.example/"}

    response = signed_in("administrator").post(f"/console/authz/protectedresource/{row.pk}/change/", form)

    assert response.status_code == 302
    assert ProtectedResource.objects.get(pk=row.pk).identifier == "https://new.example/"


def test_one_that_differs_by_a_slash_is_told(signed_in: Page) -> None:
    response = signed_in("administrator").post(ADD, {**FORM, "identifier": f"{NOTES}/"}, follow=True)

    assert f"It differs from {NOTES} by a slash, a port or the case alone." in response.content.decode()
