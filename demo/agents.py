"""The demo's agents: MCP clients of the official Python SDK, each with its own way of getting a token."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp.client import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.extensions.client_credentials import (
    ClientCredentialsOAuthProvider,
    PrivateKeyJWTOAuthProvider,
    SignedJWTParameters,
)
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
    """One MCP client. `heard` is told of every HTTP response it gets, the sign-in's as well as MCP's."""

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
            httpx2.AsyncClient(auth=self.auth, timeout=30, event_hooks={"response": [hear]}) as http,
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
    answers: list[str] = []

    async def open_browser(url: str) -> None:
        person.told(f"opens {url.partition('?')[0]}")
        answers.append(await asyncio.to_thread(person.authorize, url))

    async def wait_for_callback() -> AuthorizationCodeResult:
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
