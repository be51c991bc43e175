"""The console's form of the policy: trusted hosts, blocked hosts, and what follows from a change."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from authz.console.model_admin import ConsoleAdmin, Form
from authz.console.navigation import Place
from authz.console.site import console
from authz.console.widgets.fields import LinesField
from cimd.changes import DEFAULTS, NEVER_ACCEPTED, Change, Consequence
from cimd.configuration import PolicySerializer
from cimd.models import Policy
from cimd.trust import is_pattern

IN_WORDS = {
    Consequence.ACCEPT: "accept",
    Consequence.CONSENT: "ask people for consent again",
    Consequence.QUARANTINE: "suspend the agent until it is approved",
}


def _consequence(change: Change, label: str) -> forms.ChoiceField:
    """The field for one class of change, with the allowed consequences."""
    choices = [
        (choice.name.lower(), words[0].upper() + words[1:])
        for choice, words in IN_WORDS.items()
        if choice is not Consequence.ACCEPT or change not in NEVER_ACCEPTED
    ]
    usual = ("", f"Default: {IN_WORDS[DEFAULTS[change]]}")
    return forms.ChoiceField(label=label, choices=[usual, *choices], required=False)


class PolicyForm(Form):
    """The lists of the policy and what follows from changes, judged by the same rules as the configuration file."""

    offered_redirect_hosts: Sequence[str] = ()

    trusted_hosts = LinesField(
        required=False,
        widget=forms.Textarea(attrs={"class": "code", "rows": 4}),
        help_text="One a line, such as vscode.dev or *.example.com. Their agents need no approval.",
    )
    blocked_hosts = LinesField(
        required=False,
        widget=forms.Textarea(attrs={"class": "code", "rows": 3}),
        help_text="One a line. Their agents are refused, and their documents are not fetched.",
    )
    redirect_schemes = LinesField(
        required=False,
        widget=forms.Textarea(attrs={"class": "code", "rows": 2}),
        help_text="Private-use schemes of redirect URIs that documents may name, such as cursor. One a line.",
    )
    redirect_hosts = LinesField(
        required=False,
        widget=forms.Textarea(attrs={"class": "code", "rows": 2}),
        help_text="Hosts of redirect URIs that documents may name besides their own host. One a line.",
    )

    public_exchange_hosts = LinesField(
        required=False,
        label="Hosts whose public agents may exchange identity assertions",
        widget=forms.Textarea(attrs={"class": "code", "rows": 2}),
        help_text="One a line, such as claude.ai: agents without client authentication that may exchange an identity"
        " assertion for another organisation’s MCP server (enterprise-managed authorization). The rules still decide."
        " If empty, only agents that authenticate may.",
    )

    cosmetic = _consequence(Change.COSMETIC, "When it changes its name, logo or home page, or asks for less")
    redirect_uris = _consequence(Change.REDIRECT_URIS, "When it adds redirect URIs")
    keys = _consequence(Change.KEYS, "When it changes its keys")
    authentication_method = _consequence(Change.AUTHENTICATION_METHOD, "When it changes its authentication method")
    grants = _consequence(Change.GRANTS, "When it adds grants")
    scopes = _consequence(Change.SCOPES, "When it adds scopes")

    class Meta:
        model = Policy
        fields = ("trusted_hosts", "blocked_hosts", "redirect_schemes", "redirect_hosts", "public_exchange_hosts")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for change, consequence in self.instance.changes.items():
            self.initial.setdefault(change, consequence)
        if self.offered_redirect_hosts:
            self.initial["redirect_hosts"] = [
                *dict.fromkeys([*self.instance.redirect_hosts, *self.offered_redirect_hosts])
            ]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        lists = {name: cleaned[name] for name in self.Meta.fields if name in cleaned}
        changes = {change.value: cleaned[change] for change in Change if cleaned.get(change)}
        judged = PolicySerializer(data=lists | {"changes": changes})
        if not judged.is_valid():
            for name, problems in judged.errors.items():
                self.add_error(name if name in self.fields else None, str(problems))
        self.instance.changes = changes
        return cleaned


@admin.register(Policy, site=console)
class PolicyAdmin(ConsoleAdmin):
    place = Place("Trust", "Trusted hosts", "globe", order=1)
    introduction = (
        "Hosts whose agents need no approval, hosts that are blocked, and what happens when a document changes."
    )
    empty_text = "No host is trusted yet: every agent with a metadata document waits for an approval."
    form = PolicyForm

    def get_form(self, request: HttpRequest, obj: Policy | None = None, change: bool = False, **kwargs: Any) -> Any:
        """The form with hosts that an inspection proposes (`?add_redirect_host=…`). The person saves it."""
        form: Any = super().get_form(request, obj, change, **kwargs)
        offered = [host for host in request.GET.getlist("add_redirect_host")[:32] if is_pattern(host) and host != "*"]
        if request.method == "GET" and offered:
            return type("OfferedForm", (form,), {"offered_redirect_hosts": offered})
        return form

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and not Policy.objects.exists()

    def has_delete_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        return False
