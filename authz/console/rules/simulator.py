"""The simulator: who could reach this, and why not? The same function that every grant asks, on a made-up request."""

import time
from dataclasses import replace
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from authz import decisions, registry
from authz.console.model_admin import person
from authz.console.navigation import Place
from authz.console.site import console
from authz.console.widgets import names, servers
from authz.console.widgets.display import grant_choice
from authz.console.widgets.suggestions import suggesting
from authz.console.widgets.unusual import BOTH, UNUSUAL
from authz.database import configuration_cache
from authz.decisions import made_up_calls, made_up_chains, simulation
from authz.models import AccessRequest, Client, User
from authz.policy import Explanation, RuleSet, explain, scope_sentence
from authz.policy.reach import OF_PERSONS
from authz.sign_in.roles import SIMULATE, visible
from authz.sign_in.sign_in import signed_in_now

REASONS = {
    "allowed": "Rules allow all of it.",
    "narrowed": "Rules allow a part of it; the rest is left out.",
    "approval_needed": "A rule requires an approval.",
    "approval_declined": "An approver has declined it.",
    "denied_by_rule": "A rule denies it.",
    "no_rule_allows": "No rule allows it, and what no rule allows is denied.",
    "step_up_needed": "Rules would allow it after a stronger or fresher sign-in.",
    "client_not_approved": "The agent is not approved (or no longer), so no rule is asked.",
    "nothing_asked": "The request names no scope of this MCP server.",
}
NOT_HERE = "No request can reach it in this way: the MCP server belongs to another authorization server."
NOT_ELSEWHERE = "This way leads only to MCP servers behind other authorization servers."
NOT_BY_IT = (
    "The agent cannot reach it, whatever the rules say: it has to be registered for this grant, to authenticate, and to"
    " have a client id at the authorization server of the MCP server."
)


def sees_only_own(viewer: User | None) -> bool:
    """Whether this person tries agents of their own only, and reads no rules."""
    return viewer is not None and not viewer.has_perm("authz.view_rule")


class AskForm(forms.Form):
    client_id = forms.CharField(label="Agent", max_length=1024, help_text="Its client_id.")
    username = forms.CharField(
        label="Person", max_length=255, required=False, help_text="A user name. If empty, the agent asks for itself."
    )
    resource = forms.ChoiceField(label="MCP server")
    grant_type = forms.ChoiceField(label="Grant")
    through = forms.CharField(
        label="Passed on by",
        required=False,
        max_length=2048,
        help_text="The agents that it came through, by client_id, the first one first. If empty, it asks directly.",
    )
    scope = forms.CharField(label="Scopes", required=False, help_text="Separated by spaces. If empty, all of them.")
    tool = forms.CharField(
        label="Tool", required=False, max_length=128, help_text="To decide a call of it. If empty, a token."
    )
    arguments = forms.CharField(
        label="Its arguments",
        required=False,
        widget=forms.Textarea(attrs={"class": "code", "rows": 2, "spellcheck": "false"}),
        help_text='A JSON object, such as {"amount": 250}. If empty, they are not known.',
    )
    unusual = forms.ChoiceField(
        label="How unusual it is",
        required=False,
        choices=(("", "Not known"), (made_up_calls.USUAL, "As usual"), *UNUSUAL, BOTH),
    )

    def __init__(self, *args: Any, viewer: User | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._viewer = viewer
        if sees_only_own(viewer):
            # Other people's agents are no business of theirs.
            del self.fields["through"]
        else:
            suggesting(self.fields["client_id"], "agents")
            suggesting(self.fields["username"], "people")
        self.fields["resource"].choices = servers.choices()  # type: ignore[attr-defined]
        self.fields["grant_type"].choices = [(name, grant_choice(name)) for name in registry.grants()]  # type: ignore[attr-defined]

    def clean_client_id(self) -> Client:
        agents = visible(self._viewer, Client.objects.select_related("owner"))
        client = agents.filter(client_id=self.cleaned_data["client_id"]).first()
        if client is None:
            # The same sentence for an agent of another owner.
            whose = "of yours " if sees_only_own(self._viewer) else ""
            raise forms.ValidationError(f"No agent {whose}has this client_id.")
        return client

    def clean_username(self) -> User | None:
        if not self.cleaned_data["username"]:
            return None
        if sees_only_own(self._viewer) and self.cleaned_data["username"] != self._viewer.username:  # type: ignore[union-attr]
            raise forms.ValidationError("You can try it for yourself only.")
        user = User.objects.filter(username=self.cleaned_data["username"]).first()
        if user is None:
            raise forms.ValidationError("No person has this user name.")
        return user

    def clean(self) -> dict[str, Any]:
        """What no rule says: whether it gets there in this way at all. `scopes_there` is name → sensitivity."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        client_id, way = cleaned["client_id"].client_id, cleaned["grant_type"]
        there = simulation.servers(cleaned["resource"], simulation.agents(client_id, time.time()))
        by_it = [server for server in there if server.grant_types is None or way in server.grant_types]
        reached = [server for server in by_it if server.clients is None or client_id in server.clients]
        cleaned["path"] = self._path(cleaned)
        if cleaned["path"]:
            reached = [server for server in there if server.clients is None or client_id in server.clients]
        elif not by_it:
            self.add_error("grant_type", NOT_HERE if way in registry.grants_leading_here() else NOT_ELSEWHERE)
        elif not reached:
            self.add_error("client_id", NOT_BY_IT)
        elif way in OF_PERSONS and cleaned["username"] is None:
            self.add_error("username", "In this way an agent asks for a person only.")
        try:
            cleaned["arguments"] = made_up_calls.read_arguments(cleaned["arguments"], cleaned["tool"])
        except made_up_calls.NoCall as problem:
            self.add_error("arguments", str(problem))
        # Without a tool it is about a token, whatever is chosen here.
        cleaned["unusual"] = made_up_calls.read_unusual(cleaned["unusual"] if cleaned["tool"] else "", cleaned["tool"])
        cleaned["scopes_there"] = {name: sensitivity for server in reached for name, sensitivity in server.scopes}
        return cleaned

    def _path(self, cleaned: dict[str, Any]) -> tuple[Client, ...]:
        try:
            return made_up_chains.read(cleaned.get("through", "").split(), cleaned["client_id"])
        except made_up_chains.NoChain as problem:
            self.add_error("through", str(problem))
            return ()


class AskBesideForm(AskForm):
    """The same beside a rule's form, and sent with it.

    Enter in a line of text would press that form's first button and save the rule, so the lines are textareas.
    """

    prefix = "ask"

    def __init__(self, *args: Any, beside: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("client_id", "username", "scope", "tool", "through"):
            self.fields[name].widget = forms.Textarea(attrs={**self.fields[name].widget.attrs, "rows": 1})
        for field in self.fields.values():
            field.widget.attrs["form"] = beside


@console.page(
    "simulator/",
    "simulator",
    place=Place("Allow", "Rules", "rule", tab="Simulator", order=1),
    permission="authz.view_rule",
)
def simulator(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm(SIMULATE):
        raise PermissionDenied(SIMULATE)
    viewer = person(request)
    # A link may know the agent alone; the rest is chosen here.
    given = request.GET if {"client_id", "grant_type"} <= request.GET.keys() else None
    form = AskForm(given, viewer=viewer, initial=request.GET.dict())
    context: dict[str, Any] = {
        **console.each_context(request),
        "title": "Simulator",
        "form": form,
        "sees_rules": not sees_only_own(viewer),
    }
    if form.is_bound and form.is_valid():
        configuration_cache.begin()
        context["answer"] = answer(form.cleaned_data, decisions.cached_rules(), time.time())
    return TemplateResponse(request, "console/simulator.html", context)


def answer(asked: dict[str, Any], rules: RuleSet, now: float) -> dict[str, Any]:
    """The decision on a made-up request, with its rules as sentences."""
    wanted = asked["scope"].split() or list(asked["scopes_there"])
    # What a rule demands beyond a sign-in of this moment shows as a step up.
    sign_in = signed_in_now(asked["username"], int(now))
    path = asked.get("path", ())
    question = decisions.access_question(
        client=asked["client_id"],
        sign_in=sign_in,
        grant_type=asked["grant_type"],
        resource=None,
        scopes=(),
    )
    scopes = tuple((name, asked["scopes_there"].get(name, "")) for name in wanted)
    question = replace(question, resource=asked["resource"], scopes=scopes, **simulation.facts_of(asked["resource"]))
    hops = made_up_chains.hops(path, asked["client_id"], asked["resource"], sign_in, rules=rules, now=now)
    question = made_up_chains.with_path(question, path, hops)
    question = made_up_calls.with_call(question, asked["tool"], asked["arguments"], asked["unusual"])
    question = decisions.answered(question, rules, now)
    explanation = explain(question, rules, now, decisions.approvals_for(question, rules, now))
    decision = explanation.decision
    return {
        "decision": decision,
        "because": REASONS.get(decision.reason.value, decision.reason.value),
        "hops": hops,
        "passed_on": sorted(made_up_chains.passed_on(hops, asked["resource"])),
        "hop_servers": names.of_servers(hop.resource for hop in hops),
        "asks_all": not asked["scope"].split(),
        "left_out": [name for name in wanted if name not in decision.scopes],
        **in_words(explanation),
        "approvals": AccessRequest.objects.filter(pk__in=decision.approvals).select_related("decided_by"),
    }


def in_words(explanation: Explanation) -> dict[str, Any]:
    """What a page tells of a decision: the rules that made it, those that came close, and what their servers are
    called.
    """
    decision = explanation.decision
    named = {*decision.rules, *decision.narrowed_by}
    made = [trace for trace in explanation.rules if trace.name in named]
    # The nearest misses say what would have to be different.
    missed = [trace for trace in explanation.rules if trace.name not in named and trace.mismatches][:5]
    rules = [trace.rule for trace in (*made, *missed)]
    return {
        "scopes_told": [(scope, scope_sentence(scope)) for scope in explanation.scopes],
        "tone": "require_approval" if decision.effect == "pending" else decision.effect.value,
        "rules": made,
        "missed": missed,
        "servers": names.of_servers(
            [explanation.question.resource, *(name for rule in rules for name in rule.resources)]
        ),
    }
