"""Made-up requests that come through others: who passed it on, and why each hop before is allowed or not.

Of a path the agents are given, the first one first. The servers between are those whose tokens each next agent
exchanges and whose scopes are mapped to the server after them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from authz import clients, decisions, resources
from authz.decisions.question import access_question, actor
from authz.models import Client, ProtectedResource
from authz.models.client import TOKEN_EXCHANGE
from authz.policy import AccessQuestion, Decision, Outcome, RuleSet, decide
from authz.sign_in.sign_in import SignIn

MOST = 8


class NoChain(Exception):
    """No such path, in words for the person who asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One hop before the last: what this agent gets there. `decision` is None where there is no way on."""

    client_id: str
    resource: str
    decision: Decision | None
    problem: str = ""

    @property
    def is_allowed(self) -> bool:
        return self.decision is not None and self.decision.effect is Outcome.ALLOW

    def as_item(self) -> dict[str, Any]:
        found = self.decision
        return {
            "client_id": self.client_id,
            "resource": self.resource,
            "effect": found.effect.value if found else "deny",
            "scopes": list(found.scopes) if found else [],
            "rules": list(found.rules) if found else [],
            "problem": self.problem,
        }


def read(names: Sequence[str], asking: Client) -> tuple[Client, ...]:
    """The agents of a path. Raises `NoChain`."""
    if len(names) > MOST:
        raise NoChain(f"A path has at most {MOST} agents.")
    if len({*names, asking.client_id}) <= len(names):
        raise NoChain("An agent is in a path once.")
    found = [clients.registered(name) for name in names]
    for name, client in zip(names, found, strict=True):
        if client is None:
            raise NoChain(f"{name[:100]} is no agent.")
    return tuple(client for client in found if client is not None)


def with_path(question: AccessQuestion, path: Sequence[Client], before: Sequence[Hop]) -> AccessQuestion:
    """The question, come through these agents by an exchange, for what gets that far: nothing where a hop before the
    last one is not allowed.
    """
    if not path:
        return question
    reached = passed_on(before, question.resource)
    scopes = tuple(scope for scope in question.scopes if scope[0] in reached)
    return replace(question, through=tuple(actor(client) for client in path), grant_type=TOKEN_EXCHANGE, scopes=scopes)


def hops(
    path: Sequence[Client],
    asking: Client,
    resource: str,
    sign_in: SignIn | None,
    *,
    rules: RuleSet,
    now: float,
) -> list[Hop]:
    """What each agent of the path gets before the last one asks, the first one first. It ends where nothing gets on."""
    servers, problem = _servers(path, asking, resource)
    if problem:
        return [Hop(client_id=path[0].client_id, resource="", decision=None, problem=problem)]
    found: list[Hop] = []
    for position, (client, here) in enumerate(zip(path, servers, strict=True)):
        there = servers[position + 1].identifier if position + 1 < len(servers) else resource
        question = access_question(
            client=client,
            sign_in=sign_in,
            grant_type=_grant(position, sign_in),
            resource=here,
            scopes=[
                name
                for name in resources.scopes_of(here)
                if resources.passed_on(here, there, {name}) and (not found or name in passed_on(found, here.identifier))
            ],
            through=tuple(actor(one) for one in path[:position]),
        )
        question = decisions.answered(question, rules, now)
        decision = decide(question, rules, now, decisions.approvals_for(question, rules, now))
        found.append(Hop(client_id=client.client_id, resource=here.identifier, decision=decision))
        if not found[-1].is_allowed:
            break
    return found


def _servers(path: Sequence[Client], asking: Client, resource: str) -> tuple[list[ProtectedResource], str]:
    """The servers of a path, the first one first; and what is wrong where there is no such way."""
    found: list[ProtectedResource] = []
    there = resource
    for following in reversed([*path[1:], asking]) if path else ():
        here = _passes_on(following, there)
        if here is None:
            return [], f"No MCP server is {following.client_id} and passes on to {there}."
        found.insert(0, here)
        there = here.identifier
    return found, ""


def passed_on(found: Sequence[Hop], resource: str) -> frozenset[str]:
    """The scopes that reach the end: those that the mapping of the server before gives there."""
    last = found[-1] if found else None
    if last is None or last.decision is None or not all(hop.is_allowed for hop in found):
        return frozenset()
    here = resources.cached().get(last.resource)
    return resources.passed_on(here, resource, last.decision.scopes) if here else frozenset()


def as_item(found: Sequence[Hop], resource: str) -> dict[str, Any]:
    """What an explanation has beside the decision on the last hop: both are empty for a request that came directly."""
    given = sorted(passed_on(found, resource)) if found else []
    return {"path": [hop.as_item() for hop in found], "passed_on": given}


def _grant(position: int, sign_in: SignIn | None) -> str:
    if position:
        return TOKEN_EXCHANGE
    return "client_credentials" if sign_in is None else "authorization_code"


def _passes_on(client: Client, there: str) -> ProtectedResource | None:
    """The server that this client is, and that passes on to there."""
    for row in sorted(resources.cached().values(), key=lambda row: row.identifier):
        names = any(mapping["to"] == there for mapping in row.scope_mappings)
        if names and client.pk in resources.exchange_clients_of(row) and row.may_act in {"", client.client_id}:
            return row
    return None
