"""What may I reach, why not, and who can approve it?"""

from collections.abc import Callable

import pytest

from authz.models import Client
from tests.mcp.conftest import NOTES, PAYROLL, Agent, add_rule
from tests.support.world import World

Agents = Callable[..., Agent]


def test_all_that_is_in_reach(agent: Agents) -> None:
    found = {item["server"]: item for item in agent("bob").data("explain_access")["servers"]}

    assert found[NOTES]["outcome"] == "allowed"
    assert found[NOTES]["allowed"] == ["mcp:read", "mcp:write"]
    assert found[PAYROLL]["outcome"] == "needs_approval"
    assert found[PAYROLL]["needs_approval"] == ["payroll:read"]
    assert found[PAYROLL]["who_decides"] == "members of keepers"


def test_what_is_out_of_reach_is_told_of_a_server_that_is_named(agent: Agents) -> None:
    charlie = agent("charlie")
    assert NOTES not in {item["server"] for item in charlie.data("explain_access")["servers"]}
    (item,) = charlie.data("explain_access", server=NOTES)["servers"]
    assert item["outcome"] == "refused"
    assert item["not_allowed"] == ["mcp:read", "mcp:write"]
    assert item["who_decides"] == "the server’s owner or an administrator"


def test_it_is_the_same_whether_no_rule_allows_it_or_one_denies(agent: Agents, served: World) -> None:
    """Attack: rules read by asking."""
    charlie = agent("charlie")
    before = charlie.data("explain_access", server=NOTES)
    add_rule(name="Never visitors", effect="deny", clients=["*"], groups=["visitors"], resources=[NOTES], scopes=["*"])
    after = charlie.call("explain_access", server=NOTES)
    assert after["structuredContent"] == before
    assert "Never visitors" not in str(after)


def test_a_call_is_explained(agent: Agents) -> None:
    (item,) = agent().data("explain_access", server=NOTES, tool="read_notes", arguments={"n": 1})["servers"]
    assert item["outcome"] == "allowed"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"server": "https://unknown.example/mcp"}, "server: is no MCP server of this organisation."),
        ({"server": "no url"}, "server: is no MCP server of this organisation."),
        ({"server": NOTES, "scopes": ["mcp:never"]}, "scopes: mcp:never is none of this server"),
        ({"server": NOTES, "scopes": []}, "scopes: does not fit minItems"),
        ({"server": 7}, "server: is of the type string."),
        ({"servers": NOTES}, "arguments: servers is not known; there are server, scopes"),
        ({"server": NOTES, "arguments": {}}, "arguments: are those of a tool."),
        ({"scopes": ["mcp:read"]}, "scopes: belongs to a server."),
        ({"server": NOTES, "for": "everyone"}, "for: is one of me, agent."),
    ],
)
def test_wrong_arguments_are_named(agent: Agents, arguments: dict[str, object], told: str) -> None:
    assert agent().fails("explain_access", **arguments).startswith(told)


class TestWhose:
    """Rights beyond the asker's: an agent speaks of itself; of another one only where its person owns that."""

    def test_an_agent_of_another_person_is_refused(self, agent: Agents) -> None:
        told = agent("bob").fails("explain_access", agent="nightly-report", **{"for": "agent"})
        assert told == agent("bob").fails("explain_access", agent="no-such-agent", **{"for": "agent"})
        assert agent("bob").fails("explain_access", agent="nightly-report") == told

    def test_an_own_agent_is_explained(self, agent: Agents) -> None:
        found = agent("bob").data("explain_access", agent="robot", server=PAYROLL, **{"for": "agent"})
        assert found["servers"][0]["outcome"] == "needs_approval"

    def test_an_agent_that_the_person_does_not_own_is_not_spoken_of_for_itself(self, agent: Agents) -> None:
        assert agent("bob").fails("explain_access", **{"for": "agent"}).startswith("You can ask for the agent")

    def test_a_machine_speaks_for_itself_alone(self, robot: Agent) -> None:
        assert robot.data("explain_access", server=PAYROLL)["servers"][0]["outcome"] == "needs_approval"
        assert robot.fails("explain_access", **{"for": "me"}).startswith("This agent acts for itself")
        Client.objects.filter(client_id="assistant").update(owner=None)
        assert robot.fails("explain_access", agent="assistant").startswith("You can ask for the agent")
        assert robot.fails("explain_access", agent="assistant", **{"for": "agent"}).startswith("You can ask")


def test_what_an_agent_holds_and_ends(agent: Agents) -> None:
    bob = agent("bob")
    held = bob.data("my_access")["authorizations"]
    assert [item["server"] for item in held] == ["http://127.0.0.1:8000/o/mcp"]

    assert bob.data("end_access", server=NOTES) == {"server": NOTES, "ended": 0}
    assert bob.data("end_access", server="http://127.0.0.1:8000/o/mcp")["ended"] == 1
    assert bob.send("tools/list").status_code == 401


def test_ending_ends_nothing_of_others(agent: Agents, served: World) -> None:
    """Attack: an agent that ends what other agents, or other people, hold."""
    token = served.signed_in_tokens()["access_token"]  # desktop-app for bob at Notes
    assert agent("bob").data("end_access", server=NOTES)["ended"] == 0
    assert agent("alice").data("end_access", server=NOTES)["ended"] == 0
    assert served.introspect(token)["active"] is True
    assert agent("bob").fails("end_access", server=NOTES, agent="desktop-app").startswith("You can ask for the agent")
