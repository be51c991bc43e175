"""Patterns of agents, and environments, that no agent matches."""

from collections.abc import Collection, Iterator
from dataclasses import replace

from authz.policy.clients import pattern_key
from authz.policy.near_miss import did_you_mean, nearest, nearest_address, one_of
from authz.policy.reach import Agent
from authz.policy.rules import Effect, Rule
from authz.policy.unmatched.known import Finding, Known, Unmatched, entries, values

_URL = "https://"


def clients(rule: Rule, known: Known) -> list[Unmatched]:
    return [
        *entries("clients", rule.clients, lambda pattern: _client(pattern, known)),
        *entries("through", rule.through or (), lambda pattern: _client(pattern, known)),
    ]


def _client(pattern: str, known: Known) -> Finding:
    """(problem, suggestion) of a pattern that finds no agent."""
    if pattern == "*" or pattern_key(pattern) in known.agents_by_key:
        return None
    selector, _, value = pattern.partition(":")
    match selector:
        case "kind":
            return None  # a closed list, checked when the rule is read
        case "host":
            return _host(value, known)
        case "tag" | "owner" | "environment":
            names = values(known.agents_by_key, selector)
            near = nearest(value, names)
            problem = {
                "tag": "No agent has this tag.",
                "owner": "No agent has this owner.",
                "environment": "No agent is in this environment.",
            }[selector]
            return problem + did_you_mean(near), f"{selector}:{near}" if near else ""
    return _client_id(pattern, known)


def _host(host: str, known: Known) -> Finding:
    if known.admits(host):
        return None
    hosts = {agent.host for agent in known.agents if agent.host} | set(known.hosts) - {"*"}
    near = nearest(host, hosts)
    problem = "No agent of this host is known, and the host is not trusted to introduce agents."
    return problem + did_you_mean(near), f"host:{near}" if near else ""


def _client_id(client_id: str, known: Known) -> Finding:
    names = [name.removeprefix("id:") for name in known.agents_by_key if name.startswith("id:")]
    is_url = client_id.startswith(_URL)
    near = nearest_address(client_id, names) if is_url else nearest(client_id, names)
    if is_url and not near and known.admits(client_id.removeprefix(_URL).partition("/")[0].partition(":")[0]):
        return None
    return "There is no agent of this client_id." + did_you_mean(near), near


def matching(rule: Rule, known: Known) -> list[Agent] | None:
    """The agents that the rule's clients name; None where agents that are yet to come may be meant, too."""
    found: dict[str, Agent] = {}
    for pattern in rule.clients:
        key = pattern_key(pattern)
        if key not in known.agents_by_key or pattern.startswith(("host:", "kind:")) or pattern == "*":
            return None
        found.update({agent.client_id: agent for agent in known.agents_by_key[key]})
    return list(found.values())


def environments(rule: Rule, known: Known) -> Iterator[Unmatched]:
    names = values(known.agents_by_key, "environment")
    unknown = entries(
        "conditions.environments",
        rule.conditions.environments,
        lambda name: None if name in names else _no_environment(name, names),
    )
    # An agent whose environment is not known counts for the restriction (conditions.py).
    may_be_unknown = rule.effect is not Effect.ALLOW and any(not agent.environment for agent in known.agents)
    yield from (replace(part, is_fatal=part.is_fatal and not may_be_unknown) for part in unknown)
    agents = matching(rule, known)
    if len(unknown) < len(rule.conditions.environments) and agents:
        possible = {*rule.conditions.environments} | (set() if rule.effect is Effect.ALLOW else {""})
        if not any(agent.environment in possible for agent in agents):
            problem = f"None of these agents is in {one_of(rule.conditions.environments)}."
            yield Unmatched(field="conditions.environments", value="", problem=problem, is_fatal=True)


def _no_environment(name: str, names: Collection[str]) -> tuple[str, str]:
    near = nearest(name, names)
    return "No agent is in this environment." + did_you_mean(near), near
