"""A keeper at the console's own page, as a browser."""

from typing import Any

from django.test import Client as Browser

from tests.mcp.conftest import person
from tests.support.world import submit

BACKEND = "authz.sign_in.password_backend.PasswordBackend"


def decide(request: str, by: str = "olga", **form: Any) -> None:
    """Open the page of an access request, and press its button. `form`: `decision`, `scopes`, `lasts`, `comment`."""
    browser = Browser()
    browser.force_login(person(by), backend=BACKEND)
    path = f"/account/requests/{request}/decide"
    answer = submit(browser, path, form)
    assert answer.status_code == 302, answer.content


def approve(request: str, *scopes: str, by: str = "olga", lasts: str = "8h") -> None:
    decide(request, by, decision="approve", scopes=list(scopes), lasts=lasts, comment="")


def deny(request: str, comment: str, by: str = "olga") -> None:
    decide(request, by, decision="deny", comment=comment, lasts="8h", scopes=[])
