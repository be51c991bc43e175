"""Rules: read as sentences, written with a form, judged by the same engine that reads the configuration file."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from authz import audit, decisions, registry
from authz.console.model_admin import ConsoleAdmin, Form, Tool, person, record
from authz.console.rules.history import DAYS, USUAL_DAYS, asked_days, effect, history, restore
from authz.console.rules.simulator import AskBesideForm, AskForm, answer
from authz.console.site import console
from authz.console.widgets import sentences, servers
from authz.console.widgets.display import chip, grant_label, server_label
from authz.console.widgets.fields import ApproversField, LinesField, with_count
from authz.console.widgets.suggestions import suggesting
from authz.database import configuration_cache
from authz.decisions import rule_history
from authz.models import ProtectedResource, Rule, Scope
from authz.policy import Rule as PolicyRule
from authz.policy import RuleError, compile
from authz.policy.approvers import MAX_APPROVERS
from authz.sign_in import form_binding

DELETION = "delete a rule"

ASKING, ONLY_WHEN = "Asking a human first", "Only when"
EFFECT_WORDS = {"allow": "Allow", "deny": "Deny", "require_approval": "Ask first"}
EFFECT_TONES = {"allow": "good", "deny": "bad", "require_approval": "caution"}


def choices(
    known: Iterable[str], present: Iterable[str], every: str, label: Callable[[str], str] = str
) -> list[tuple[str, str]]:
    """What may be ticked: everything, what the server knows, and what the rule already names."""
    names = dict.fromkeys([*known, *(name for name in present if name != "*")])
    return [("*", every), *((name, label(name)) for name in names)]


class RuleForm(Form):
    effect = forms.ChoiceField(
        choices=(("allow", "Allow"), ("deny", "Deny"), ("require_approval", "Ask a human first")),
        widget=forms.RadioSelect,
    )
    clients = LinesField(
        widget=forms.Textarea(attrs={"class": "code", "rows": 3}),
        label="Agents",
        help_text="One a line: a client_id, host:*.example.com, tag:finance, owner:alice, environment:production, "
        "kind:cimd, or * for every one.",
    )
    grant_types = forms.MultipleChoiceField(choices=(), widget=forms.CheckboxSelectMultiple, label="Ways to ask")
    whom = forms.ChoiceField(
        choices=(("machine", "For itself (machine to machine)"), ("people", "For people")),
        widget=forms.RadioSelect,
        label="For whom",
        help_text="One rule never speaks about both.",
    )
    groups = forms.MultipleChoiceField(choices=(), required=False, widget=forms.CheckboxSelectMultiple)
    users = LinesField(
        required=False,
        widget=forms.Textarea(attrs={"class": "code", "rows": 2}),
        label="And these people",
        help_text="User names, one a line.",
    )
    resources = forms.MultipleChoiceField(choices=(), widget=forms.CheckboxSelectMultiple, label="MCP servers")
    scopes = forms.MultipleChoiceField(choices=(), widget=forms.CheckboxSelectMultiple)
    sensitivities = forms.MultipleChoiceField(
        choices=Scope.Sensitivity.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Of these, only with sensitivity",
        help_text="Nothing ticked: whatever their sensitivity.",
    )
    max_lifetime = forms.IntegerField(
        required=False,
        min_value=1,
        label="Tokens live at most",
        help_text="Seconds. Left empty: as the MCP server says.",
    )
    approvers = ApproversField(
        required=False,
        label="Who approves",
        help_text="Where the effect is “require approval”, one a line: owner (of the MCP server), role:approver,"
        " group:…, user:…. Left empty: as the MCP server says.",
    )
    approvals = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MAX_APPROVERS,
        label="How many of them",
        help_text="Different people. Left empty: one.",
    )
    max_auth_age = forms.IntegerField(
        required=False, min_value=1, label="Signed in no longer ago than", help_text="Seconds."
    )
    acr = LinesField(
        required=False, widget=forms.TextInput(attrs={"class": "mono"}), label="Sign-in level (acr), one of"
    )
    amr = LinesField(
        required=False, widget=forms.TextInput(attrs={"class": "mono"}), label="Sign-in methods (amr), all of"
    )
    networks = LinesField(
        required=False,
        widget=forms.TextInput(attrs={"class": "mono"}),
        help_text="Such as 10.0.0.0/8, separated by spaces.",
    )
    environments = LinesField(required=False, widget=forms.TextInput(attrs={"class": "mono"}))
    not_before = forms.CharField(required=False, label="From", help_text="Such as 2026-12-31T18:00:00Z.")
    not_after = forms.CharField(required=False, label="Until")

    class Meta:
        model = Rule
        fields = ("name", "effect", "enabled")

    OF_CONDITIONS = ("max_auth_age", "acr", "amr", "networks", "environments", "not_before", "not_after")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field, of in (("clients", "agents"), ("users", "people")):
            if field in self.fields:
                suggesting(self.fields[field], of)
        definition: dict[str, Any] = self.instance.definition or {}
        conditions: dict[str, Any] = definition.get("conditions") or {}
        if self.instance.pk:
            self.initial["whom"] = "people" if "users" in definition or "groups" in definition else "machine"
        for field in (
            "clients",
            "grant_types",
            "groups",
            "users",
            "resources",
            "scopes",
            "sensitivities",
            "max_lifetime",
        ):
            if field in definition:
                self.initial.setdefault(field, definition[field])
        self.initial.setdefault("approvers", definition.get("approvers"))
        self.initial.setdefault("approvals", (definition.get("approvers") or {}).get("count"))
        for field in self.OF_CONDITIONS:
            value = conditions.get(field)
            if value not in (None, []):
                self.initial.setdefault(field, " ".join(value) if isinstance(value, list) else value)
        offered = {row.identifier: row for row in servers.offered(ProtectedResource.objects.all())}
        groups = Group.objects.order_by("name").values_list("name", flat=True)
        own = Scope.objects.order_by("name").values_list("name", flat=True).distinct()[:500]
        scopes = sorted({*own, *(name for row in offered.values() for name in row.scopes)})

        def server(identifier: str) -> str:
            row = offered.get(identifier, servers.Offered(identifier=identifier))
            return server_label(identifier, row.name, row.behind)

        for field, known, every, label in (
            ("grant_types", registry.grants(), "Every way", grant_label),
            ("groups", groups, "Anybody who signs in", str),
            ("resources", offered, "Every MCP server", server),
            ("scopes", scopes, "Every scope", str),
        ):
            if field in self.fields:
                self.fields[field].choices = choices(known, definition.get(field) or (), every, label)  # type: ignore[attr-defined]

    def is_valid(self) -> bool:
        # Trying a change out saves nothing: the page comes back as it does for a mistake, with the effect instead.
        return super().is_valid() and not self.is_trial

    @property
    def is_trial(self) -> bool:
        return "_effect" in self.data or "_simulate" in self.data

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        definition: dict[str, Any] = {
            field: cleaned[field] for field in ("clients", "grant_types", "resources", "scopes")
        }
        if cleaned["whom"] == "people":
            if not cleaned["groups"] and not cleaned["users"]:
                self.add_error("groups", "Name a group or a person: an empty list would mean nobody.")
                return cleaned
            definition |= {field: cleaned[field] for field in ("groups", "users") if cleaned[field]}
        elif cleaned["groups"] or cleaned["users"]:
            self.add_error("whom", "A rule for machines names no people. Make a second rule for them.")
            return cleaned
        if cleaned["sensitivities"]:
            definition["sensitivities"] = cleaned["sensitivities"]
        if cleaned["max_lifetime"]:
            definition["max_lifetime"] = cleaned["max_lifetime"]
        conditions = {field: cleaned[field] for field in self.OF_CONDITIONS if cleaned[field]}
        # What the form has no field for stays as the configuration file wrote it.
        if hours := (self.instance.definition or {}).get("conditions", {}).get("hours"):
            conditions["hours"] = hours
        if conditions:
            definition["conditions"] = conditions
        try:
            if approvers := with_count(cleaned.get("approvers") or {}, cleaned.get("approvals")):
                definition["approvers"] = approvers
            rule = PolicyRule.from_mapping({**definition, "name": cleaned["name"], "effect": cleaned["effect"]})
        except RuleError as error:
            field = error.field.removeprefix("conditions.").partition("[")[0].partition(".")[0]
            self.add_error(field if field in self.fields else None, error.problem)
            return cleaned
        shape = rule.to_mapping()
        self.instance.definition = {key: shape[key] for key in shape if key not in ("name", "effect", "enabled")}
        return cleaned


def _with(draft: Rule) -> list[PolicyRule]:
    """All rules as they would be with this one saved."""
    others = rule_history.readable(Rule.objects.exclude(pk=draft.pk))
    return [*others, rule_history.as_policy_rule(draft)]


def _simulated(asked: dict[str, Any], draft: Rule | None) -> dict[str, Any]:
    """The answer to an ask as it is now, and with a draft; without one if there is none or it changes nothing."""
    configuration_cache.begin()
    now = time.time()
    found: dict[str, Any] = {"now": answer(asked, decisions.cached_rules(), now)}
    if draft is not None:
        saved = Rule.objects.filter(pk=draft.pk).first()
        if saved is None or _shape(saved) != _shape(draft):
            found["draft"] = answer(asked, compile(_with(draft)), now)
            found["differs"] = _said(found["now"]) != _said(found["draft"])
    return found


def _shape(rule: Rule) -> dict[str, Any]:
    """What a rule says, however it is written down."""
    try:
        return rule_history.as_policy_rule(rule).to_mapping()
    except RuleError:
        return {}


def _said(found: dict[str, Any]) -> tuple[Any, ...]:
    """What who asks is told by an answer; not by which rules."""
    decision = found["decision"]
    return decision.effect, decision.scopes, decision.waiting, decision.lifetime, decision.step_up


@admin.register(Rule, site=console)
class RuleAdmin(ConsoleAdmin):
    nav = ("Access", "rule")
    introduction = "Nothing is allowed unless a rule allows it; a denial outweighs any permission."
    empty_text = "Until there is a rule, nobody gets anything."
    form = RuleForm
    change_form_template = "console/rule.html"
    delete_confirmation_template = "console/rule_delete.html"
    list_display = ("name_text", "effect_chip", "in_words")
    list_filter = ("effect", "enabled")
    search_fields = ("name",)
    search_help_text = "Name"
    fieldsets = (
        (None, {"fields": ("name", "effect", "enabled")}),
        ("Which agents, and how they ask", {"fields": ("clients", "grant_types")}),
        ("For whom", {"fields": ("whom", "groups", "users")}),
        ("To what", {"fields": ("resources", "scopes", "sensitivities", "max_lifetime")}),
        (ASKING, {"fields": ("approvers", "approvals")}),
        (
            ONLY_WHEN,
            {"fields": (("max_auth_age", "environments"), ("acr", "amr"), "networks", ("not_before", "not_after"))},
        ),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Rule | None = None) -> Any:
        if self.has_change_permission(request, obj) or self.has_add_permission(request):
            definition = obj.definition if obj else {}
            # What most rules do without is folded away until it says something.
            folded = {
                ASKING: not (obj and obj.effect == Rule.Effect.REQUIRE_APPROVAL),
                ONLY_WHEN: "conditions" not in definition,
            }
            return [
                (title, {**options, "classes": ("collapse",)} if folded.get(str(title)) else options)
                for title, options in super().get_fieldsets(request, obj)
            ]
        return ((None, {"fields": ("name", "effect", "enabled", "in_words")}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Rule | None = None) -> tuple[str, ...]:
        return () if self.has_change_permission(request, obj) else ("in_words",)

    @admin.display(description="rule", ordering="name")
    def name_text(self, rule: Rule) -> SafeString:
        return format_html("<bdi>{}</bdi>", rule.name)

    @admin.display(description="effect", ordering="effect")
    def effect_chip(self, rule: Rule) -> SafeString:
        effect = chip(EFFECT_WORDS[rule.effect], EFFECT_TONES[rule.effect])
        return effect if rule.enabled else format_html("{}<br>{}", effect, chip("Switched off"))

    @admin.display(description="in words")
    def in_words(self, rule: Any) -> SafeString:
        told = rule.told if hasattr(rule, "told") else sentences.of_rows([rule])[0]
        return format_html('<span class="sentence">{}</span>', told)

    def tools(self, request: HttpRequest, obj: Rule | None) -> Sequence[Tool]:
        all_changes = reverse("admin:authz_rule_history_of_all")
        return (Tool("Simulator", reverse("admin:simulator")), *(() if obj else (Tool("History", all_changes),)))

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("history/", wrap(history), name="authz_rule_history_of_all"),
            path("history/<int:number>/restore/", wrap(restore), name="authz_rule_restore"),
            *super().get_urls(),
        ]

    def has_history(self, obj: Rule) -> bool:
        return True  # each change of a rule is in it, by whatever way it came

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return HttpResponseRedirect(f"{reverse('admin:authz_rule_history_of_all')}?rule={object_id}")

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        form, may_try = context["adminform"].form, self.has_change_permission(request)
        asked = form.data if "_simulate" in form.data else None
        ask_form = AskBesideForm(asked, beside="rule_form") if may_try else AskForm()
        context |= {
            "ask_form": ask_form,
            "may_try": may_try,
            "effect_days": DAYS,
        }
        if "_effect" in form.data and not form.errors:
            days = form.data["_effect"]
            context |= effect(_with(form.instance), int(days) if days in map(str, DAYS) else USUAL_DAYS)
        if ask_form.is_bound and ask_form.is_valid():
            context["simulated"] = _simulated(ask_form.cleaned_data, None if form.errors else form.instance)
        return super().render_change_form(request, context, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data and "cl" in response.context_data:
            rows: list[Any] = list(response.context_data["cl"].result_list)
            for row, told in zip(rows, sentences.of_rows(rows), strict=True):
                row.told = told
        return response

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = dict(extra_context or {})
        # Without a deny, agents get more: the rule that goes is the one that was read, beside the others of then.
        shown = (object_id, rule_history.number())
        may = self.has_delete_permission(request)
        if request.method == "POST" and may and not form_binding.is_as_shown(request, DELETION, *shown):
            messages.warning(request, form_binding.CHANGED)
            return HttpResponseRedirect(request.get_full_path())
        context["shown_field"] = form_binding.field(request, DELETION, *shown)
        if may and (days := asked_days(request)):
            others = rule_history.readable(Rule.objects.exclude(pk=object_id))
            context |= effect(others, days)
        return super().delete_view(request, object_id, context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        rule = self.get_object(request, object_id)
        # Whoever may only look reads it below, among the rest.
        told = sentences.of_rows([rule])[0] if self.has_change_permission(request, rule) else ""
        context = {"sentence": told, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def delete_model(self, request: HttpRequest, obj: Rule) -> None:
        with rule_history.written_by(person(request).username, "console"):
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Rule]) -> None:
        with rule_history.written_by(person(request).username, "console"):
            super().delete_queryset(request, queryset)

    def save_model(self, request: HttpRequest, obj: Rule, form: Any, change: bool) -> None:
        before = Rule.objects.get(pk=obj.pk) if change else None
        with rule_history.written_by(person(request).username, "console"):
            super().save_model(request, obj, form, change)
        if before is not None and before.definition != obj.definition:
            record(request, audit.Event.CONFIGURATION_CHANGED, obj, before=before.definition, after=obj.definition)
