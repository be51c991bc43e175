"""Rules that speak of tools hold for our own, too: each call is decided."""

from collections.abc import Callable

from authz.configuration.mcp_resource import identifier
from authz.models import AccessRequest, AuditEvent
from tests.mcp.conftest import NOTES, Agent, add_rule
from tests.mcp.deciding import approve
from tests.support.world import World

Agents = Callable[..., Agent]


def test_a_tool_is_denied(agent: Agents) -> None:
    add_rule(
        name="Assistants end nothing",
        effect="deny",
        clients=["assistant"],
        groups=["*"],
        resources=[identifier()],
        scopes=["*"],
        tools=["end_access"],
    )
    bob = agent("bob")
    assert bob.fails("end_access", server=NOTES) == "The organisation’s rules do not allow this call."
    assert bob.data("my_access")["authorizations"], "the token, and the other tools, are as they were"
    event = AuditEvent.objects.get(event="access:call:denied")
    assert (event.reason, event.detail["tool"], event.client_id) == ("call_denied", "end_access", "assistant")


def test_a_call_is_approved_once(agent: Agents) -> None:
    add_rule(
        name="A keeper is asked before access is ended",
        effect="require_approval",
        clients=["assistant"],
        groups=["*"],
        resources=[identifier()],
        scopes=["*"],
        tools=["end_access"],
        approvers={"groups": ["keepers"]},
    )
    bob = agent("bob")
    assert "ask a person about this call first" in bob.fails("end_access", server=NOTES)
    asked = bob.data(
        "request_access",
        server=identifier(),
        tool="end_access",
        arguments={"server": NOTES},
        reason="It is not needed any more",
    )
    approve(asked["request"], "access:read", "access:request", "audit:read", lasts="once")
    assert AccessRequest.objects.get(pk=asked["request"]).once

    assert bob.data("end_access", server=NOTES)["ended"] == 0
    assert "first" in bob.fails("end_access", server=NOTES), "it was for one call"
    assert AuditEvent.objects.filter(event="access:call:held").count() == 2


def test_a_rule_of_other_servers_tools_changes_nothing(agent: Agents, served: World) -> None:
    add_rule(
        name="No reading of notes",
        effect="deny",
        clients=["*"],
        groups=["*"],
        resources=[NOTES],
        scopes=["*"],
        tools=["my_access"],
    )
    assert agent("bob").data("my_access")
