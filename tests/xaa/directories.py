"""A directory that provisions by SCIM: its requests, as its client sends them."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.test import Client

from authz.conf import conf
from authz.configuration import apply
from authz.models import User
from xaa.models import Directory, DirectoryPerson
from xaa.scim import tokens

IDP = "https://idp.example"
OTHER_IDP = "https://other-idp.example"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
CONFIGURATION = f"""
trusted_issuers:
  - issuer: {OTHER_IDP}
    accepts: [id-jag]
    subjects: {{match: [sub], create: true}}
directories:
  - {{name: Okta, issuer: "{IDP}", subject: externalId, groups: [engineering, "okta-*"]}}
  - {{name: Other, issuer: "{OTHER_IDP}", subject: externalId, groups: ["*"]}}
  - {{name: Own, groups: ["*"]}}
"""


@dataclass
class Answer:
    status: int
    body: dict[str, Any]
    headers: Any


class Scim:
    """The client of one directory."""

    def __init__(self, name: str, token: str | None = None) -> None:
        self.directory = Directory.objects.get(name=name)
        self.token = token or tokens.make(self.directory, days=1, by="test", now=datetime.now(UTC))
        self.browser = Client()

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        given = {} if body is None else {"data": json.dumps(body), "content_type": "application/scim+json"}
        found: Any = self.browser.generic(
            method,
            f"{conf.issuer_path}/scim/v2{path}",
            headers={"authorization": f"Bearer {self.token}", **headers},
            **given,  # type: ignore[arg-type]
        )
        if found.content:
            assert found.headers["Content-Type"] == "application/scim+json", found.headers
        return Answer(found.status_code, json.loads(found.content or "{}"), found.headers)

    def person(self, user_name: str = "ann@acme.example", **more: Any) -> dict[str, Any]:
        body = {"schemas": [USER], "userName": user_name, "externalId": f"00u-{user_name}", **more}
        found = self.ask("POST", "/Users", body)
        assert found.status == 201, found.body
        return found.body

    def group(self, name: str, *members: str) -> dict[str, Any]:
        values = [{"value": member} for member in members]
        found = self.ask("POST", "/Groups", {"schemas": [GROUP], "displayName": name, "members": values})
        assert found.status == 201, found.body
        return found.body

    def patch(self, path: str, *operations: dict[str, Any], **headers: str) -> Answer:
        return self.ask("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)}, **headers)


def configure() -> None:
    apply(CONFIGURATION)


def user_of(resource: dict[str, Any]) -> User:
    return DirectoryPerson.objects.select_related("user").get(pk=resource["id"]).user
