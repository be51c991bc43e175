"""Switching several rules on or off at once: a page with the effect on past requests, and a POST."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from authz import audit
from authz.console.model_admin import person, record
from authz.console.rules.history import USUAL_DAYS, effect
from authz.console.site import console
from authz.console.widgets import sentences
from authz.decisions import rule_history
from authz.models import Rule
from authz.policy import Rule as PolicyRule
from authz.sign_in import form_binding

FORM = "switch rules on or off"


def switch_selected(request: HttpRequest, queryset: QuerySet[Rule], *, on: bool) -> HttpResponse | None:
    """The page that says what follows; after it is confirmed, the change. None: back to the list. Raises
    `PermissionDenied`.
    """
    if not request.user.has_perm("authz.change_rule"):
        raise PermissionDenied
    rows = list(queryset.exclude(enabled=on).order_by("pk"))
    if not rows:
        messages.info(request, f"They are all {'enabled' if on else 'disabled'} already.")
        return None
    shown = (on, rule_history.number(), [row.pk for row in rows])
    if not request.POST.get("post"):
        return _page(request, rows, shown, on=on)
    if not form_binding.is_as_shown(request, FORM, *shown):
        messages.warning(request, form_binding.CHANGED)
        return _page(request, rows, shown, on=on)
    _switch(request, rows, on=on)
    what = "1 rule is" if len(rows) == 1 else f"{len(rows)} rules are"
    messages.success(request, f"{what} {'enabled' if on else 'disabled'}.")
    return None


def _page(request: HttpRequest, rows: Sequence[Rule], shown: tuple[object, ...], *, on: bool) -> HttpResponse:
    verb = "Enable" if on else "Disable"
    context: dict[str, Any] = {
        **console.each_context(request),
        "title": f"{verb} 1 rule?" if len(rows) == 1 else f"{verb} {len(rows)} rules?",
        "button": verb,
        "action": f"{verb.lower()}_selected",
        "rows": list(zip(rows, sentences.of_rows(rows), strict=True)),
        "shown_field": form_binding.field(request, FORM, *shown),
        **effect(_as_switched(rows, on=on), USUAL_DAYS),
    }
    return TemplateResponse(request, "console/rules_switch.html", context)


def _as_switched(rows: Sequence[Rule], *, on: bool) -> list[PolicyRule]:
    """All rules as they would be."""
    changed = {row.pk for row in rows}
    everything = list(Rule.objects.order_by("pk"))
    for row in everything:
        row.enabled = on if row.pk in changed else row.enabled
    return rule_history.readable(everything)


def _switch(request: HttpRequest, rows: Sequence[Rule], *, on: bool) -> None:
    with rule_history.written_by(person(request).username, "console"):
        # In the order of their ids, and each by itself: triggers write the history of each row.
        for row in rows:
            Rule.objects.filter(pk=row.pk).update(enabled=on, updated=datetime.now(UTC))
            record(request, audit.Event.CONFIGURATION_CHANGED, row, changed=["enabled"], enabled=on)
