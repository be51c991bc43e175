"""The form of an MCP server."""

from typing import Any, ClassVar

from django import forms

from authz import keys
from authz.conf import as_called
from authz.configuration import resource_identifiers, scope_mappings
from authz.configuration.resources import MAX_SHOWN_ARGUMENTS
from authz.console.model_admin import Form
from authz.console.widgets.fields import AgentsField, ApproversField, PeopleField, PersonField, with_count
from authz.console.widgets.scope_mappings import ScopeMappingsField
from authz.console.widgets.tool_fields import LabelsField, ToolsField
from authz.models import ProtectedResource
from authz.policy import RuleError
from authz.policy.approvers import MAX_APPROVERS

# What holds where a line of the form is left empty.
DEFAULTS = {"recorded_calls": 1, "usual_calls": 200, "usual_times": 3}


class ResourceForm(Form):
    owner = PersonField(required=False, help_text="The user name of the person who is responsible for it.")
    owners = PeopleField(
        required=False,
        label="Other owners",
        widget=forms.Textarea(attrs={"class": "code", "rows": 2}),
        help_text="One user name a line. They have the same rights as the owner: they see who reaches it, word its"
        " scopes, and decide on requests for access.",
    )
    approvers = ApproversField(
        required=False,
        label="Who approves",
        help_text="For rules that require an approval and name no approvers. One a line: owner, role:approver, group:…,"
        " user:…. If empty: its owner and administrators, and approvers where it has no owner.",
    )
    approvals = forms.IntegerField(
        required=False, min_value=1, max_value=MAX_APPROVERS, label="How many of them", help_text="If empty, one."
    )
    introspection_clients = AgentsField(
        required=False,
        label="Who may introspect its tokens",
        widget=forms.Textarea(attrs={"class": "code", "rows": 2}),
        help_text="One client_id a line. Only these agents may introspect this server's tokens.",
    )
    decision_clients = AgentsField(
        required=False,
        label="Who asks for decisions",
        widget=forms.Textarea(attrs={"class": "code", "rows": 2}),
        help_text="One client_id a line: this server’s own client, or its gateway’s. Only these may ask whether a call"
        " is allowed, and report calls.",
    )
    claims_clients = AgentsField(
        required=False,
        label="Whose word about claims is taken",
        widget=forms.Textarea(attrs={"class": "code", "rows": 1}),
        help_text="Of those, the gateways that name a person and an agent without passing the token on.",
    )
    exchange_clients = AgentsField(
        required=False,
        label="Who this server is when it calls others",
        widget=forms.Textarea(attrs={"class": "code", "rows": 1}),
        help_text="One client_id a line. They may exchange its tokens for tokens of other servers, where a rule says so"
        " and names what it is passed on through.",
    )
    may_act = forms.CharField(
        required=False,
        label="Named in its tokens (may_act)",
        widget=forms.TextInput(attrs={"class": "mono"}),
        help_text="One of these, so that no other may exchange them. If empty, its tokens name none.",
    )
    scope_mappings = ScopeMappingsField(
        required=False,
        label="What its scopes are good for elsewhere",
        help_text="One scope a line: https://search.example.com/mcp mcp:read = search:read. What no line names is not"
        " passed on.",
    )
    shown_arguments = forms.CharField(
        required=False,
        label="Arguments that are shown",
        widget=forms.Textarea(attrs={"class": "code", "rows": 2}),
        help_text="One member a line, such as amount or to.account. The audit and approvers see these; of all others"
        " there is a digest.",
    )
    labels = LabelsField(
        required=False,
        widget=forms.TextInput(attrs={"class": "mono"}),
        help_text="Your words for it, separated by spaces, such as payroll pii. Rules can name them.",
    )
    tools = ToolsField(
        required=False,
        label="Its tools",
        help_text="For rules that speak of labels. One a line: a name or payroll_*, its labels, and after a bar what it"
        " does. Once tools are listed, one that is not may have any label; * names all others.",
    )

    class Meta:
        model = ProtectedResource
        fields = (
            "name", "identifier", "owner", "owners", "is_active", "is_default", "labels", "tools",
            "access_token_lifetime",
            "access_token_signing_alg", "status_list", "dpop_bound_access_tokens_required", "pending_answer",
            "introspection_clients", "decision_clients", "claims_clients", "exchange_clients", "may_act",
            "scope_mappings", "recorded_calls", "shown_arguments", "usual_calls", "usual_times",
        )  # fmt: skip
        labels: ClassVar = {
            "is_active": "Active",
            "is_default": "The default",
            "access_token_lifetime": "Tokens live for",
            "access_token_signing_alg": "Signed with",
            "dpop_bound_access_tokens_required": "Its tokens are bound to the agent’s key",
            "status_list": "Publish a status list",
            "recorded_calls": "Record one allowed call of",
            "usual_calls": "Usual calls a day",
            "usual_times": "And times the busiest day",
            "pending_answer": "Who is told that a request waits for an approval",
        }
        help_texts: ClassVar = {
            "recorded_calls": "1 records each. Refused calls, held ones, and those that an approval lets pass are all"
            " recorded.",
            "usual_calls": "So many allowed calls a day of one agent, for one person, are usual in any case.",
            "usual_times": "And so many times those of its busiest day of the last month. More calls are unusual: rules"
            " can name them, and people are told.",
            "identifier": "The URL that MCP clients use, letter by letter. Tokens carry it as their audience (aud).",
            "pending_answer": "Some agents do not know authorization_pending and report a crash. For them, choose the"
            " second: a plain refusal. Agents that send completion_mode=deferred get a deferral code.",
            "access_token_lifetime": "Seconds. Usual: 600. A server that does not introspect accepts an ended token for"
            " as long as this.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.setdefault("approvers", self.instance.approvers)
        for name in DEFAULTS:
            if name in self.fields:  # not on the page of those who may only look
                self.fields[name].required = False
        self.initial["shown_arguments"] = "\n".join(self.instance.shown_arguments)
        self.initial.setdefault("approvals", (self.instance.approvers or {}).get("count"))
        if "access_token_signing_alg" in self.fields:
            self.fields["access_token_signing_alg"].choices = [(alg, alg) for alg in keys.ALGORITHMS]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for name, default in DEFAULTS.items():
            if name not in self.errors:
                cleaned[name] = cleaned.get(name) or default
        try:
            cleaned["approvers"] = with_count(cleaned.get("approvers") or {}, cleaned.get("approvals"))
        except RuleError as error:
            self.add_error("approvers", error.problem)
        return cleaned

    def clean_shown_arguments(self) -> list[str]:
        paths = [line.strip() for line in str(self.cleaned_data["shown_arguments"]).splitlines() if line.strip()]
        if len(paths) > MAX_SHOWN_ARGUMENTS or any(len(path) > 100 for path in paths):
            raise forms.ValidationError(f"At most {MAX_SHOWN_ARGUMENTS} members, of at most 100 characters.")
        return list(dict.fromkeys(paths))

    def clean_claims_clients(self) -> Any:
        given = self.cleaned_data["claims_clients"]
        if set(given or ()) - set(self.cleaned_data.get("decision_clients") or ()):
            raise forms.ValidationError("Name only agents that may ask for decisions.")
        return given

    def clean_may_act(self) -> str:
        given = str(self.cleaned_data["may_act"])
        named = [client.client_id for client in self.cleaned_data.get("exchange_clients") or ()]
        if problem := scope_mappings.problem_with(given, named):
            raise forms.ValidationError(f"It {problem}.")
        return given

    def clean_identifier(self) -> str:
        given, former = str(self.cleaned_data["identifier"]), self.instance.identifier
        if problem := resource_identifiers.problem_with(given, former=former):
            raise forms.ValidationError(f"It {problem}")
        if given != former and ProtectedResource.all_objects.filter(identifier=given).exclude(ended=None).exists():
            raise forms.ValidationError(
                as_called("It was removed, and tokens named it. `manage.py apply` brings it back.")
            )
        return given
