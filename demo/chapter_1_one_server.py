"""Chapter one: one Gatehouse, one MCP server, three agents that get a token in three ways, and one that gets none."""

import json
import secrets
import sys
from string import Template
from typing import Any

import jwt
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from demo import agents
from demo.browser import CannotGoOn, Person
from demo.gatehouse import Gatehouse
from demo.narrator import Narrator
from demo.processes import ROOT, Server, environment, free_port

REDIRECT_URI = "http://127.0.0.1:3333/callback"


def tell_it(tell: Narrator, gatehouse: Gatehouse) -> None:
    notes_port = free_port()
    notes = f"http://127.0.0.1:{notes_port}/mcp"
    password, report_secret, notes_secret = (secrets.token_urlsafe(32) for _ in range(3))
    indexer_key, indexer_jwks = es256_key()
    configuration = Template((ROOT / "demo/configuration/notes.yaml").read_text()).substitute(
        PASSWORD=password,
        NOTES=notes,
        REPORT_SECRET=report_secret,
        NOTES_SECRET=notes_secret,
        INDEXER_JWKS=json.dumps(indexer_jwks),
    )

    tell.step(
        "Gatehouse starts", "A server process of its own, with an empty SQLite database, configured by a YAML file."
    )
    with gatehouse:
        metadata = gatehouse.metadata()
        tell.say("Gatehouse", f"issuer {metadata['issuer']}")
        tell.say("", f"grants {', '.join(metadata['grant_types_supported'])}")
        tell.say("", f"client authentication {', '.join(metadata['token_endpoint_auth_methods_supported'])}")
        changes = gatehouse.apply(configuration).strip().splitlines()
        tell.say("Alice", "runs `manage.py apply demo/configuration/notes.yaml`:")
        for line in changes:
            tell.say("", line)

        tell.step(
            "An MCP server stands behind it",
            "Built with fastmcp; it verifies JWTs with the keys that Gatehouse publishes, and sends no other request.",
        )
        notes_server = Server(
            name="notes",
            command=[sys.executable, "-m", "demo.notes_server", str(notes_port), gatehouse.metadata_url],
            ready=notes,
            log=gatehouse.directory / "notes.log",
            env=environment(),
        )
        with notes_server:
            refused = requests.post(notes, json={}, timeout=60)
            tell.say("no client", f"→ POST {notes} without a token")
            tell.say("", f"← {refused.status_code} {refused.headers.get('www-authenticate', '')}")
            tell.expect(refused.status_code == 401, "without a token the MCP server answers 401")

            machine_with_a_secret(tell, gatehouse, notes, report_secret)
            machine_with_a_key(tell, gatehouse, notes, indexer_key)
            bobs_token = person(tell, gatehouse, notes, password)
            a_person_without_a_rule(tell, notes, password)
            revocation(tell, metadata, bobs_token, notes_secret)


def machine_with_a_secret(tell: Narrator, gatehouse: Gatehouse, notes: str, secret: str) -> None:
    tell.step(
        "A machine client with a secret",
        "client_credentials with HTTP Basic (SEP-1046): it acts for itself.",
    )
    agent = agents.with_secret(
        notes, gatehouse.issuer, "nightly-report", secret, lambda response: tell.exchange("Nightly report", response)
    )
    show_tool_call(tell, gatehouse, agent, notes, "nightly-report")


def machine_with_a_key(tell: Narrator, gatehouse: Gatehouse, notes: str, private_pem: str) -> None:
    tell.step(
        "A machine client with a private key",
        "private_key_jwt (RFC 7523): the server knows the public key only; there is no secret that could leak from it.",
    )
    agent = agents.with_private_key(
        notes, gatehouse.issuer, "indexer", private_pem, lambda response: tell.exchange("Indexer", response)
    )
    show_tool_call(tell, gatehouse, agent, notes, "indexer")


def person(tell: Narrator, gatehouse: Gatehouse, notes: str, password: str) -> agents.Memory:
    tell.step(
        "An agent that acts for a person",
        "Authorization code with PKCE: Bob signs in, reads the consent page and agrees. The agent refreshes later.",
    )
    bob = Person("bob", password, told=lambda what: tell.say("Bob", what))
    agent = agents.for_a_person(
        notes, "desk-assistant", REDIRECT_URI, bob, lambda response: tell.exchange("Desk assistant", response)
    )
    first, second = agent.read_notes(times=2, between=lambda: later(tell, agent))
    tell.say("Notes", json.dumps(first))
    old, new = agent.memory.history
    claims = tell.token(new.access_token)
    tell.expect(
        claims["aud"] == notes and claims["client_id"] == "desk-assistant",
        "the token is for the Notes and for this agent",
    )
    tell.expect(claims["sub"] not in {"bob", "desk-assistant"}, "it names Bob by an opaque identifier")
    tell.expect(
        first == second and old.access_token != new.access_token,
        "the agent refreshed its token without asking Bob again",
    )
    tell.expect(old.refresh_token != new.refresh_token, "and the refresh token was rotated")
    return agent.memory


def later(tell: Narrator, agent: agents.Agent) -> None:
    tell.say("Desk assistant", "… ten minutes later its access token has expired")
    agent.forget_freshness()


def a_person_without_a_rule(tell: Narrator, notes: str, password: str) -> None:
    tell.step(
        "A person that no rule allows",
        "Charlie has an account, but he is no engineer. Nothing is allowed unless a rule allows it.",
    )
    charlie = Person("charlie", password, told=lambda what: tell.say("Charlie", what))
    agent = agents.for_a_person(notes, "desk-assistant", REDIRECT_URI, charlie, lambda _: None)
    try:
        agent.read_notes()
    except* (PermissionError, CannotGoOn) as refusal:
        tell.say("Gatehouse", str(first_leaf(refusal)))
    tell.expect(agent.memory.tokens is None, "Charlie's agent gets no token")


def revocation(tell: Narrator, metadata: dict[str, Any], memory: agents.Memory, notes_secret: str) -> None:
    tell.step(
        "Bob's agent signs out",
        "Revoking the refresh token ends everything that came from Bob's consent; introspection says so at once.",
    )
    assert memory.tokens is not None
    token = memory.tokens.access_token

    def active() -> bool:
        answer = requests.post(
            metadata["introspection_endpoint"], data={"token": token}, auth=("notes-server", notes_secret), timeout=60
        )
        tell.say(
            "Notes server",
            f"→ POST {metadata['introspection_endpoint']}  ← {answer.status_code} active={answer.json()['active']}",
        )
        return bool(answer.json()["active"])

    tell.expect(active(), "before: the token is active")
    answer = requests.post(
        metadata["revocation_endpoint"],
        data={"token": memory.tokens.refresh_token, "client_id": "desk-assistant"},
        timeout=60,
    )
    tell.say("Desk assistant", f"→ POST {metadata['revocation_endpoint']}  ← {answer.status_code}")
    tell.expect(not active(), "after: it is not")


def show_tool_call(tell: Narrator, gatehouse: Gatehouse, agent: agents.Agent, notes: str, client_id: str) -> None:
    (answer,) = agent.read_notes()
    assert agent.memory.tokens is not None
    tell.say("Notes", json.dumps(answer))
    claims = tell.token(agent.memory.tokens.access_token)
    tell.expect(answer["notes"] and answer["caller"]["client_id"] == client_id, "the MCP tool answered")
    tell.expect(
        claims["iss"] == gatehouse.issuer and claims["aud"] == notes,
        "the token is Gatehouse's, and good for the Notes only",
    )


def es256_key() -> tuple[str, dict[str, Any]]:
    """A new P-256 key: PKCS #8 PEM and the JWKS of its public half."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = jwt.get_algorithm_by_name("ES256").to_jwk(key.public_key(), as_dict=True)
    return pem.decode(), {"keys": [public | {"kid": "indexer-1", "alg": "ES256", "use": "sig"}]}


def first_leaf(group: BaseException) -> BaseException:
    return first_leaf(group.exceptions[0]) if isinstance(group, BaseExceptionGroup) else group
