"""Callers of the management API: people by their session, and agents by tokens of this very server."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest
from django.http import HttpResponse
from django.test import Client as Browser

from authz.configuration import apply
from authz.configuration.api_resource import SCOPES, identifier
from authz.models import User
from tests.support.world import REDIRECT, SECRET, World

BACKEND = "authz.sign_in.password_backend.PasswordBackend"
PEOPLE = {"administrator": "alice", "approver": "bob", "none": "charlie", "auditor": "dana", "developer": "erin"}


@dataclass(slots=True)
class Caller:
    """Speaks JSON to `/api/v1/`."""

    browser: Browser
    headers: dict[str, str] = field(default_factory=dict)

    def __call__(self, method: str, path: str, body: object = None, **headers: str) -> HttpResponse:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        content_type = headers.pop("content_type", "application/json")
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        response: Any = self.browser.generic(
            method, f"/api/v1/{path}", content, content_type=content_type, headers=self.headers | named
        )
        return response  # type: ignore[no-any-return]

    def get(self, path: str) -> Any:
        response = self("GET", path)
        assert response.status_code == 200, response.content
        return json.loads(response.content)

    def etag(self, path: str) -> str:
        return self("GET", path)["ETag"]


def key(natural: str) -> str:
    """A natural key in a path."""
    return quote(natural, safe="")


def problem(response: HttpResponse) -> dict[str, Any]:
    assert response["Content-Type"] == "application/problem+json", response.content
    return json.loads(response.content)


@pytest.fixture
def person(gatehouse: World) -> Callable[[str], Caller]:
    """A person of this role, signed in."""

    def signed_in(role: str, *, csrf: bool = False) -> Caller:
        user, _ = User.objects.get_or_create(username=PEOPLE[role])
        user.role = role
        user.save()
        browser = Browser(enforce_csrf_checks=csrf)
        browser.force_login(user, backend=BACKEND)
        return Caller(browser)

    return signed_in


def registered_api() -> None:
    """The API as a protected resource, with an agent for itself and one for people."""
    apply(
        json.dumps(
            {
                "resources": [
                    {
                        "identifier": identifier(),
                        "name": "Gatehouse management API",
                        "access_token_lifetime": 300,
                        "scopes": [
                            {"name": name, "description": text, "sensitivity": "high"} for name, text in SCOPES.items()
                        ],
                    }
                ],
                "clients": [
                    {
                        "client_id": "pipeline",
                        "status": "approved",
                        "grant_types": ["client_credentials"],
                        "client_secret": SECRET,
                    },
                    {
                        "client_id": "console-agent",
                        "status": "approved",
                        "grant_types": ["authorization_code", "refresh_token"],
                        "token_endpoint_auth_method": "none",
                        "redirect_uris": [REDIRECT],
                    },
                ],
                "rules": [
                    {
                        "name": "The pipeline configures",
                        "effect": "allow",
                        "clients": ["pipeline"],
                        "grant_types": ["client_credentials"],
                        "resources": [identifier()],
                        "scopes": ["*"],
                    },
                    {
                        "name": "Anybody may hand the API to the console agent",
                        "effect": "allow",
                        "clients": ["console-agent"],
                        "groups": ["*"],
                        "grant_types": ["authorization_code"],
                        "resources": [identifier()],
                        "scopes": ["*"],
                    },
                ],
            }
        )
    )


@pytest.fixture
def machine(gatehouse: World) -> Callable[[str], Caller]:
    """An agent for itself, by a token of these scopes."""
    registered_api()

    def with_token(scope: str) -> Caller:
        response = gatehouse.token(
            basic=("pipeline", SECRET), grant_type="client_credentials", resource=identifier(), scope=scope
        )
        return bearer(json.loads(response.content)["access_token"])

    return with_token


@pytest.fixture
def through_agent(gatehouse: World) -> Callable[[str, str], Caller]:
    """A person of this role through an agent, by a token of these scopes."""
    registered_api()

    def with_token(role: str, scope: str) -> Caller:
        user, made = User.objects.get_or_create(username=PEOPLE[role])
        user.role = role
        if made:
            user.set_password(f"{PEOPLE[role]}-password")
        user.save()
        gatehouse.browser.logout()
        agent = {"client_id": "console-agent", "resource": identifier()}
        code = gatehouse.authorize(username=PEOPLE[role], scope=scope, **agent)["code"]
        tokens = json.loads(gatehouse.redeem(code, **agent).content)
        return bearer(tokens["access_token"])

    return with_token


def bearer(token: str) -> Caller:
    return Caller(Browser(), {"authorization": f"Bearer {token}"})
