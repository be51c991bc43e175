"""What rules name and the server does not know, as chips in the list and as sentences on the form."""

from collections.abc import Iterable, Sequence

from django.utils.safestring import SafeString

from authz.console.rules.form import RuleForm
from authz.console.widgets.display import chip
from authz.decisions import rule_check, rule_history
from authz.models import Rule
from authz.policy import Rule as PolicyRule
from authz.policy import RuleError
from authz.policy.unmatched import Unmatched, matches_nothing

Parts = Sequence[Unmatched]


def by_name(rows: Iterable[Rule]) -> dict[str, tuple[Unmatched, ...]]:
    """By rule name, what rules name in vain."""
    return rule_check.check(rule for row in rows if (rule := _read(row)) is not None)


def told(row: Rule) -> list[str]:
    """The sentences for one rule, saved or not."""
    return [labelled(part) for part in by_name([row] if row.definition else []).get(row.name, ())]


def mark(parts: Parts) -> SafeString:
    """A chip for the list, with the sentences in its tooltip."""
    told = " ".join(labelled(part) for part in parts)
    if matches_nothing(parts):
        return chip("Matches nothing", "bad", told)
    return chip("Unknown name", "caution", told)


def labelled(part: Unmatched) -> str:
    """One part under its label on the form, such as `Agents: “nightly-reprot”. There is no agent …`."""
    name = part.field.rpartition(".")[2].partition("[")[0]
    field = RuleForm.base_fields.get("approvers" if part.field.startswith("approvers.") else name)
    label = str(field.label or name.replace("_", " ").capitalize()) if field else name
    return f"{label}: {f'“{part.value}”. ' if part.value else ''}{part.problem}"


def _read(row: Rule) -> PolicyRule | None:
    try:
        return rule_history.as_policy_rule(row)
    except RuleError:
        return None  # the sentence in the list says so
