"""Who can reach an MCP server, through which agents, with which scopes; and what an agent or a person can reach."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from authz import decisions
from authz.console.navigation import Place
from authz.console.site import console
from authz.console.widgets import names, sentences, servers
from authz.console.widgets.suggestions import suggesting
from authz.database import configuration_cache
from authz.decisions import simulation, through_others
from authz.decisions.simulation import Cast, Level
from authz.models import Rule
from authz.policy import Reach, Through, ThroughOthers, reach
from authz.policy.matrix import rules_between

# Rows of the page, and names of a row.
ROWS, NAMES = 200, 12


class WhoForm(forms.Form):
    resource = forms.ChoiceField(label="MCP server", required=False)
    client_id = forms.CharField(label="Agent", max_length=1024, required=False, help_text="Its client_id.")
    username = forms.CharField(label="Person", max_length=255, required=False, help_text="A user name.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        suggesting(self.fields["client_id"], "agents")
        suggesting(self.fields["username"], "people")
        self.fields["resource"].choices = [("", "Any"), *servers.choices()]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors and not any(cleaned.values()):
            raise forms.ValidationError("Name an MCP server, an agent or a person.")
        return cleaned


@console.page(
    "reach/",
    "who_reaches",
    place=Place("Allow", "Who reaches what", "reach", tab="One by one", order=2),
    permission="authz.view_rule",
)
def who_reaches(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm("authz.view_rule"):
        raise PermissionDenied
    configuration_cache.begin()
    form = WhoForm(request.GET if WhoForm.base_fields.keys() & request.GET.keys() else None)
    context: dict[str, Any] = {**console.each_context(request), "title": "Who reaches what", "form": form}
    if form.is_bound and form.is_valid():
        try:
            among, now = simulation.cast(**form.cleaned_data), time.time()
        except simulation.Unknown as problem:
            form.add_error(None, str(problem))
        else:
            rows, others = _found(form.cleaned_data, among, now)
            context |= {
                "rows": [_in_words(row) for row in rows[:ROWS]],
                "more": max(len(rows) - ROWS, 0),
                "others": [{**_in_words(row.reach), "path": row.path} for row in others.rows[:ROWS]],
                "more_others": len(others.rows) > ROWS or not others.is_complete,
                "servers": names.of_servers(_named(rows[:ROWS], others.rows[:ROWS])),
                "authorization_servers": servers.authorization_servers(),
                **_rules(form.cleaned_data),
            }
    return TemplateResponse(request, "console/who_reaches.html", context)


def _found(asked: dict[str, Any], among: Cast, now: float) -> tuple[tuple[Reach, ...], ThroughOthers]:
    """What is in reach, and what is through others."""
    # Of one person: what machines reach for themselves is no business of theirs.
    machines = not asked["username"]
    rows = reach(decisions.cached_rules(), among.agents, among.persons, among.servers, now, machines=machines)
    return rows, through_others.of(among, now, machines=machines, resource=asked["resource"])


def _named(rows: Sequence[Reach], others: Sequence[Through]) -> Iterator[str]:
    yield from (row.resource for row in rows)
    for other in others:
        yield other.reach.resource
        yield from (hop.resource for hop in other.path)


def _rules(asked: dict[str, Any]) -> dict[str, Any]:
    """Where an agent and a server are named: the enabled rules that name both."""
    if not (asked["client_id"] and asked["resource"]):
        return {}
    agent = simulation.agents(asked["client_id"], time.time())[0]
    deciding = rules_between(decisions.cached_rules(), agent, asked["resource"])
    stored = list(Rule.objects.filter(name__in=[rule.name for rule in deciding]).order_by("name")[:ROWS])
    return {"rules": list(zip(stored, sentences.of_rows(stored), strict=True))}


def _in_words(row: Reach) -> dict[str, Any]:
    levels = ((Level.GRANTED, "good", row.scopes), (Level.WAITING, "caution", row.waiting))
    return {
        "clients": row.clients[:NAMES],
        "more_clients": max(len(row.clients) - NAMES, 0),
        "subjects": [name or "itself" for name in row.subjects[:NAMES]],
        "more_subjects": max(len(row.subjects) - NAMES, 0),
        "resource": row.resource,
        "authorization_server": row.authorization_server,
        "grant_types": row.grant_types,
        "levels": [level for level in (*levels, (Level.CONDITIONAL, "", row.conditional)) if level[2]],
    }
