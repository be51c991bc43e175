"""Grant types, MCP servers and scopes that no request can have."""

from collections.abc import Collection, Iterator, Sequence

from authz.policy.near_miss import did_you_mean, nearest, nearest_address, one_of
from authz.policy.reach import Server
from authz.policy.rules import Effect, Rule
from authz.policy.unmatched.agents import matching
from authz.policy.unmatched.known import Finding, Known, Unmatched, entries
from authz.protocol.scope_names import IDENTITY_SCOPES

# The grant types by which only a person, and only a machine, gets a token.
FOR_PEOPLE = frozenset({"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange"})
FOR_MACHINES = frozenset({"client_credentials"})


def grant_types(rule: Rule, known: Known) -> Iterator[Unmatched]:
    names_all = "*" in rule.grant_types
    if not names_all:
        yield from entries("grant_types", rule.grant_types, lambda name: _grant_type(name, known))
    offered = {*known.grant_types} if names_all else {*rule.grant_types} & {*known.grant_types}
    possible = offered - (FOR_PEOPLE if rule.for_machines else FOR_MACHINES)
    if offered and not possible:
        others = "people" if rule.for_machines else "machines"
        yield _never(f"By {one_of(sorted(offered))} only {others} get tokens, and this rule is for {_whose(rule)}.")
    elif possible and (agents := matching(rule, known)) and not any(possible & {*row.grant_types} for row in agents):
        how = f"for {one_of(sorted(possible))}" if not names_all else f"for a grant type of {_whose(rule)}"
        yield _never(f"None of these agents is registered {how}.")


def _never(problem: str) -> Unmatched:
    return Unmatched(field="grant_types", value="", problem=problem, is_fatal=True)


def _whose(rule: Rule) -> str:
    return "machines" if rule.for_machines else "people"


def _grant_type(name: str, known: Known) -> Finding:
    if name in known.grant_types:
        return None
    near = nearest(name, known.grant_types)
    return "This server has no such grant type." + did_you_mean(near), near


def resources(rule: Rule, known: Known) -> list[Unmatched]:
    identifiers = {server.identifier for server in known.servers}
    return entries("resources", rule.resources, lambda name: _resource(name, identifiers))


def _resource(name: str, identifiers: Collection[str]) -> Finding:
    if name == "*" or name in identifiers:
        return None
    near = nearest_address(name, identifiers)
    return "There is no MCP server of this identifier." + did_you_mean(near), near


def named_servers(rule: Rule, known: Known) -> list[Server]:
    """Those that a rule names, of the servers that there are."""
    everywhere = "*" in rule.resources
    return [server for server in known.servers if everywhere or server.identifier in rule.resources]


def scopes(rule: Rule, known: Known) -> Iterator[Unmatched]:
    servers = named_servers(rule, known)
    if not servers:
        return  # said of the servers already
    here = {name for server in servers for name, _ in server.scopes}
    identity = set() if rule.for_machines else set(IDENTITY_SCOPES)
    yield from entries("scopes", rule.scopes, lambda name: _scope(name, here | identity, known))
    if rule.sensitivities and not _has_sensitivity(rule, servers):
        problem = f"None of these scopes has the sensitivity {one_of(rule.sensitivities)}."
        yield Unmatched(field="sensitivities", value="", problem=problem, is_fatal=True)


def _has_sensitivity(rule: Rule, servers: Sequence[Server]) -> bool:
    scopes = [scope for server in servers for scope in server.scopes]
    levels = {level for name, level in scopes if "*" in rule.scopes or name in rule.scopes}
    # A denial covers a scope of unknown sensitivity, too (rules.py). Of scopes that do not exist it was said already.
    may_be_unknown = "" in levels and rule.effect is not Effect.ALLOW
    return not levels or may_be_unknown or bool(levels & set(rule.sensitivities or ()))


def _scope(name: str, here: Collection[str], known: Known) -> Finding:
    if name == "*" or name in here:
        return None
    elsewhere = sorted(server.identifier for server in known.servers if name in dict(server.scopes))
    if elsewhere:
        return f"The rule’s MCP servers have no such scope; {one_of(elsewhere)} has.", ""
    near = nearest(name, here)
    return "The rule’s MCP servers have no such scope." + did_you_mean(near), near
