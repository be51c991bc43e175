"""Rules that name an MCP server, a scope, a group or an agent which gets another name or goes, and changing them along.

found = naming(changes)        in the transaction of the change, or before it
change_along(found, …)         in that transaction
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from authz import audit, registry
from authz.database import configuration_cache
from authz.decisions import recorded_questions, rule_history
from authz.models import ProtectedResource, Rule
from authz.policy import AccessQuestion, RuleError, compile
from authz.policy import Rule as PolicyRule
from authz.policy.renaming import Elsewhere, NameChange, Named, Proposal, asked_after, proposal

DAYS, SECONDS = 30, 4.0


@dataclass(frozen=True, slots=True)
class NamingRule:
    """A stored rule that names what changes, and what would become of it."""

    row: Rule
    proposal: Proposal

    @property
    def definition(self) -> dict[str, object]:
        """What would be stored. Only for a rule with an `after`."""
        shape = (self.proposal.after or self.proposal.before).to_mapping()
        return {name: value for name, value in shape.items() if name not in {"name", "effect", "enabled"}}


def naming(changes: Sequence[NameChange]) -> list[NamingRule]:
    """By the rules' names. A rule that cannot be read is left out: it is in force for nothing."""
    return _naming(changes, _elsewhere(changes)) if changes else []


def naming_each(several: Sequence[Sequence[NameChange]]) -> list[tuple[str, ...]]:
    """For each of several changes the names of the rules that name what it renames or removes."""
    changes = [change for each in several for change in each]
    elsewhere = _elsewhere(changes) if changes else {}
    found = _naming(changes, elsewhere) if changes else []
    return [
        tuple(rule.row.name for rule in found if each and proposal(rule.proposal.before, each, elsewhere))
        for each in several
    ]


def _naming(changes: Sequence[NameChange], elsewhere: Elsewhere) -> list[NamingRule]:
    found = []
    for row in Rule.objects.order_by("name"):
        try:
            rule = rule_history.as_policy_rule(row)
        except RuleError:
            continue
        if (proposed := proposal(rule, changes, elsewhere)) is not None:
            found.append(NamingRule(row, proposed))
    return found


def change_along(found: Iterable[NamingRule], changes: Sequence[NameChange], *, by: str, subject: str) -> int:
    """Write each rule that has a proposal, as a new version with its event. Returns how many changed.

    Inside `rule_history.written_by`, as `naming` was, in the transaction of the change: the rules and what they name
    change together, and no other writer's version is lost.
    """
    because = "; ".join(change.sentence for change in changes)[:500]
    changed = 0
    for each in found:
        after = each.proposal.after
        if after is None:
            continue
        # In the order of their names, and each by itself: triggers write the history of each row.
        Rule.objects.filter(pk=each.row.pk).update(
            definition=each.definition, enabled=after.enabled, updated=datetime.now(UTC)
        )
        audit.record(
            audit.Event.CONFIGURATION_CHANGED,
            subject=subject,
            detail={
                "kind": "rule",
                "name": each.row.name,
                "by": by,
                "because": because,
                "before": each.proposal.before.to_mapping(),
                "after": after.to_mapping(),
            },
        )
        changed += 1
    return changed


def effects(
    found: Sequence[NamingRule], changes: Sequence[NameChange]
) -> tuple[recorded_questions.Impact, recorded_questions.Impact]:
    """What past requests would get afterwards: with the rules as they are, and with the rules changed along."""
    rows = list(Rule.objects.order_by("pk"))
    becomes = {each.row.pk: each.proposal.after for each in found if each.proposal.after is not None}
    today = rule_history.readable(rows)
    changed = [becomes.get(row.pk) or rule for row in rows if (rule := _read(row)) is not None]

    def again(question: AccessQuestion) -> AccessQuestion:
        return asked_after(question, changes)

    now = datetime.now(UTC)
    stay, follow = (
        recorded_questions.impact(
            compile(today), compile(rules), days=DAYS, now=now, asked_after=again, seconds=SECONDS
        )
        for rules in (today, changed)
    )
    return stay, follow


def _read(row: Rule) -> PolicyRule | None:
    return next(iter(rule_history.readable([row])), None)


def _elsewhere(changes: Sequence[NameChange]) -> dict[str, set[str]]:
    """The scopes of all servers that do not change; those of a disabled server, too, since it may come back."""
    changing = {change.name for change in changes if change.kind is Named.SERVER}
    changing |= {change.server for change in changes if change.kind is Named.SCOPE}
    # In the transaction of the change its row has the new identifier already.
    keys = {change.to for change in changes if change.kind is Named.SERVER}
    own = ProtectedResource.objects.prefetch_related("scopes").exclude(identifier__in=changing | keys)
    found = {row.identifier: {scope.name for scope in row.scopes.all()} for row in own}
    with configuration_cache.bypassed():
        for server in registry.servers_elsewhere(()):
            if server.identifier not in changing:
                found.setdefault(server.identifier, set()).update(name for name, _ in server.scopes)
    return found
