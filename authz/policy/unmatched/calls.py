"""Tools and labels that no call can have, and rules for calls where no MCP server asks about them."""

from collections.abc import Collection, Iterator, Sequence

from authz.policy.near_miss import did_you_mean, nearest
from authz.policy.reach import Server
from authz.policy.rules import Effect, Rule
from authz.policy.tool_calls import matches_tool
from authz.policy.unmatched.known import Finding, Known, Unmatched, entries
from authz.policy.unmatched.requests import named_servers


def calls(rule: Rule, known: Known) -> Iterator[Unmatched]:
    servers = named_servers(rule, known)
    if not servers:
        return  # said of the servers already
    yield from _tools(rule, servers)
    yield from _labels(rule, servers, known)
    if rule.is_of_calls and rule.effect is Effect.ALLOW and not any(server.asks_before_calls for server in servers):
        field = _of_calls(rule)
        problem = "None of the rule’s MCP servers asks before each call (decision_clients), so it permits nothing."
        yield Unmatched(field=field, value="", problem=problem, is_fatal=True)


def _of_calls(rule: Rule) -> str:
    """The field by which it speaks of calls."""
    if rule.tools is not None:
        return "tools"
    return "conditions.arguments" if rule.conditions.arguments else "conditions.unusual"


def _tools(rule: Rule, servers: Sequence[Server]) -> Iterator[Unmatched]:
    # A server that lists no tools may have any.
    if all(server.tools for server in servers):
        listed = {name for server in servers for name in server.tools}
        yield from entries("tools", rule.tools or (), lambda pattern: _tool(pattern, listed))


def _tool(pattern: str, listed: Collection[str]) -> Finding:
    if any(_overlap(pattern, name) for name in listed):
        return None
    near = nearest(pattern, listed)
    return "The rule’s MCP servers list no such tool." + did_you_mean(near), near


def _overlap(one: str, other: str) -> bool:
    """Whether a tool can be meant by both patterns."""
    return matches_tool(one, other.rstrip("*")) or matches_tool(other, one.rstrip("*"))


def _labels(rule: Rule, servers: Sequence[Server], known: Known) -> Iterator[Unmatched]:
    # What isn't known may be labelled, which counts for the restriction (compiled.py).
    if rule.effect is not Effect.ALLOW and any(_may_have_any(server) for server in servers):
        return
    here = {label for server in servers for label in labels_of(server)}
    everywhere = {label for server in known.servers for label in labels_of(server)}
    yield from entries("labels", rule.labels or (), lambda label: _label(label, here, everywhere))


def _may_have_any(server: Server) -> bool:
    return server.labels is None or (bool(server.tools) and "*" not in server.tools and server.asks_before_calls)


def labels_of(server: Server) -> set[str]:
    """All labels of a server, of its scopes and of its tools."""
    return {*(server.labels or ()), *server.tool_labels, *(label for _, label in server.scope_labels)}


def _label(label: str, here: Collection[str], everywhere: Collection[str]) -> Finding:
    if label in here:
        return None
    near = "" if label in everywhere else nearest(label, everywhere)
    return "No MCP server of the rule, no scope and no tool has this label." + did_you_mean(near), near
