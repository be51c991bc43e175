"""Enterprise-managed authorization as Claude speaks it: a published document, and no secret (decisions 0050, 0051).

ID token → ID-JAG → access token → MCP tool. Both legs are ours; then each is met by another implementation.
"""

import base64
import hashlib
import json
import secrets
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest
import requests
from django.utils.text import slugify

from demo import environments
from demo.browser import Person
from demo.gatehouse import Gatehouse
from demo.processes import Server, environment, free_port
from tests.cimd.documents import CLAUDE_CODE
from tests.interop.configuration import PASSWORD, KeyPair, key_pair
from tests.interop.conftest import HERE, claims, run
from tests.interop.cross_app import ID_JAG, ID_TOKEN, JWT_BEARER, TOKEN_EXCHANGE, token_request
from tests.interop.document_host import DocumentHost
from tests.support import databases
from tests.xaa.shapes import SHAPES

PATH = "/oauth/claude-code-client-metadata"
CALLBACK = "http://localhost:51999/callback"  # any port of the loopback address that the document names
OTHER_IDP = "/other-idp"


@dataclass(slots=True)
class Claude:
    """The company signs people in and issues ID-JAGs; the software house redeems them for its Notes."""

    company: Gatehouse
    saas: Gatehouse
    notes: str
    documents: DocumentHost

    @property
    def client_id(self) -> str:
        return self.documents.url(PATH)

    def configure(self, *, fastmcp: str = "", is_named: bool = True) -> None:
        bob = {"username": "bob", "password": PASSWORD, "email": "bob@company.example", "groups": ["engineering"]}
        rule = {"effect": "allow", "clients": [self.client_id], "groups": ["engineering"]}
        named = ["localhost"] if is_named else []
        targets = {self.saas.issuer: self.notes} | ({fastmcp: f"{fastmcp}/mcp"} if fastmcp else {})
        company = {
            "users": [bob],
            "cimd": {"trusted_hosts": ["localhost"], "public_exchange_hosts": named},
            "resource_authorization_servers": [
                {"issuer": issuer, "resources": [{"identifier": resource, "scopes": ["mcp:read", "notes:read"]}]}
                for issuer, resource in targets.items()
            ],
            "rules": [
                rule
                | {
                    "name": "Engineers take Claude along",
                    "grant_types": ["authorization_code", TOKEN_EXCHANGE],
                    "resources": [*targets.values()],
                    "scopes": ["mcp:read", "notes:read"],
                }
            ],
        }
        trusted = {"accepts": ["id-jag"], "subjects": {"match": ["sub", "email"]}, "public_clients": named}
        other = self.documents.url(OTHER_IDP)
        saas = {
            "users": [bob],
            "cimd": {"trusted_hosts": ["localhost"]},
            "resources": [{"identifier": self.notes, "name": "Notes", "scopes": [{"name": "mcp:read"}]}],
            "trusted_issuers": [
                {"issuer": self.company.issuer, **trusted},
                {"issuer": other, "jwks_uri": f"{other}/keys", **trusted},
            ],
            "rules": [
                rule
                | {
                    "name": "Engineers read notes with Claude",
                    "grant_types": [JWT_BEARER],
                    "resources": [self.notes],
                    "scopes": ["mcp:read"],
                }
            ],
        }
        self.company.apply(json.dumps(company))
        self.saas.apply(json.dumps(saas))

    def id_token(self) -> str:
        """Bob signs in to Claude at the company."""
        verifier = secrets.token_urlsafe(48)
        request = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": CALLBACK,
            "scope": "openid email",
            "state": "interop",
            "code_challenge": base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        endpoint = self.company.metadata()["authorization_endpoint"]
        redirect = Person("bob", PASSWORD).authorize(f"{endpoint}?{urlencode(request)}")
        answer = token_request(
            self.company.issuer,
            {
                "grant_type": "authorization_code",
                "code": parse_qs(urlsplit(redirect).query)["code"][0],
                "redirect_uri": CALLBACK,
                "code_verifier": verifier,
                "client_id": self.client_id,
            },
        )
        return str(answer["id_token"])

    def exchange(self, audience: str, **more: str) -> dict[str, str]:
        """The parameters of the exchange: no resource and no secret, as Claude sends them."""
        return {
            "grant_type": TOKEN_EXCHANGE,
            "requested_token_type": ID_JAG,
            "subject_token": self.id_token(),
            "subject_token_type": ID_TOKEN,
            "audience": audience,
            "client_id": self.client_id,
            **more,
        }

    def redemption(self, assertion: str) -> dict[str, str]:
        return {"grant_type": JWT_BEARER, "assertion": assertion, "client_id": self.client_id}


@pytest.fixture(scope="module")
def claude(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Claude]:
    directory = tmp_path_factory.mktemp("claude")
    for name in ("company", "saas"):
        databases.prepare(directory / f"{name}.sqlite3")
    port = free_port()
    notes = f"http://127.0.0.1:{port}/mcp"
    with DocumentHost(directory) as documents:
        documents.documents[PATH] = CLAUDE_CODE | {"client_id": documents.url(PATH), "client_uri": documents.url("")}
        with Gatehouse(directory, name="company", settings=documents.settings) as company:
            settings = dict(documents.settings)
            settings["GATEHOUSE_OUTBOUND_ALLOWED_HOSTS"] += f",127.0.0.1:{company.port}"
            with Gatehouse(directory, name="saas", settings=settings) as saas:
                found = Claude(company, saas, notes, documents)
                found.configure()
                with Server(
                    name="notes",
                    command=[str(environments.python("mcp2")), "-m", "demo.notes_server", str(port), saas.metadata_url],
                    ready=notes,
                    log=directory / "notes.log",
                    env=environment(),
                ):
                    yield found


def tool(claude: Claude, mcp2: Path, server: str, access_token: str) -> dict[str, Any]:
    answer = run(mcp2, "python_mcp2/with_token.py", {"mcp_server": server, "access_token": access_token})
    found: dict[str, Any] = answer["tool"]
    return found


def test_from_an_id_token_to_a_tool_without_a_secret(claude: Claude, mcp2: Path) -> None:
    exchanged = token_request(claude.company.issuer, claude.exchange(claude.saas.issuer))
    assert (exchanged["issued_token_type"], exchanged["token_type"]) == (ID_JAG, "N_A")
    id_jag = claims(exchanged["access_token"])
    assert (id_jag["client_id"], id_jag["resource"]) == (claude.client_id, claude.notes)
    assert id_jag["exp"] - id_jag["iat"] <= 60
    redeemed = token_request(claude.saas.issuer, claude.redemption(exchanged["access_token"]))
    assert "refresh_token" not in redeemed
    assert redeemed["scope"] == "mcp:read"
    assert tool(claude, mcp2, claude.notes, redeemed["access_token"])["caller"]["client_id"] == claude.client_id
    again = requests.post(f"{claude.saas.issuer}/token", data=claude.redemption(exchanged["access_token"]), timeout=60)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


def test_neither_leg_is_open_where_no_administrator_says_so(claude: Claude) -> None:
    exchanged = token_request(claude.company.issuer, claude.exchange(claude.saas.issuer))
    token = claude.exchange(claude.saas.issuer)
    claude.configure(is_named=False)
    try:
        for issuer, params in (
            (claude.company.issuer, token),
            (claude.saas.issuer, claude.redemption(exchanged["access_token"])),
        ):
            answer = requests.post(f"{issuer}/token", data=params, timeout=60)
            assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")
    finally:
        claude.configure()


def test_fastmcp_redeems_the_id_jag_that_we_gave_claude(claude: Claude, mcp2: Path, tmp_path: Path) -> None:
    port = free_port()
    house = f"http://127.0.0.1:{port}"
    claude.configure(fastmcp=house)
    company = claude.company
    with Server(
        name="fastmcp",
        command=[
            *(str(mcp2), str(HERE / "python_mcp2/fastmcp_house.py"), str(port)),
            *(company.issuer, company.metadata()["jwks_uri"]),
        ],
        ready=f"{house}/mcp",
        log=tmp_path / "fastmcp.log",
        env=environment(FASTMCP_CLIENT=claude.client_id),
    ):
        exchanged = token_request(company.issuer, claude.exchange(house, scope="notes:read"))
        redeemed = token_request(house, claude.redemption(exchanged["access_token"]))
        assert tool(claude, mcp2, f"{house}/mcp", redeemed["access_token"])["notes"]


def of_another_issuer(claude: Claude, key: KeyPair, typ: str, said: dict[str, Any], lives: int = 60) -> str:
    """PyJWT writes it."""
    now = int(time.time())
    given = {
        "aud": claude.saas.issuer,
        "client_id": claude.client_id,
        "jti": str(uuid.uuid4()),
        "iat": now,
        "exp": now + lives,
    }
    return jwt.encode(
        {"iss": claude.documents.url(OTHER_IDP)} | said | given,
        key.private_pem,
        algorithm="RS256",
        headers={"typ": typ, "kid": "RS256-1"},
    )


EMA_4_3 = {"sub": "U019488227", "scope": "mcp:read mcp:write", "email": "bob@company.example", "email_verified": True}


def test_we_redeem_what_another_issuer_gave_claude(claude: Claude, mcp2: Path) -> None:
    """As enterprise-managed authorization §4.3 shows it, without a resource and for a minute."""
    key = key_pair("RS256")
    claude.documents.documents[f"{OTHER_IDP}/keys"] = key.jwks
    assertion = of_another_issuer(claude, key, "oauth-id-jag+jwt", EMA_4_3)
    asked = claude.redemption(assertion) | {"resource": claude.notes}
    redeemed = token_request(claude.saas.issuer, asked)
    assert redeemed["scope"] == "mcp:read"
    assert tool(claude, mcp2, claude.notes, redeemed["access_token"])["notes"]


@pytest.mark.parametrize("name", SHAPES)
def test_claude_redeems_what_identity_providers_write(claude: Claude, mcp2: Path, name: str) -> None:
    """Each in its own shape, from a key it publishes, and with what its administrator writes about it."""
    shape, key = SHAPES[name], key_pair("RS256")
    idp = claude.documents.url(f"/{slugify(name)}")
    claude.documents.documents[f"/{slugify(name)}/keys"] = key.jwks
    domains = {"email_domains": ["company.example"]} if "email_domains" in shape.keys else {}
    trusted = {
        "issuer": idp,
        "jwks_uri": f"{idp}/keys",
        "accepts": ["id-jag"],
        "public_clients": ["localhost"],
        "public_client_lifetime": shape.lives,
    }
    claude.saas.apply(json.dumps({"trusted_issuers": [trusted | shape.keys | domains]}))
    said = shape.claims | {"iss": idp, "email": "bob@company.example"}
    said |= {"resource": claude.notes} if "resource" in said else {}
    assertion = of_another_issuer(claude, key, str(shape.header["typ"]), said, shape.lives)
    asked = claude.redemption(assertion) | {"resource": claude.notes, "scope": "mcp:read"}
    redeemed = token_request(claude.saas.issuer, asked)
    assert redeemed["scope"] == "mcp:read"
    assert tool(claude, mcp2, claude.notes, redeemed["access_token"])["notes"]
