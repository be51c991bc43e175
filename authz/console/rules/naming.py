"""When a form renames or removes what rules name: which rules, what would become of them, and one button for both.

The change is made in its transaction, and undone unless the person has been asked. What was posted is posted again,
with the answer: to change the rules along, or to leave them (docs/decisions/0084-rules-change-along.md).
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from authz.console.model_admin import ConsoleAdmin, person
from authz.console.site import console
from authz.console.widgets import names, sentences
from authz.database import configuration_cache
from authz.decisions import rule_history, rule_names
from authz.decisions.recorded_questions import Impact
from authz.decisions.rule_names import NamingRule
from authz.models import Rule
from authz.policy.renaming import NameChange
from authz.sign_in import form_binding

FORM = "change rules along"
ANSWER = "_rules"
CHANGE, LEAVE = "change", "leave"
# They belong to a page, not to what was filled in.
OF_THE_PAGE = frozenset({"csrfmiddlewaretoken", form_binding.FIELD, ANSWER})
SHOWN_GROUPS = 10

Answer = TypeVar("Answer", bound=HttpResponse | None)


class RulesNameIt(Exception):
    """The person has not been asked yet about these rules, or not about these. It undoes the change."""

    def __init__(self, changes: Sequence[NameChange], found: Sequence[NamingRule], *, is_stale: bool) -> None:
        super().__init__(len(found))
        self.changes, self.found, self.is_stale = changes, found, is_stale


def settle(request: HttpRequest, changes: Sequence[NameChange]) -> None:
    """In the transaction of a change: do with the rules as the person has said. Raises `RulesNameIt`."""
    if not rule_names.naming(changes):
        return
    answer, by = request.POST.get(ANSWER, ""), person(request)
    # From here on no other writer changes rules, so what is read is what is replaced.
    with rule_history.written_by(by.username, "console"):
        found = rule_names.naming(changes)
        if answer not in {CHANGE, LEAVE} or not form_binding.is_as_shown(request, FORM, *_shown(changes)):
            raise RulesNameIt(changes, found, is_stale=bool(answer))
        if answer == CHANGE and _may_change(request):
            changed = rule_names.change_along(found, changes, by=by.username, subject=str(by.subject))
            are = "1 rule has changed along." if changed == 1 else f"{changed} rules changed along."
            messages.success(request, are)


def asking(request: HttpRequest, view: Callable[[], Answer], back: str) -> Answer | HttpResponse:
    """The view's answer, or the question about the rules. `back` is where Cancel leads."""
    if request.method != "POST":
        return view()
    try:
        with transaction.atomic():
            return view()
    except RulesNameIt as asked:
        if asked.is_stale:
            messages.warning(request, form_binding.CHANGED)
        return _page(request, asked, back)


class AsksAboutRules(ConsoleAdmin):
    """A model's pages, where saving and deleting call `settle`."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        view = super().changeform_view
        return asking(request, lambda: view(request, *args, **kwargs), request.path)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        view = super().delete_view
        return asking(request, lambda: view(request, *args, **kwargs), request.path)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        view = super().changelist_view
        return asking(request, lambda: view(request, extra_context), request.get_full_path())


def _may_change(request: HttpRequest) -> bool:
    return request.user.has_perm("authz.change_rule")


def _shown(changes: Sequence[NameChange]) -> tuple[object, ...]:
    """What the page showed: these changes, and what they make of the rules of this version."""
    return ([change.sentence for change in changes], rule_history.number())


def _page(request: HttpRequest, asked: RulesNameIt, back: str) -> HttpResponse:
    configuration_cache.begin()
    stay, follow = rule_names.effects(asked.found, asked.changes)
    pairs = [(each.row, _row_after(each)) for each in asked.found]
    told = sentences.of_pairs(pairs)
    changeable = [each for each in asked.found if each.proposal.after is not None]
    context = {
        **console.each_context(request),
        "title": "One rule names it" if len(asked.found) == 1 else f"{len(asked.found)} rules name it",
        "changes": [change.sentence for change in asked.changes],
        "rules": [(each, *said) for each, said in zip(asked.found, told, strict=True)],
        "change_them": _button(len(changeable)) if changeable and _may_change(request) else "",
        "posted": [
            (name, value) for name, values in request.POST.lists() if name not in OF_THE_PAGE for value in values
        ],
        "shown_field": form_binding.field(request, FORM, *_shown(asked.changes)),
        "effects": [
            ("If the rules change along", follow) if changeable else ("", None),
            ("If the rules stay as they are", stay),
        ],
        "servers": names.of_servers(group.resource for impact in (stay, follow) for group in _first(impact)),
        "shown_groups": SHOWN_GROUPS,
        "back": back,
    }
    return TemplateResponse(request, "console/rules_named.html", context)


def _button(count: int) -> str:
    return "Go on, and change the rule" if count == 1 else f"Go on, and change {count} rules"


def _first(impact: Impact) -> Any:
    return impact.groups[:SHOWN_GROUPS]


def _row_after(each: NamingRule) -> Rule | None:
    after = each.proposal.after
    if after is None:
        return None
    return Rule(name=each.row.name, effect=each.row.effect, enabled=after.enabled, definition=each.definition)
