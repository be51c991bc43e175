"""Whose access a call is about: the calling agent's, or that of an agent which its person owns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from authz import decisions, resources
from authz.decisions import made_up_calls
from authz.decisions.preflight import MACHINE_GRANT, PERSON_GRANT
from authz.mcp_server.caller import Caller
from authz.mcp_server.schemas import Schema, choice, text
from authz.mcp_server.tool import ToolError
from authz.models import Client, ProtectedResource, User
from authz.policy import AccessQuestion
from authz.protocol.errors import OAuthError
from authz.sign_in.sign_in import signed_in_now

ME, AGENT = "me", "agent"
# What tools take that are about an agent's access.
WHOSE: Mapping[str, Schema] = {
    "agent": text("The client_id of an agent that you own; left out: the agent that calls."),
    "for": choice(
        "“me”: what the agent may do for the person who is signed in. “agent”: what it may do for itself.", ME, AGENT
    ),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """An agent, for a person or (None) for itself, and the grant by which it comes."""

    client: Client
    person: User | None
    grant_type: str

    def question(self, server: ProtectedResource, scopes: list[str], now: float) -> AccessQuestion:
        return decisions.access_question(
            client=self.client,
            # Requirements beyond a sign-in of this moment are shown as missing.
            sign_in=signed_in_now(self.person, now),
            grant_type=self.grant_type,
            resource=server,
            scopes=scopes,
        )

    def of_its_own(self) -> Q:
        """Rows of this agent for this person, or for itself."""
        return Q(client=self.client, user=self.person)


def subject_of(caller: Caller, arguments: Mapping[str, Any]) -> Subject:
    """Whose access it is about. Raises `ToolError` for an agent that is none of the caller's.

    Attack: rights beyond the asker's. An agent speaks of itself; of another one only where its person owns that.
    """
    named, whose = arguments.get("agent"), arguments.get("for", ME if caller.person else AGENT)
    if whose == ME and caller.person is None:
        raise ToolError("This agent acts for itself: leave out `for`, or say “agent”.")
    owned = Client.objects.select_related("owner").filter(owner=caller.person)
    client = caller.client
    if named not in (None, caller.client.client_id) or (whose == AGENT and caller.person is not None):
        found = owned.filter(client_id=named or caller.client.client_id).first() if caller.person else None
        if found is None:
            raise ToolError("You can ask for the agent that calls, for you; for another one only where you own it.")
        client = found
    if whose == AGENT:
        return Subject(client, None, MACHINE_GRANT)
    is_same = client.pk == caller.client.pk
    return Subject(client, caller.person, caller.token.authorization.grant_type if is_same else PERSON_GRANT)


def server_of(arguments: Mapping[str, Any]) -> ProtectedResource:
    """The MCP server that a call names. Raises `ToolError`."""
    try:
        return resources.requested(arguments["server"])
    except OAuthError:
        raise ToolError("server: is no MCP server of this organisation. Use the URL that its metadata says.") from None


def scopes_of(arguments: Mapping[str, Any], server: ProtectedResource) -> list[str]:
    """The scopes that a call names; all that the server has, where it names none. Raises `ToolError`."""
    known = resources.scopes_of(server)
    named = list(dict.fromkeys(arguments.get("scopes", known)))
    if unknown := [name for name in named if name not in known]:
        raise ToolError(f"scopes: {unknown[0][:64]} is none of this server; there are {', '.join(known)}.")
    return named


def with_tool(question: AccessQuestion, arguments: Mapping[str, Any]) -> AccessQuestion:
    """The question about the call that `tool` and `arguments` name; without them, the one about a token."""
    given = arguments.get("arguments")
    if given is not None and "tool" not in arguments:
        raise ToolError("arguments: are those of a tool. Name it in `tool`, too.")
    return made_up_calls.with_call(question, arguments.get("tool", ""), given)
