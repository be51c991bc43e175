"""An address of a page with or without the slash at its end leads to the page; machine endpoints have one address."""

import pytest
from django.test import Client as Browser

from authz.conf import conf
from tests.console.conftest import Page
from tests.support.world import World

pytestmark = pytest.mark.django_db
REQUEST = "/account/requests/0f3f9a56-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("/console", "/console/"),
        ("/account", "/account/"),
        ("/accounts/login", "/accounts/login/"),
        ("/accounts/login?next=/account/&a=%2F", "/accounts/login/?next=/account/&a=%2F"),
        ("/account/sign-ins", "/account/sign-ins/"),
        (f"{REQUEST}/", REQUEST),
    ],
)
def test_the_page_is_found(client: Browser, asked: str, found: str) -> None:
    answer = client.get(asked)
    assert (answer.status_code, answer["Location"]) == (302, found)


def test_a_page_of_the_console_is_found(gatehouse: World, signed_in: Page) -> None:
    answer = signed_in("administrator").get("/console/authz/client")
    assert (answer.status_code, answer["Location"]) == (302, "/console/authz/client/")


@pytest.mark.parametrize(
    "asked",
    ["/consol", "/consoles", "/account//evil.example", "/accounts/nothing", "/healthz/", "/jwks"],
)  # fmt: skip
def test_what_is_nowhere_is_not_found(client: Browser, asked: str) -> None:
    assert client.get(asked).status_code == 404


def test_a_form_is_not_sent_on(client: Browser) -> None:
    assert client.post("/accounts/login", {"login": "alice"}).status_code == 404


def test_the_issuer_itself_says_where_its_metadata_is(client: Browser) -> None:
    if conf.issuer_path:
        answer = client.get(conf.issuer_path)
        assert answer.status_code == 404
        assert f"The metadata of {conf.issuer}" in answer.json()["error_description"]


def test_a_machine_endpoint_has_one_address(client: Browser) -> None:
    assert client.get(f"{conf.issuer_path}/token/").status_code == 404
