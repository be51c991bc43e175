"""Two organisations for cross-app access: a company, whose people sign in there, and a software house with the Notes.

Their configurations are the demo's; `also` is what the tests add.
"""

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from string import Template
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests
import yaml

from demo.browser import Person
from demo.gatehouse import Gatehouse
from demo.processes import ROOT
from tests.interop.configuration import PASSWORD, REDIRECT_URI
from tests.interop.document_host import DocumentHost

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ID_JAG = "urn:ietf:params:oauth:token-type:id-jag"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"

Configuration = dict[str, list[Any]]


@dataclass(slots=True)
class CrossApp:
    """The company's Gatehouse issues ID-JAGs, the software house's redeems them for the MCP server `notes`."""

    company: Gatehouse
    saas: Gatehouse
    notes: str
    documents: DocumentHost
    method: str = "client_secret_basic"  # how the agent authenticates at the software house
    secrets: dict[str, str] = field(default_factory=dict)
    also: dict[str, Configuration] = field(default_factory=lambda: {"company": {}, "saas": {}})
    _applied: dict[str, str] = field(default_factory=dict)

    def configure(self) -> None:
        """Apply both configurations, as far as they have changed."""
        names = {
            "PASSWORD": PASSWORD,
            "BOBS_GROUP": "engineering",
            "NOTES": self.notes,
            "COMPANY": self.company.issuer,
            "SAAS": self.saas.issuer,
            "AGENT_AT_SAAS": "assistant-of-the-company",
            "AGENT_METHOD": self.method,
            "COMPANY_SECRET": self.secret("company"),
            "SAAS_SECRET": self.secret("saas"),
            "NOTES_SECRET": self.secret("notes"),
        }
        for house in (self.company, self.saas):
            text = Template((ROOT / f"demo/configuration/{house.name}.yaml").read_text()).substitute(names)
            configuration: Configuration = yaml.safe_load(text)
            for section, items in self.also[house.name].items():
                configuration[section] = [*configuration.get(section, []), *items]
            text = yaml.safe_dump(configuration)
            if self._applied.get(house.name) != text:
                house.apply(text)
                self._applied[house.name] = text

    def add(self, house: str, **sections: list[Any]) -> None:
        for section, items in sections.items():
            self.also[house].setdefault(section, []).extend(items)

    def secret(self, name: str) -> str:
        return self.secrets.setdefault(name, secrets.token_urlsafe(40))

    def ask(self, **more: Any) -> dict[str, Any]:
        """What a client script is told: both registrations of the agent, and an ID token of Bob's."""
        return {
            "mcp_server": self.notes,
            "company": {
                "issuer": self.company.issuer,
                "client_id": "desk-assistant",
                "client_secret": self.secret("company"),
            },
            "saas": {
                "issuer": self.saas.issuer,
                "client_id": "assistant-of-the-company",
                "client_secret": self.secret("saas"),
                "method": self.method,
            },
            "id_token": self.sign_in(),
        } | more

    def sign_in(self) -> str:
        """Bob signs in to the desk assistant at the company; his ID token."""
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        request = {
            "response_type": "code",
            "client_id": "desk-assistant",
            "redirect_uri": REDIRECT_URI,
            "scope": "openid",
            "state": "interop",
            "nonce": secrets.token_urlsafe(16),
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        endpoint = self.company.metadata()["authorization_endpoint"]
        redirect = Person("bob", PASSWORD).authorize(f"{endpoint}?{urlencode(request)}")
        code = parse_qs(urlsplit(redirect).query)["code"][0]
        answer = self.at_company(
            grant_type="authorization_code", code=code, redirect_uri=REDIRECT_URI, code_verifier=verifier
        )
        id_token: str = answer["id_token"]
        return id_token

    def id_jag(self, audience: str, resource: str, scope: str) -> str:
        """The company's ID-JAG for Bob."""
        answer = self.at_company(
            grant_type=TOKEN_EXCHANGE,
            requested_token_type=ID_JAG,
            subject_token=self.sign_in(),
            subject_token_type=ID_TOKEN,
            audience=audience,
            resource=resource,
            scope=scope,
        )
        assertion: str = answer["access_token"]
        return assertion

    def at_company(self, **params: str) -> dict[str, Any]:
        client = {"client_id": "desk-assistant", "client_secret": self.secret("company")}
        return token_request(self.company.issuer, params | client)


def token_request(issuer: str, params: dict[str, str], basic: tuple[str, str] | None = None) -> dict[str, Any]:
    answer = requests.post(f"{issuer}/token", data=params, auth=basic, timeout=60)
    assert answer.ok, answer.text
    document: dict[str, Any] = answer.json()
    return document
