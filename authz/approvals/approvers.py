"""Who may decide an access request: what rules and MCP servers say (authz/policy/approvers.py), as of now.

Never the person it is for, never the owner of the agent, and no auditor. Where several rules hold a question, each must
be answered by approvers of its own; one person may be an approver of several.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from django.db.models import Q, QuerySet, prefetch_related_objects

from authz.models import AccessRequest, ProtectedResource, Rule, User
from authz.policy import Approvers, RuleError
from authz.policy.approvers import phrase

# A new rule for an MCP server: those who answer for the server, or for all of them.
_RULE_MAKERS = Approvers(owner=True, roles=("administrator",))
SHOWN = 5
TOLD = 20
MAX_REQUESTS_READ = 200


@dataclass(frozen=True, slots=True)
class Panel:
    """What has to be answered, once for each rule that asked, and the keys of the MCP server's owners."""

    demands: tuple[Approvers, ...]
    owners: frozenset[int]

    def means(self, person: User) -> list[Approvers]:
        """The demands that this person can answer."""
        groups = [group.name for group in person.groups.all()]
        return [
            demand
            for demand in self.demands
            if demand.mean(username=person.username, groups=groups, role=person.role, is_owner=person.pk in self.owners)
        ]

    def in_words(self) -> str:
        return "; and ".join(phrase(demand) for demand in self.demands)


def panel(request: AccessRequest) -> Panel:
    """Who decides it, read now: a rule that was made stricter counts at once."""
    return panels([request])[0]


def panels(requests: Sequence[AccessRequest]) -> list[Panel]:
    """Who decides each of them, for three queries in all."""
    servers = {
        row.identifier: row
        for row in ProtectedResource.objects.filter(
            identifier__in={request.resource for request in requests}
        ).prefetch_related("owners")
    }
    names = {name for request in requests for name in request.context.get("rules", ())}
    rules = list(Rule.objects.filter(name__in=names, effect=Rule.Effect.REQUIRE_APPROVAL).order_by("id"))
    found = []
    for request in requests:
        server = servers.get(request.resource)
        because_of = request.context.get("rules", ())
        if request.needs_rule:
            found.append(Panel(demands=(_RULE_MAKERS,), owners=server.owner_keys() if server else frozenset()))
            continue
        named = [row.definition.get("approvers") for row in rules if row.name in because_of] or [None]
        found.append(
            Panel(
                demands=tuple(dict.fromkeys(_approvers(given, server) for given in named)),
                owners=server.owner_keys() if server else frozenset(),
            )
        )
    return found


def _approvers(given: object, server: ProtectedResource | None) -> Approvers:
    for said in (given, server.approvers if server else None):
        if said is not None:
            try:
                return Approvers.from_mapping(said)
            except RuleError:
                # Written past `apply` and the console: the approvers aren't known, so administrators decide.
                return Approvers(roles=("administrator",))
    if server is not None and server.owner_keys():
        return Approvers(owner=True, roles=("administrator",))
    return Approvers(roles=("administrator", "approver"))


def objection(request: AccessRequest, by: User, deciding: Panel | None = None) -> str:
    """Why this person may not decide this request, in words; "" if they may."""
    if not by.is_active:
        return "This account is disabled."
    if by.role == User.Role.AUDITOR:
        return "Auditors read everything and decide nothing."
    if request.user_id == by.pk:
        return "You cannot decide your own request."
    if request.client.owner_id == by.pk:
        return "You cannot decide for your own agent."
    deciding = deciding or panel(request)
    if not deciding.means(by):
        return f"Others decide this: {deciding.in_words()}."
    return ""


def are_enough(request: AccessRequest, by: Sequence[User], at_least: int = 1) -> bool:
    """Whether these people answer every demand, each by `at_least` so many. There is no objection to any of them."""
    deciding = panel(request)
    answered = [demand for person in by for demand in deciding.means(person)]
    return all(answered.count(demand) >= max(demand.count, at_least) for demand in deciding.demands)


def who(request: AccessRequest, most: int = SHOWN) -> list[User]:
    """Some of those who may decide it and have not yet, the MCP server's owners first."""
    deciding = panel(request)
    found = _meant(deciding).exclude(role=User.Role.AUDITOR)
    found = found.exclude(pk__in=[pk for pk in (request.user_id, request.client.owner_id) if pk is not None])
    found = found.exclude(access_votes__request=request).order_by("-role", "username").distinct()
    # A new rule is the business of the server's owners; of administrators only where it has no owner who may decide.
    if request.needs_rule and (owners := list(found.filter(pk__in=deciding.owners)[:most])):
        return owners
    return sorted(found[:most], key=lambda person: person.pk not in deciding.owners)


def _meant(deciding: Panel) -> QuerySet[User]:
    meant = Q(pk__in=[])
    for demand in deciding.demands:
        meant |= Q(username__in=demand.users) | Q(groups__name__in=demand.groups) | Q(role__in=demand.roles)
        if demand.owner:
            meant |= Q(pk__in=deciding.owners)
    return User.objects.filter(meant, is_active=True)


def waiting_for(person: User, among: QuerySet[AccessRequest], most: int) -> list[AccessRequest]:
    """Those that this person may decide and has not yet, in the order given."""
    rows = list(among.exclude(votes__by=person).select_related("client", "user")[:MAX_REQUESTS_READ])
    if not rows:
        return []
    prefetch_related_objects([person], "groups")
    decidable = (row for row, deciding in zip(rows, panels(rows), strict=True) if not objection(row, person, deciding))
    return list(islice(decidable, most))
