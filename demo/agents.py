"""The demo's agents: MCP clients of the official Python SDK, each with its own way of getting a token."""

import asyncio
import base64
import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
from mcp.client import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.extensions.client_credentials import (
    ClientCredentialsOAuthProvider,
    PrivateKeyJWTOAuthProvider,
    SignedJWTParameters,
)
from mcp.client.auth.extensions.identity_assertion import IdentityAssertionOAuthProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

from demo.browser import Person

Heard = Callable[[httpx2.Response], None]


@dataclass(slots=True)
class Memory:
    """The SDK's TokenStorage."""

    client: OAuthClientInformationFull | None = None
    tokens: OAuthToken | None = None
    history: list[OAuthToken] = field(default_factory=list)

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens
        self.history.append(tokens)

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


@dataclass(slots=True)
class Agent:
    """One MCP client. `heard` is called with each HTTP response, of the sign-in and of MCP."""

    mcp_server: str
    auth: httpx2.Auth
    memory: Memory
    heard: Heard

    def read_notes(self, times: int = 1, between: Callable[[], None] = lambda: None) -> list[dict[str, Any]]:
        """Call the tool `read_notes`, with `between` done between two calls."""
        return asyncio.run(self._read_notes(times, between))

    async def _read_notes(self, times: int, between: Callable[[], None]) -> list[dict[str, Any]]:
        async def hear(response: httpx2.Response) -> None:
            if response.headers.get("content-type", "").startswith("application/json"):
                await response.aread()
            self.heard(response)

        answers: list[dict[str, Any]] = []
        async with (
            httpx2.AsyncClient(auth=self.auth, timeout=60, event_hooks={"response": [hear]}) as http,
            Client(streamable_http_client(self.mcp_server, http_client=http)) as client,
        ):
            for turn in range(times):
                if turn:
                    between()
                result = await client.call_tool("read_notes")
                answers.append(result.structured_content or {})
        return answers

    def forget_freshness(self) -> None:
        """As if the access token's lifetime had passed."""
        assert isinstance(self.auth, OAuthClientProvider)
        self.auth.context.token_expiry_time = time.time() - 1


def with_secret(mcp_server: str, issuer: str, client_id: str, client_secret: str, heard: Heard) -> Agent:
    memory = Memory()
    auth = ClientCredentialsOAuthProvider(
        mcp_server, memory, client_id=client_id, client_secret=client_secret, scope="mcp:read", issuer=issuer
    )
    return Agent(mcp_server, auth, memory, heard)


def with_private_key(mcp_server: str, issuer: str, client_id: str, private_pem: str, heard: Heard) -> Agent:
    memory = Memory()
    signer = SignedJWTParameters(
        issuer=client_id, subject=client_id, signing_key=private_pem, signing_algorithm="ES256"
    )
    auth = PrivateKeyJWTOAuthProvider(
        mcp_server, memory, client_id, signer.create_assertion_provider(), scope="mcp:read", issuer=issuer
    )
    return Agent(mcp_server, auth, memory, heard)


def for_a_person(mcp_server: str, client_id: str, redirect_uri: str, person: Person, heard: Heard) -> Agent:
    """An agent that acts for a person, by the code grant. Its flow raises PermissionError for an error response."""
    answers: list[str] = []

    async def open_browser(url: str) -> None:
        person.told(f"opens {url.partition('?')[0]}")
        answers.append(await asyncio.to_thread(person.authorize, url))

    async def wait_for_callback() -> AuthorizationCodeResult:
        """The parameters of the redirect. Raises PermissionError for an error response."""
        answer = {name: values[0] for name, values in parse_qs(urlsplit(answers[-1]).query).items()}
        person.told(f"is sent back to the agent with {', '.join(sorted(answer))}")
        if "error" in answer:
            raise PermissionError(f"{answer['error']}: {answer.get('error_description', '')}")
        return AuthorizationCodeResult(code=answer["code"], state=answer["state"], iss=answer["iss"])

    description = OAuthClientMetadata(
        redirect_uris=[redirect_uri],
        token_endpoint_auth_method="none",
        grant_types=["authorization_code", "refresh_token"],
    )
    memory = Memory(OAuthClientInformationFull(client_id=client_id, **description.model_dump()))
    auth = OAuthClientProvider(
        mcp_server, description, memory, redirect_handler=open_browser, callback_handler=wait_for_callback
    )
    return Agent(mcp_server, auth, memory, heard)


@dataclass(slots=True)
class AtCompany:
    """The agent at the company that its people belong to: signs them in, and trades that for ID-JAGs (RFC 8693)."""

    metadata: dict[str, Any]
    client_id: str
    client_secret: str
    redirect_uri: str
    heard: Heard
    id_token: str = ""
    id_jag: str = ""

    def sign_in(self, person: Person) -> None:
        """OpenID Connect with PKCE; keeps the ID token. Raises PermissionError for a response to another request."""
        verifier = secrets.token_urlsafe(48)
        digest = hashlib.sha256(verifier.encode()).digest()
        request = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": "openid email",
            "state": secrets.token_urlsafe(16),
            "nonce": secrets.token_urlsafe(16),
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        person.told(f"opens {self.metadata['authorization_endpoint']}")
        redirect = person.authorize(f"{self.metadata['authorization_endpoint']}?{urlencode(request)}")
        answer = {name: values[0] for name, values in parse_qs(urlsplit(redirect).query).items()}
        if answer.get("state") != request["state"] or answer.get("iss") != self.metadata["issuer"]:
            raise PermissionError(f"this is no answer to our request: {sorted(answer)}")
        tokens = self.token_request(
            grant_type="authorization_code",
            code=answer["code"],
            redirect_uri=self.redirect_uri,
            code_verifier=verifier,
        )
        self.id_token = tokens.json()["id_token"]

    def exchange(self, audience: str, resource: str) -> httpx2.Response:
        """Ask for an ID-JAG for one resource of one other authorization server, and keep it if there is one."""
        response = self.token_request(
            grant_type="urn:ietf:params:oauth:grant-type:token-exchange",
            requested_token_type="urn:ietf:params:oauth:token-type:id-jag",
            subject_token=self.id_token,
            subject_token_type="urn:ietf:params:oauth:token-type:id_token",
            audience=audience,
            resource=resource,
            scope="mcp:read",
        )
        self.id_jag = response.json().get("access_token", "")
        return response

    def token_request(self, **parameters: str) -> httpx2.Response:
        client = {"client_id": self.client_id, "client_secret": self.client_secret}
        response = httpx2.post(self.metadata["token_endpoint"], data=parameters | client, timeout=60)
        self.heard(response)
        return response


def across_apps(
    mcp_server: str, *, issuer: str, client_id: str, client_secret: str, at_company: AtCompany, heard: Heard
) -> Agent:
    """Enterprise-managed authorization (SEP-990): the agent brings the company's ID-JAG to the MCP server's issuer."""

    async def id_jag(audience: str, resource: str) -> str:
        await asyncio.to_thread(at_company.exchange, audience, resource)
        return at_company.id_jag

    memory = Memory()
    auth = IdentityAssertionOAuthProvider(
        mcp_server,
        memory,
        client_id=client_id,
        client_secret=client_secret,
        issuer=issuer,
        assertion_provider=id_jag,
        scope="mcp:read",
        token_endpoint_auth_method="client_secret_basic",
    )
    return Agent(mcp_server, auth, memory, heard)
