"""The rules' history as pages: who changed what, what a rule said before and after, going back, and past decisions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from authz import decisions
from authz.console.model_admin import person
from authz.console.refusing import one_of, read_number
from authz.console.rules.simulator import in_words
from authz.console.site import console
from authz.console.widgets import names, sentences
from authz.database import configuration_cache
from authz.decisions import past_decisions, recorded_questions, rule_history
from authz.models import AuditEvent, Rule, RuleChange
from authz.policy import Rule as PolicyRule
from authz.policy import RuleSet, compile
from authz.sign_in import form_binding

SHOWN = 50
RESTORE = "go back to former rules"
DAYS = (7, 30, 90)
USUAL_DAYS = 30
SHOWN_GROUPS = 50
HOW = {
    "console": "in the console",
    "api": "by the API",
    "apply": "by a configuration file",
    "terminal": "at a terminal",
    "": "past the console, the API and the configuration file",
}


@dataclass(frozen=True, slots=True)
class Told:
    """One change as the page tells it: the rule before and after in a sentence, and the fields that differ."""

    change: RuleChange
    before: str
    after: str
    lines: tuple[tuple[str, str], ...]
    how: str
    former: int | None


def history(request: HttpRequest) -> HttpResponse:
    """The newest changes, of all rules or of one; older ones a page further. Raises `PermissionDenied`."""
    if not request.user.has_perm("authz.view_rule"):
        raise PermissionDenied
    rows = RuleChange.objects.all()
    if (rule := read_number(request, "rule")) is not None:
        rows = rows.filter(rule=rule)
    if (before := read_number(request, "before")) is not None:
        rows = rows.filter(id__lt=before)
    found = list(rows[: SHOWN + 1])
    context = {
        **console.each_context(request),
        "title": "What the rules said, and when",
        "changes": _told(found[:SHOWN]),
        "older": found[SHOWN - 1].pk if len(found) > SHOWN else None,
        "rule": "" if rule is None else rule,
        "newest": rule_history.number(),
        "may_restore": request.user.has_perm("authz.change_rule"),
    }
    return TemplateResponse(request, "console/rule_history.html", context)


def _told(changes: Sequence[RuleChange]) -> list[Told]:
    pairs = [_before_and_after(change) for change in changes]
    return [
        Told(
            change=change,
            before=before,
            after=after,
            lines=tuple(differences(earlier, later)) if earlier and later else (),
            how=HOW.get(change.how, change.how),
            former=earlier.pk if earlier is not None else None,
        )
        for change, (earlier, later), (before, after) in zip(changes, pairs, sentences.of_pairs(pairs), strict=True)
    ]


def _before_and_after(change: RuleChange) -> tuple[RuleChange | None, RuleChange | None]:
    earlier = None if change.action == RuleChange.Action.CREATED else rule_history.before(change)
    return earlier, None if change.action == RuleChange.Action.REMOVED else change


def differences(before: RuleChange, after: RuleChange) -> Iterator[tuple[str, str]]:
    """The fields that differ, as lines that went (`-`) and came (`+`)."""
    was = {"name": before.name, "effect": before.effect, "enabled": before.enabled, **before.definition}
    becomes = {"name": after.name, "effect": after.effect, "enabled": after.enabled, **after.definition}
    for name in dict.fromkeys([*was, *becomes]):
        if _alike(was.get(name)) != _alike(becomes.get(name)):
            if name in was:
                yield "-", f"{name}: {_value(was[name])}"
            if name in becomes:
                yield "+", f"{name}: {_value(becomes[name])}"


def _alike(value: Any) -> Any:
    """In a list of a rule the order means nothing."""
    return sorted(map(str, value)) if isinstance(value, list) else value


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "nothing"
    if isinstance(value, dict):
        return "; ".join(f"{name} {_value(part)}" for name, part in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def restore(request: HttpRequest, number: int) -> HttpResponse:
    """Going back to a version, of all rules or (`?rule=`) of one: a page that says what follows, and a POST. Raises
    `PermissionDenied` or `Http404`.
    """
    if not request.user.has_perm("authz.change_rule"):
        raise PermissionDenied
    if not 0 < number <= rule_history.number():
        raise Http404
    rule = read_number(request, "rule")
    changes = rule_history.differing(number, rule)
    # What comes back and what goes was read at one version of the rules.
    shown = (number, rule, rule_history.number(), sorted(changes))
    if request.method == "POST":
        if not form_binding.is_as_shown(request, RESTORE, *shown):
            messages.warning(request, form_binding.CHANGED)
            return HttpResponseRedirect(request.get_full_path())
        try:
            changed = rule_history.restore(number, by=person(request), how="console", rule=rule)
        except rule_history.CannotRestore as problem:
            messages.error(request, str(problem))
        else:
            are = "1 rule is as it was" if changed == 1 else f"{changed} rules are as they were"
            messages.success(request, f"{are} in version {number}.")
        return HttpResponseRedirect(reverse("admin:authz_rule_history_of_all"))
    days = asked_days(request)
    pairs = list(changes.values())
    said = sentences.of_pairs(pairs)
    kept = {row.pk: row for row in Rule.objects.all() if row.pk not in changes}
    then = [row for _, row in pairs if row is not None]
    context = {
        **console.each_context(request),
        "title": "Go back?",
        "number": number,
        "is_one": rule is not None,
        "pairs": [(*rows, *told) for rows, told in zip(pairs, said, strict=True)],
        "rule": rule,
        "shown_field": form_binding.field(request, RESTORE, *shown),
    }
    if changes and days:
        context |= effect(rule_history.readable([*kept.values(), *then]), days)
    return TemplateResponse(request, "console/rule_restore.html", context)


def asked_days(request: HttpRequest) -> int:
    """Over how many days an effect is asked for; 0 where it is not. It takes seconds, so no page begins with it."""
    return int(one_of(request, "days", [str(days) for days in DAYS]) or 0) if request.method == "GET" else 0


def effect(rules: list[PolicyRule], days: int) -> dict[str, Any]:
    """For a page: what these rules instead of today's would have made of the requests of the last days."""
    configuration_cache.begin()
    new: RuleSet = compile(rules)
    found = recorded_questions.impact(decisions.cached_rules(), new, days=days, now=datetime.now(UTC))
    called = names.of_servers(group.resource for group in found.groups[:SHOWN_GROUPS])
    return {"effect": found, "servers": called, "shown_groups": SHOWN_GROUPS}


@console.page("replay/<int:pk>/", "replay")
def replay(request: HttpRequest, pk: int) -> HttpResponse:
    """Why was this allowed, or refused, then? Raises `PermissionDenied`."""
    if not (request.user.has_perm("authz.view_auditevent") and request.user.has_perm("authz.view_rule")):
        raise PermissionDenied
    event = get_object_or_404(AuditEvent, pk=pk)
    context: dict[str, Any] = {
        **console.each_context(request),
        "title": "Why was this decided so?",
        "event": event,
    }
    try:
        found = past_decisions.of_event(event)
    except past_decisions.CannotReplay as problem:
        context["problem"] = str(problem)
    else:
        context |= {"found": found, "decision": found.explanation.decision, **in_words(found.explanation)}
        if found.today is not None:
            context["today"] = {"decision": found.today.decision, **in_words(found.today)}
    return TemplateResponse(request, "console/replay.html", context)
