"""Rules: read as sentences, written with a form, judged by the same engine that reads the configuration file."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from authz import audit
from authz.console.model_admin import ConsoleAdmin, person, record
from authz.console.navigation import Place
from authz.console.rules import unmatched, use
from authz.console.rules.draft import rules_with, simulated
from authz.console.rules.enabling import switch_selected
from authz.console.rules.follow_up import next_steps
from authz.console.rules.form import OF_CALLS, RuleForm
from authz.console.rules.history import DAYS, USUAL_DAYS, asked_days, effect, history, restore
from authz.console.rules.simulator import AskBesideForm, AskForm
from authz.console.site import console
from authz.console.widgets import sentences
from authz.console.widgets.display import chip
from authz.console.widgets.toolbar import Tool
from authz.decisions import rule_history
from authz.models import Rule
from authz.sign_in import form_binding

DELETION = "delete a rule"

ASKING, ONLY_WHEN, CALLS = "Approvals", "Only when", "Calls of tools"

# Fields of the form with several values.
LISTS = ("grant_types", "groups", "resources", "scopes")
EFFECT_WORDS = {"allow": "Allow", "deny": "Deny", "require_approval": "Approval"}
EFFECT_TONES = {"allow": "good", "deny": "bad", "require_approval": "caution"}

# What restricts stands first: a denial outweighs every other rule, and an approval outweighs an allow.
_WEIGHTS = (Rule.Effect.DENY, Rule.Effect.REQUIRE_APPROVAL, Rule.Effect.ALLOW)
WEIGHT = Case(
    *(When(effect=effect, then=Value(place)) for place, effect in enumerate(_WEIGHTS)), output_field=IntegerField()
)


@admin.register(Rule, site=console)
class RuleAdmin(ConsoleAdmin):
    place = Place("Allow", "Rules", "rule", order=1)
    introduction = "Nothing is allowed unless a rule allows it. A deny always wins."
    empty_text = "Without a rule no token is issued."
    form = RuleForm
    change_form_template = "console/rule.html"
    delete_confirmation_template = "console/rule_delete.html"
    list_display = ("name_text", "effect_chip", "in_words", "used")
    actions = ("enable_selected", "disable_selected")
    list_filter = ("effect", "enabled")
    search_fields = ("name",)
    search_help_text = "Name"
    fieldsets = (
        (None, {"fields": ("name", "effect", "enabled")}),
        ("Which agents, and how they ask", {"fields": ("clients", "grant_types", "through")}),
        ("People", {"fields": ("acts_for", "groups", "users")}),
        (
            "To what",
            {"fields": ("resources", "scopes", "sensitivities", "labels", "max_lifetime", "proof_of_possession")},
        ),
        (CALLS, {"fields": ("tools", *OF_CALLS)}),
        (ASKING, {"fields": ("approvers", "approvals")}),
        (
            ONLY_WHEN,
            {
                "fields": (
                    ("max_auth_age", "environments"),
                    ("acr", "amr"),
                    "networks",
                    ("not_before", "not_after"),
                    "extensions",
                )
            },
        ),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Rule | None = None) -> Any:
        if self.has_change_permission(request, obj) or self.has_add_permission(request):
            definition = obj.definition if obj else {}
            conditions = {*(definition.get("conditions") or {})}
            # What most rules do without is folded away until it says something.
            folded = {
                ASKING: not (obj and obj.effect == Rule.Effect.REQUIRE_APPROVAL),
                ONLY_WHEN: not conditions - {*OF_CALLS},
                CALLS: "tools" not in definition and not conditions & {*OF_CALLS},
            }
            return [
                (title, {**options, "classes": ("collapse",)} if folded.get(str(title)) else options)
                for title, options in super().get_fieldsets(request, obj)
            ]
        return ((None, {"fields": ("name", "effect", "enabled", "in_words")}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Rule | None = None) -> tuple[str, ...]:
        return () if self.has_change_permission(request, obj) else ("in_words",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Rule]:
        rows = Rule.objects.alias(weight=WEIGHT, times=use.times_of("name"))
        return rows.order_by(*self.get_ordering(request))

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("-enabled", "weight", "name")

    @admin.display(description="rule", ordering="name")
    def name_text(self, rule: Rule) -> SafeString:
        return format_html("<bdi>{}</bdi>", rule.name)

    @admin.display(description="effect", ordering="weight")
    def effect_chip(self, rule: Rule) -> SafeString:
        chips = [chip(EFFECT_WORDS[rule.effect], EFFECT_TONES[rule.effect])]
        if not rule.enabled:
            chips.append(chip("Disabled"))
        if parts := getattr(rule, "unmatched", ()):
            chips.append(unmatched.mark(parts))
        return format_html_join(mark_safe("<br>"), "{}", ((shown,) for shown in chips))

    @admin.display(description="in words")
    def in_words(self, rule: Any) -> SafeString:
        told = rule.told if hasattr(rule, "told") else sentences.of_rows([rule])[0]
        return format_html('<span class="sentence">{}</span>', told)

    @admin.display(description=f"used in {use.DAYS} days", ordering="times")
    def used(self, rule: Any) -> SafeString:
        return use.in_words(getattr(rule, "use", use.Use()))

    @admin.action(description="Enable", permissions=["change"])
    def enable_selected(self, request: HttpRequest, queryset: QuerySet[Rule]) -> HttpResponse | None:
        return switch_selected(request, queryset, on=True)

    @admin.action(description="Disable", permissions=["change"])
    def disable_selected(self, request: HttpRequest, queryset: QuerySet[Rule]) -> HttpResponse | None:
        return switch_selected(request, queryset, on=False)

    def cut_off_as(self, obj: Rule) -> tuple[str, str] | None:
        return None if obj.effect == Rule.Effect.DENY else ("rule", str(obj.pk))

    def tools(self, request: HttpRequest, obj: Rule | None) -> Sequence[Tool]:
        all_changes = reverse("admin:authz_rule_history_of_all")
        simulator = Tool("Simulator", reverse("admin:simulator"))
        if obj is None:
            return simulator, Tool("History", all_changes)
        if not request.user.has_perm("authz.view_auditevent"):
            return (simulator,)
        decided = f"{reverse('admin:authz_auditevent_changelist')}?{urlencode({'rule': obj.name})}"
        return simulator, Tool("What it decided", decided)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """What an address fills in (authz/console/agents/connect.py): to be looked at and saved."""
        asked = request.GET
        one = {name: asked[name] for name in ("name", "effect", "clients", "acts_for", "users") if name in asked}
        return one | {name: asked.getlist(name) for name in LISTS if name in asked}

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
            "unmatched": [] if form.errors else unmatched.told(form.instance),
        }
        if "_effect" in form.data and not form.errors:
            days = form.data["_effect"]
            context |= effect(rules_with(form.instance), int(days) if days in map(str, DAYS) else USUAL_DAYS)
        if ask_form.is_bound and ask_form.is_valid():
            context["simulated"] = simulated(ask_form.cleaned_data, None if form.errors else form.instance)
        return super().render_change_form(request, context, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data and "cl" in response.context_data:
            rows: list[Any] = list(response.context_data["cl"].result_list)
            found, uses = unmatched.by_name(rows), use.by_name(rows)
            for row, told in zip(rows, sentences.of_rows(rows), strict=True):
                row.told, row.unmatched, row.use = told, found.get(row.name, ()), uses[row.name]
        return response

    def response_post_save_add(self, request: HttpRequest, obj: Rule) -> HttpResponseRedirect:
        # A save leads to the thing with its next step.
        return HttpResponseRedirect(reverse("admin:authz_rule_change", args=[obj.pk]))

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
        # People who may only read find it among the fields below.
        told = sentences.of_rows([rule])[0] if self.has_change_permission(request, rule) else ""
        context = {"sentence": told, "next_steps": next_steps(request, rule) if rule else [], **(extra_context or {})}
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
        for told in unmatched.told(obj):
            messages.warning(request, told)
        if before is not None and before.definition != obj.definition:
            record(request, audit.Event.CONFIGURATION_CHANGED, obj, before=before.definition, after=obj.definition)
