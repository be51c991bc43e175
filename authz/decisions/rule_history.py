"""The rules' history: who changed what and when, what was in force at any time, and going back to it.

Triggers write a row for each change of a rule, in the transaction of the change (authz/models/triggers.py), so the
history is complete. The writer names the author with `written_by`. The highest id is the version of the
rules as a whole, and with their digest it is named by every decision (docs/decisions/0024-rule-history.md).
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from django.db import transaction
from django.db.models import Max

from authz import audit
from authz.models import Rule, RuleAuthor, RuleChange, User
from authz.policy import Rule as PolicyRule
from authz.policy import RuleError, RuleSet
from authz.policy import compile as compile_rules

Action = RuleChange.Action


@contextmanager
def written_by(author: str, how: str) -> Iterator[None]:
    """Whatever is changed of rules inside, in one transaction, is known to be this person's doing by this way.

    Where it stands inside another, the outer one has the word.
    """
    with transaction.atomic():
        # Two transactions that change rules at once wait here for each other (PostgreSQL; SQLite has one writer).
        made = RuleAuthor(id=1, time=datetime.now(UTC), author=author[:255], how=how)
        is_outer = not RuleAuthor.objects.exists()
        if is_outer:
            RuleAuthor.objects.bulk_create([made])
        yield
        if is_outer:
            RuleAuthor.objects.all().delete()


def number() -> int:
    """The number of the rules as they are now; 0 where there never was a rule."""
    return int(RuleChange.objects.aggregate(newest=Max("id"))["newest"] or 0)


def number_at(moment: datetime) -> int:
    """The number of the rules that were in force at `moment`."""
    return int(RuleChange.objects.filter(time__lte=moment).aggregate(newest=Max("id"))["newest"] or 0)


def number_of(version: str) -> int | None:
    """The number in a decision's `ruleset` (`17-3f2a…`); None for what names none."""
    named = version.partition("-")[0]
    return int(named) if named.isdecimal() and "-" in version else None


def as_of(number: int) -> dict[int, RuleChange]:
    """The rules of a version, by id: of each the last change up to it."""
    newest = RuleChange.objects.filter(id__lte=number).order_by().values("rule").annotate(newest=Max("id"))
    rows = RuleChange.objects.filter(id__in=newest.values("newest")).exclude(action=Action.REMOVED).order_by("id")
    return {row.rule: row for row in rows}


def rule_set(number: int) -> RuleSet:
    """The rules of a version, compiled. Its `version` is equal to that of decisions made under them."""
    return compile_rules(readable(as_of(number).values()), number=number)


def readable(rows: Iterable[Rule | RuleChange]) -> list[PolicyRule]:
    """Stored rules as the policy engine reads them. Raises `RuleError` for one in force that it can't read; one that is
    switched off may be anything."""
    found = []
    for row in rows:
        try:
            found.append(as_policy_rule(row))
        except RuleError:
            if row.enabled:
                raise
    return found


def as_policy_rule(row: Rule | RuleChange) -> PolicyRule:
    """A stored rule, or one as it was, as the policy engine reads it. Raises `RuleError`."""
    return PolicyRule.from_mapping({"name": row.name, "effect": row.effect, "enabled": row.enabled, **row.definition})


def before(change: RuleChange) -> RuleChange | None:
    """The same rule one change earlier."""
    return RuleChange.objects.filter(rule=change.rule, id__lt=change.pk).order_by("-id").first()


# --- Going back -----------------------------------------------------------------------------------------------------


class CannotRestore(Exception):
    """Why rules cannot go back, in words for who tried."""


def differing(number: int, rule: int | None = None) -> dict[int, tuple[Rule | None, RuleChange | None]]:
    """What going back to a version would change: (now, then) by id; only of one rule if `rule` is given."""
    now = {row.pk: row for row in Rule.objects.all()}
    then = as_of(number)
    keys = [key for key in {**now, **then} if rule is None or key == rule]
    return {key: (now.get(key), then.get(key)) for key in sorted(keys) if _shape(now.get(key)) != _shape(then.get(key))}


def restore(number: int, *, by: User, how: str, rule: int | None = None) -> int:
    """Make the rules (or one of them) be what they were in a version, as a new version. Returns how many changed.

    Raises `CannotRestore`.
    """
    with written_by(by.username, how):
        changes = differing(number, rule)
        names = [then.name for _, then in changes.values() if then is not None]
        if taken := Rule.objects.filter(name__in=names).exclude(pk__in=changes).first():
            raise CannotRestore(f"Another rule is called “{taken.name}” now; rename it first.")
        for now, then in changes.values():
            # A rule that gets its old name back makes room first: two may have swapped theirs.
            if now is not None and (then is None or then.name != now.name):
                Rule.objects.filter(pk=now.pk).delete()
        for key, (_, then) in changes.items():
            if then is not None:
                Rule.objects.update_or_create(
                    pk=key,
                    defaults={
                        "name": then.name,
                        "effect": then.effect,
                        "enabled": then.enabled,
                        "definition": then.definition,
                    },
                )
        for now, then in changes.values():
            audit.record(
                _EVENTS[now is not None, then is not None],
                subject=str(by.subject),
                detail={
                    "kind": "rule",
                    "name": (then or now).name,  # type: ignore[union-attr]  # one of them is there
                    "by": by.username,
                    "restored": number,
                    "before": _shape(now) or {},
                    "after": _shape(then) or {},
                },
            )
    return len(changes)


_EVENTS = {
    (True, True): audit.Event.CONFIGURATION_CHANGED,
    (False, True): audit.Event.CONFIGURATION_CREATED,
    (True, False): audit.Event.CONFIGURATION_REMOVED,
}


def _shape(row: Rule | RuleChange | None) -> Mapping[str, object] | None:
    if row is None:
        return None
    return {"name": row.name, "effect": row.effect, "enabled": row.enabled, **row.definition}
