"""The organisation's cross-app side: a corporate IdP that it trusts, agents, a workload, and a SaaS that trusts it."""

import base64
import hashlib
import json
import time
import uuid
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from authz.conf import conf
from authz.configuration import apply
from authz.outbound import Role, remote_keys
from authz.outbound.remote_documents import DocumentUnavailableError
from authz.protocol import jwks, jwts
from tests.support import rows, world
from xaa import id_jag
from xaa.models import SubjectLink, TrustedIssuer

IDP = "https://idp.example"
IDP_JWKS = "https://idp.example/jwks"
CHAT = "https://auth.chat.example/"
CHAT_MCP = "https://mcp.chat.example/"
AGENT = ("agent", "agent-secret-0123456789-0123456789-0123")
CHARLIES_AGENT = ("charlies-agent", "charlies-secret-0123456789-0123456789")
WEB_AGENT = ("web-agent", "web-agent-secret-0123456789-0123456789")
WORKLOAD_SUBJECT = "spiffe://test/workload"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ID_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:id_token"
REFRESH_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:refresh_token"

CONFIGURATION = f"""
clients:
  - client_id: {AGENT[0]}
    client_name: Agent
    status: approved
    grant_types: [authorization_code, refresh_token, "{TOKEN_EXCHANGE}", "{JWT_BEARER}"]
    token_endpoint_auth_method: client_secret_basic
    client_secret: {AGENT[1]}
    redirect_uris: ["{world.REDIRECT}"]
    post_logout_redirect_uris: ["https://app.example.com/bye"]
  - client_id: {CHARLIES_AGENT[0]}
    status: approved
    grant_types: [authorization_code, "{TOKEN_EXCHANGE}", "{JWT_BEARER}"]
    token_endpoint_auth_method: client_secret_basic
    client_secret: {CHARLIES_AGENT[1]}
    redirect_uris: ["{world.REDIRECT}"]
  - client_id: public-agent
    status: approved
    grant_types: [authorization_code, "{TOKEN_EXCHANGE}", "{JWT_BEARER}"]
    token_endpoint_auth_method: none
    redirect_uris: ["{world.REDIRECT}"]
  - client_id: wif-workload
    status: approved
    grant_types: ["{JWT_BEARER}"]
    token_endpoint_auth_method: none
  - client_id: reusing-workload
    status: approved
    grant_types: ["{JWT_BEARER}"]
    token_endpoint_auth_method: none
    reuse_assertions: true
trusted_issuers:
  - issuer: {IDP}
    name: Corporate IdP
    jwks_uri: {IDP_JWKS}
    accepts: [id-jag, id_token, workload]
    subjects: {{match: [sub, email], create: false}}
    client_ids: {{agent-at-idp: {AGENT[0]}}}
    workloads:
      - {{subject: "{WORKLOAD_SUBJECT}", client_id: wif-workload}}
      - {{subject: "repo:acme/app:*", client_id: reusing-workload, claims: {{environment: production}}}}
resource_authorization_servers:
  - issuer: {CHAT}
    name: Chat
    resources: [{{identifier: "{CHAT_MCP}", scopes: [chat.read, chat.history]}}]
    client_ids: {{{AGENT[0]}: agent-at-chat}}
rules:
  - name: Engineers reach Notes across apps
    effect: allow
    clients: ["{AGENT[0]}"]
    groups: [engineering]
    grant_types: ["{JWT_BEARER}"]
    resources: ["{world.NOTES}"]
    scopes: ["mcp:read"]
    max_lifetime: 600
  - name: Workloads read notes
    effect: allow
    clients: [wif-workload, reusing-workload]
    grant_types: ["{JWT_BEARER}"]
    resources: ["{world.NOTES}"]
    scopes: ["mcp:read"]
  - name: Engineers reach Chat
    effect: allow
    clients: ["*"]
    groups: [engineering]
    grant_types: ["{TOKEN_EXCHANGE}"]
    resources: ["{CHAT_MCP}"]
    scopes: [chat.read, chat.history]
"""


class Idp:
    """A foreign issuer: its key, and what it signs."""

    def __init__(self, issuer: str = IDP) -> None:
        self.issuer = issuer
        self.rotate("key-1")

    def rotate(self, kid: str, key: Any = None, alg: str = "ES256") -> None:
        self.kid, self.alg = kid, alg
        self.key = key or ec.generate_private_key(ec.SECP256R1())

    @property
    def keys(self) -> tuple[jwks.Key, ...]:
        return jwts.keys_from_jwks({"keys": [jwks.public_jwk(self.key.public_key(), kid=self.kid, alg=self.alg)]})

    def sign(self, claims: dict[str, Any], typ: str) -> str:
        return jwts.signer(self.key, kid=self.kid, alg=self.alg, typ=typ).sign(
            {name: value for name, value in claims.items() if value is not None}
        )

    def id_jag(self, *, typ: str = id_jag.TYP, **changes: Any) -> str:
        """For Bob, by the agent, for Notes; a claim that is None is left out."""
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": "bob-at-idp",
            "aud": conf.issuer,
            "client_id": AGENT[0],
            "jti": uuid.uuid4().hex,
            "iat": now,
            "exp": now + 300,
            "resource": world.NOTES,
            "scope": "mcp:read",
            "auth_time": now - 60,
            "email": "bob@example.com",
            "email_verified": True,
        }
        return self.sign(claims | changes, typ)

    def id_token(self, *, typ: str = "JWT", **changes: Any) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": "bob-at-idp",
            "aud": "agent-at-idp",
            "iat": now,
            "exp": now + 300,
            "auth_time": now - 60,
            "email": "bob@example.com",
            "email_verified": True,
        }
        return self.sign(claims | changes, typ)

    def workload(self, *, typ: str = "JWT", **changes: Any) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": WORKLOAD_SUBJECT,
            "aud": conf.issuer,
            "jti": uuid.uuid4().hex,
            "iat": now,
            "exp": now + 300,
        }
        return self.sign(claims | changes, typ)


class Company(world.World):
    """The world's server with its cross-app side, and the ways to use it."""

    def __init__(self) -> None:
        super().__init__()
        self.idp = Idp()

    def idp_link(self, username: str) -> None:
        """Link a person of ours to their identity at the IdP."""
        issuer = TrustedIssuer.objects.get(issuer=IDP)
        SubjectLink.objects.create(issuer=issuer, subject=f"{username}-at-idp", user=world.person(username))

    def redeem_assertion(self, assertion: str, basic: tuple[str, str] | None = AGENT, **params: Any) -> Any:
        return self.token(basic=basic, grant_type=JWT_BEARER, assertion=assertion, **params)

    def exchange(self, subject_token: str, basic: tuple[str, str] | None = AGENT, **changes: Any) -> Any:
        return self.token(basic=basic, **self.exchange_form(subject_token, **changes))

    def exchange_form(self, subject_token: str, **changes: Any) -> dict[str, Any]:
        params = {
            "grant_type": TOKEN_EXCHANGE,
            "requested_token_type": id_jag.TOKEN_TYPE,
            "audience": CHAT,
            "resource": CHAT_MCP,
            "scope": "chat.read",
            "subject_token": subject_token,
            "subject_token_type": ID_TOKEN_TYPE,
        }
        params |= changes
        return {name: value for name, value in params.items() if value is not None}

    def login(self, username: str = "bob", basic: tuple[str, str] = AGENT, **changes: Any) -> dict[str, Any]:
        """Sign a person in to the agent; the token response, with its ID token."""
        params: dict[str, Any] = {
            "client_id": basic[0],
            "scope": "openid email groups",
            "resource": None,
            "nonce": "n-0S6",
        }
        code = self.authorize(username=username, **(params | changes))["code"]
        response = self.token(
            basic=basic,
            grant_type="authorization_code",
            code=code,
            redirect_uri=world.REDIRECT,
            code_verifier=world.VERIFIER,
        )
        assert response.status_code == 200, response.content
        return json.loads(response.content)


def with_keys(company: Company, monkeypatch: pytest.MonkeyPatch) -> Company:
    """The IdP's keys are at hand, without a network."""

    def keys(jwks_uri: str, role: Role, *, kid: str | None = None) -> tuple[jwks.Key, ...]:
        if jwks_uri != IDP_JWKS:
            raise DocumentUnavailableError("dns")
        return company.idp.keys

    monkeypatch.setattr(remote_keys, "keys", keys)
    return company


def build() -> Company:
    """On top of the world."""
    rows.make(_apply)
    return Company()


def _apply() -> None:
    apply(CONFIGURATION)


def refused(response: Any) -> tuple[int, str]:
    """The status and the error of a refusal."""
    return response.status_code, json.loads(response.content)["error"]


def left_half(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()[:16]).rstrip(b"=").decode()
