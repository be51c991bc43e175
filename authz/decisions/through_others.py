"""What agents and people reach through others, by the rules as they are: a server that is called asks the next one.

The scopes' mapping and the limit of hops are applied as at an exchange (xaa/delegation). Answers to access requests
are not counted.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from authz import clients, decisions, resources
from authz.conf import conf
from authz.decisions import simulation
from authz.decisions.simulation import Cast
from authz.models import ProtectedResource
from authz.policy import Connected, Passing, RuleSet, ThroughOthers, through


def of(among: Cast, now: float, *, machines: bool = True, resource: str = "") -> ThroughOthers:
    """What these agents reach for these people; `resource`: at this server alone, by whatever way."""
    found = by_rules(decisions.cached_rules(), among, now, machines=machines)
    if not resource:
        return found
    return replace(found, rows=tuple(row for row in found.rows if row.reach.resource == resource))


def by_rules(rules: RuleSet, among: Cast, now: float, *, machines: bool = True) -> ThroughOthers:
    """The same by other rules. The servers are all there are, since a path leads through any."""
    passing = _passing()
    if not passing:
        return ThroughOthers(rows=(), is_complete=True)
    pks = {pk for row in resources.cached().values() for pk in resources.exchange_clients_of(row)}
    exchangers = simulation.agents_by_pk(pks, now)
    connected = Connected(servers=simulation.servers("", exchangers), passing=passing, exchangers=exchangers)
    hops = conf.delegation_hops
    return through(rules, among.agents, among.persons, connected, now=now, hops=hops, machines=machines)


def _passing() -> Mapping[str, Passing]:
    found = {}
    for row in resources.cached().values():
        scopes = {mapping["to"]: mapping["scopes"] for mapping in row.scope_mappings}
        if scopes and (names := frozenset(_exchangers(row))):
            found[row.identifier] = Passing(clients=names, scopes=scopes)
    return found


def _exchangers(row: ProtectedResource) -> Iterator[str]:
    for pk in resources.exchange_clients_of(row):
        client = clients.by_pk(pk)
        # A server's tokens may name the one client that exchanges them (RFC 8693 §4.4).
        if client is not None and row.may_act in {"", client.client_id}:
            yield client.client_id
