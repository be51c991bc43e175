"""The form that writes a rule. It is validated by the code that reads the configuration file."""

from collections.abc import Callable, Iterable
from typing import Any

from django import forms
from django.contrib.auth.models import Group

from authz import registry
from authz.configuration import extension_conditions
from authz.console.model_admin import Form
from authz.console.widgets import extension_condition_field, servers
from authz.console.widgets.argument_field import ArgumentsField
from authz.console.widgets.display import grant_label, server_label
from authz.console.widgets.extension_condition_field import ExtensionConditionsField
from authz.console.widgets.fields import ApproversField, LinesField, with_count
from authz.console.widgets.suggestions import suggesting
from authz.console.widgets.unusual import UNUSUAL
from authz.models import ProtectedResource, Rule, Scope
from authz.policy import Rule as PolicyRule
from authz.policy import RuleError
from authz.policy.approvers import MAX_APPROVERS

# The conditions on calls.
OF_CALLS = ("arguments", "unusual")


def choices(
    known: Iterable[str], present: Iterable[str], every: str, label: Callable[[str], str] = str
) -> list[tuple[str, str]]:
    """What may be ticked: everything, what the server knows, and what the rule already names."""
    names = dict.fromkeys([*known, *(name for name in present if name != "*")])
    return [("*", every), *((name, label(name)) for name in names)]


class RuleForm(Form):
    effect = forms.ChoiceField(
        choices=(("allow", "Allow"), ("deny", "Deny"), ("require_approval", "Require approval")),
        widget=forms.RadioSelect,
    )
    clients = LinesField(
        widget=forms.Textarea(attrs={"class": "code", "rows": 3}),
        label="Agents",
        help_text="One a line: a client_id, host:*.example.com, tag:finance, owner:alice, environment:production,"
        " kind:cimd, or * for every one.",
    )
    through = LinesField(
        required=False,
        widget=forms.Textarea(attrs={"class": "code", "rows": 2}),
        label="Passed on by",
        help_text="Written as the agents above, or * for any. An allow holds only where each agent that passed the"
        " request on is named, a deny or an approval where one is. If empty, an allow is for what no agent passed on.",
    )
    grant_types = forms.MultipleChoiceField(choices=(), widget=forms.CheckboxSelectMultiple, label="Grants")
    acts_for = forms.ChoiceField(
        choices=(("machine", "For itself (machine to machine)"), ("people", "For people")),
        widget=forms.RadioSelect,
        label="Acts for",
        help_text="A rule is for one or the other.",
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
        help_text="If none is ticked, all sensitivities.",
    )
    labels = LinesField(
        required=False,
        widget=forms.TextInput(attrs={"class": "mono"}),
        label="Only what is labelled",
        help_text="Labels of MCP servers, scopes or tools, separated by spaces, such as pii. If empty, whatever the"
        " label.",
    )
    tools = LinesField(
        required=False,
        widget=forms.Textarea(attrs={"class": "code", "rows": 2}),
        label="Only calls of these tools",
        help_text="One a line: a name, payroll_* or *. If empty, the rule speaks of all tools and of tokens.",
    )
    arguments = ArgumentsField(
        required=False,
        label="Only with these arguments",
        help_text="One a line: amount below 1000, amount at_least 10, to.country one_of DE, AT, path prefix /reports/,"
        ' kind equals invoice, reason present. Numbers as text in quotes: "7". A call whose arguments are not known is'
        " not allowed.",
    )
    unusual = forms.MultipleChoiceField(
        choices=UNUSUAL,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Only unusual calls",
        help_text="If none is ticked, usual ones, too. Each MCP server says how many calls a day are usual.",
    )
    max_lifetime = forms.IntegerField(
        required=False,
        min_value=1,
        label="Tokens live at most",
        help_text="Seconds. If empty, as set for the MCP server.",
    )
    proof_of_possession = forms.BooleanField(
        required=False,
        label="Tokens are bound to the agent’s key",
        help_text="An agent that shows no key (DPoP) gets no token under this rule.",
    )
    approvers = ApproversField(
        required=False,
        label="Who approves",
        help_text="For “Require approval”, one a line: owner (of the MCP server), role:approver, group:…, user:…. If"
        " empty, as set for the MCP server.",
    )
    approvals = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MAX_APPROVERS,
        label="How many of them",
        help_text="That many different people have to approve. If empty, one.",
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

    extensions = ExtensionConditionsField(required=False, label="Only where extensions say yes")

    class Meta:
        model = Rule
        fields = ("name", "effect", "enabled")

    OF_CONDITIONS = ("max_auth_age", "acr", "amr", "networks", "environments", "not_before", "not_after")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "extensions" in self.fields:
            self.fields["extensions"].help_text = extension_condition_field.help_text()
        for field, of in (("clients", "agents"), ("through", "agents"), ("users", "people")):
            if field in self.fields:
                suggesting(self.fields[field], of)
        definition: dict[str, Any] = self.instance.definition or {}
        conditions: dict[str, Any] = definition.get("conditions") or {}
        if self.instance.pk:
            self.initial["acts_for"] = "people" if "users" in definition or "groups" in definition else "machine"
        for field in (
            "clients",
            "through",
            "grant_types",
            "groups",
            "users",
            "resources",
            "scopes",
            "sensitivities",
            "labels",
            "tools",
            "max_lifetime",
            "proof_of_possession",
        ):
            if field in definition:
                self.initial.setdefault(field, definition[field])
        for field in (*OF_CALLS, "extensions"):
            self.initial.setdefault(field, conditions.get(field))
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
            ("grant_types", registry.grants(), "Every grant", grant_label),
            ("groups", groups, "Everyone who signs in", str),
            ("resources", offered, "Every MCP server", server),
            ("scopes", scopes, "Every scope", str),
        ):
            if field in self.fields:
                self.fields[field].choices = choices(known, definition.get(field) or (), every, label)  # type: ignore[attr-defined]

    def is_valid(self) -> bool:
        # A trial saves nothing: the page comes back as after an error, with the effect.
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
        if cleaned["acts_for"] == "people":
            if not cleaned["groups"] and not cleaned["users"]:
                self.add_error("groups", "Name a group or a person.")
                return cleaned
            definition |= {field: cleaned[field] for field in ("groups", "users") if cleaned[field]}
        elif cleaned["groups"] or cleaned["users"]:
            self.add_error("acts_for", "A rule for machines names no people. Make a second rule for them.")
            return cleaned
        restricted = ("through", "sensitivities", "labels", "tools", "max_lifetime", "proof_of_possession")
        definition |= {field: cleaned[field] for field in restricted if cleaned[field]}
        # An empty list matches nothing; without it the rule would speak of everything.
        was = self.instance.definition or {}
        lists = ("through", "labels", "tools")
        definition |= {field: [] for field in lists if was.get(field) == [] and not cleaned[field]}
        named = (*self.OF_CONDITIONS, *OF_CALLS, "extensions")
        conditions = {field: cleaned[field] for field in named if cleaned[field]}
        # A condition without a field in this form stays as it is.
        if kept := was.get("conditions", {}).get("hours"):
            conditions["hours"] = kept
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
        # One that was there stays, whatever became of its extension: the rule can still be switched off.
        if cleaned["extensions"] != (was.get("conditions", {}).get("extensions") or {}):
            for problem in extension_conditions.problems(rule).values():
                self.add_error("extensions", problem)
                return cleaned
        shape = rule.to_mapping()
        self.instance.definition = {key: shape[key] for key in shape if key not in ("name", "effect", "enabled")}
        return cleaned
