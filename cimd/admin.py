"""The console's pages for documents: what waits, what changed, what went wrong, and what we think of a URL."""

import difflib
import json
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from authz.console.agents.approval_form import ApprovalForm
from authz.console.lists import row_or_404
from authz.console.model_admin import ConsoleAdmin, Form, ReadOnlyAdmin, Tool, switch_tools
from authz.console.site import console
from authz.console.widgets.display import STATUS_TONES, chip, foreign, when
from authz.console.widgets.fields import LinesField
from authz.console.widgets.tasks import MAX_TASKS, Task, many
from authz.database import configuration_cache
from authz.models import Client, User
from authz.outbound import Cause
from authz.protocol.client_metadata import Check, Verdict
from authz.sign_in import form_binding
from authz.sign_in.roles import APPROVE_AGENTS, CONFIGURE
from cimd import admission, metadata_document, policy
from cimd.changes import DEFAULTS, NEVER_ACCEPTED, Change, Consequence
from cimd.configuration import PolicySerializer
from cimd.inspection import inspect
from cimd.models import Document, DocumentVersion, Policy
from cimd.trust import is_pattern

APPROVAL = "approve a document"


def readable(version: DocumentVersion | None) -> str:
    """A version's JSON, indented and with its names in order; what could not be shown is spelt out."""
    if version is None:
        return ""
    return json.dumps(json.loads(bytes(version.body)), indent=2, sort_keys=True)


def difference(before: DocumentVersion | None, after: DocumentVersion | None) -> Iterator[tuple[str, str]]:
    """The lines of two documents as (sign, text): `+`, `-`, or a space for what both have."""
    for line in difflib.ndiff(readable(before).splitlines(), readable(after).splitlines()):
        if not line.startswith("?"):
            yield line[:1], line[2:]


_CAUSES = {cause.value: cause.sentence for cause in Cause}


def problem(document: Document) -> str:
    """Why the last fetch was of no use, in a sentence; `""` if it was."""
    if not document.failure:
        return ""
    sentence = _CAUSES.get(document.failure)
    if sentence is None:
        return f"The document is refused: {', '.join(check['name'] for check in document.failure_checks)}."
    return f"{sentence[:-1]} (HTTP status {document.failure_status})." if document.failure_status else sentence


def notes(document: Document) -> list[Check]:
    """What of the document is not taken as it stands, by today's configuration."""
    version = document.candidate or document.current
    if version is None:
        return []
    judged = metadata_document.validate(document.url, bytes(version.body), policy.terms(document.host))
    return [check for check in judged.checks if check.verdict is not Verdict.PASSED]


class WaitingFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return (
            ("waiting", "Waits for an approval"),
            ("changed", "Changed, and waits"),
            ("failing", "Cannot be fetched"),
        )

    def queryset(self, request: HttpRequest, queryset: QuerySet[Document]) -> QuerySet[Document]:
        match self.value():
            case "waiting":
                return queryset.filter(WAITING)
            case "changed":
                return queryset.filter(candidate__isnull=False)
            case "failing":
                return queryset.exclude(failure="")
            case _:
                return queryset


WAITING = Q(client__status=Client.Status.PENDING) | Q(candidate__isnull=False)


@admin.register(Document, site=console)
class DocumentAdmin(ReadOnlyAdmin):
    nav = ("Trust", "globe")
    introduction = "Agents that introduce themselves: each by a document at its URL, for which its host vouches."
    empty_text = "No agent has introduced itself yet."
    change_form_template = "console/document.html"
    list_display = ("agent", "state", "fetched_text", "problem")
    list_filter = (WaitingFilter,)
    list_select_related = ("client", "candidate")
    search_fields = ("url", "host")
    ordering = ("-id",)

    @admin.display(description="document", ordering="url")
    def agent(self, document: Document) -> SafeString:
        return foreign(document.host, sub=document.url)

    @admin.display(description="state")
    def state(self, document: Document) -> SafeString:
        if document.client is None:
            return chip("No client", "")
        if document.candidate is not None:
            return chip("Changed, waits", "caution")
        return chip(document.client.get_status_display(), STATUS_TONES[document.client.status])

    @admin.display(description="fetched", ordering="fetched")
    def fetched_text(self, document: Document) -> SafeString | str:
        return when(document.fetched_at)

    @admin.display(description="last problem")
    def problem(self, document: Document) -> str:
        return problem(document) or "—"

    def waiting(self, request: HttpRequest) -> int:
        """How many documents wait for an approval, for the navigation."""
        if not request.user.has_perm(APPROVE_AGENTS):
            return 0
        return int(Document.objects.filter(WAITING)[:100].count())

    def tasks(self, request: HttpRequest, now: datetime) -> list[Task]:
        """Changes that wait, and documents of approved agents that can no longer be read."""
        if not request.user.has_perm(APPROVE_AGENTS):
            return []
        url, found = reverse("admin:cimd_document_changelist"), []
        if changed := Document.objects.filter(candidate__isnull=False)[:MAX_TASKS].count():
            text = many(changed, "1 agent's document has changed", "The documents of {} agents have changed")
            found.append(Task(text, f"{url}?state=changed", "Compare", "globe"))
        approved = Document.objects.filter(client__status=Client.Status.APPROVED)
        if failing := approved.exclude(failure="")[:MAX_TASKS].count():
            text = many(failing, "1 agent's document cannot be fetched", "The documents of {} agents cannot be fetched")
            found.append(Task(text, f"{url}?state=failing", "Look", "warning"))
        return found

    def tools(self, request: HttpRequest, obj: Document | None) -> Sequence[Tool]:
        if obj is None:
            return (Tool("Inspect a URL", reverse("admin:cimd_document_inspect")),)
        found = [Tool("Inspect it now", f"{reverse('admin:cimd_document_inspect')}?document={obj.pk}")]
        if obj.client is not None:
            found.append(Tool("The agent", reverse("admin:authz_client_change", args=[obj.client.pk])))
        if obj.client is not None and obj.current is not None:
            found += switch_tools(request, ("document", obj.current.digest))
        if request.user.has_perm(APPROVE_AGENTS) and is_waiting(obj):
            found.insert(0, Tool("Approve", reverse("admin:cimd_document_approve", args=[obj.pk]), ""))
        return found

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("inspect/", wrap(self.inspect_view), name="cimd_document_inspect"),
            path("<int:pk>/approve/", wrap(self.approve_view), name="cimd_document_approve"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        document = row_or_404(_documents(), unquote(object_id))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "document": document,
            "state": self.state(document),
            "problem": problem(document),
            "tools": self.tools(request, document),
            "proposed": list(difference(document.current, document.candidate)) if document.candidate else None,
            "text": readable(document.current),
            "versions": list(document.versions.all()[:20]),
            "notes": notes(document),
        }
        return TemplateResponse(request, "console/document.html", context)

    def approve_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not request.user.has_perm(APPROVE_AGENTS) or not isinstance(request.user, User):
            raise PermissionDenied
        document = get_object_or_404(_documents(), pk=pk)
        back = reverse("admin:cimd_document_change", args=[pk])
        waits = document.candidate or document.current
        if waits is None or not is_waiting(document):
            return HttpResponseRedirect(back)
        clients = [document.client] if document.client is not None else []
        form = ApprovalForm(clients, request.user, request.POST or None)
        if request.method == "POST" and form.is_valid():
            # What is approved is what was looked at: its host may have published another in between.
            if not form_binding.is_as_shown(request, APPROVAL, *_shown(document, waits)):
                messages.warning(request, form_binding.CHANGED)
                return HttpResponseRedirect(reverse("admin:cimd_document_approve", args=[pk]))
            if admission.approve(document, request.POST.get("digest", ""), by=request.user, terms=form.terms()):
                messages.success(request, f"{document.url} is approved.")
            else:
                messages.warning(request, "The document has changed since you looked at it. Look at it again.")
            return HttpResponseRedirect(back)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Approve this agent?",
            "document": document,
            "version": waits,
            "form": form,
            "shown_field": form_binding.field(request, APPROVAL, *_shown(document, waits)),
            "lines": list(difference(document.current if document.candidate else waits, waits)),
        }
        return TemplateResponse(request, "console/document_approve.html", context)

    def inspect_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        named = request.GET.get("document", "")
        url, inspection = row_or_404(Document.objects.all(), named).url if named else "", None
        # Looking makes this server fetch, so it is asked for by a form of ours.
        if request.method == "POST":
            url = request.POST.get("url", "").strip()
            configuration_cache.begin()
            inspection = inspect(url, time.time())
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Inspect a document",
            "url": url,
            "inspection": inspection,
            "policy_url": _policy_with(request, inspection.hosts_left_out) if inspection else "",
        }
        return TemplateResponse(request, "console/document_inspect.html", context)


def _policy_with(request: HttpRequest, hosts: Sequence[str]) -> str:
    """The policy's form with these hosts filled in beside those it has; "" for who may not change it."""
    row = Policy.objects.first()
    if not request.user.has_perm(CONFIGURE) or not hosts:
        return ""
    place = reverse("admin:cimd_policy_change", args=[row.pk]) if row else reverse("admin:cimd_policy_add")
    return f"{place}?{urlencode({'add_redirect_host': list(hosts)}, doseq=True)}"


def _shown(document: Document, waits: DocumentVersion) -> tuple[object, ...]:
    """What the page of an approval shows: the version that waits beside the one in force, and the agent as it is."""
    assert document.client is not None  # noqa: S101  nothing waits without one
    current = document.current.digest if document.current else ""
    return (document.url, waits.digest, current, form_binding.client_to_approve(document.client))


def is_waiting(document: Document) -> bool:
    """Whether somebody could approve something of it."""
    if document.candidate is not None:
        return True
    return document.client is not None and document.client.status == Client.Status.PENDING


def _documents() -> QuerySet[Document]:
    return Document.objects.select_related("client__owner", "current", "candidate")


_IN_WORDS = {
    Consequence.ACCEPT: "accept it",
    Consequence.CONSENT: "ask people anew",
    Consequence.QUARANTINE: "stop the agent until somebody approves",
}


def _consequence(change: Change, label: str) -> forms.ChoiceField:
    """What follows from a class of change. What can never be chosen is not offered."""
    choices = [
        (choice.name.lower(), words[0].upper() + words[1:])
        for choice, words in _IN_WORDS.items()
        if choice is not Consequence.ACCEPT or change not in NEVER_ACCEPTED
    ]
    usual = ("", f"As usual: {_IN_WORDS[DEFAULTS[change]]}")
    return forms.ChoiceField(label=label, choices=[usual, *choices], required=False)


class PolicyForm(Form):
    """The lists of the policy and what follows from changes, judged by the same rules as the configuration file."""

    offered_redirect_hosts: Sequence[str] = ()

    trusted_hosts = LinesField(
        required=False,
        widget=forms.Textarea(attrs={"class": "code", "rows": 4}),
        help_text="One a line: vscode.dev, *.example.com. Their agents need no approval.",
    )
    blocked_hosts = LinesField(
        required=False,
        widget=forms.Textarea(attrs={"class": "code", "rows": 3}),
        help_text="Their agents are never let in, and their documents never fetched.",
    )
    redirect_schemes = LinesField(
        required=False,
        widget=forms.Textarea(attrs={"class": "code", "rows": 2}),
        help_text="Private-use schemes that documents may send people back to, such as cursor.",
    )
    redirect_hosts = LinesField(
        required=False,
        widget=forms.Textarea(attrs={"class": "code", "rows": 2}),
        help_text="Hosts that documents may send people back to besides their own.",
    )

    public_exchange_hosts = LinesField(
        required=False,
        label="Hosts whose public agents may exchange identity assertions",
        widget=forms.Textarea(attrs={"class": "code", "rows": 2}),
        help_text="For agents that cannot keep a secret, such as claude.ai’s, where people who are signed in here shall"
        " reach other organisations’ MCP servers without signing in there (enterprise-managed authorization). Rules"
        " still decide who reaches what. Empty: only agents that authenticate.",
    )

    cosmetic = _consequence(Change.COSMETIC, "When its name, logo or page changes, or it asks for less")
    redirect_uris = _consequence(Change.REDIRECT_URIS, "When it wants to be answered at further addresses")
    keys = _consequence(Change.KEYS, "When its keys change")
    authentication_method = _consequence(Change.AUTHENTICATION_METHOD, "When it authenticates in another way")
    grants = _consequence(Change.GRANTS, "When it wants further grants")
    scopes = _consequence(Change.SCOPES, "When it asks for more scopes")

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
    nav = ("Trust", "rule")
    introduction = "Which hosts may introduce agents at once, which never, and what follows when a document changes."
    empty_text = "Nobody is trusted yet: every agent that introduces itself waits for an approval."
    form = PolicyForm

    def get_form(self, request: HttpRequest, obj: Policy | None = None, change: bool = False, **kwargs: Any) -> Any:
        """A page that named hosts to add (an inspection) leads here with them: filled in, and saved by the person."""
        form: Any = super().get_form(request, obj, change, **kwargs)
        offered = [host for host in request.GET.getlist("add_redirect_host")[:32] if is_pattern(host) and host != "*"]
        if request.method == "GET" and offered:
            return type("OfferedForm", (form,), {"offered_redirect_hosts": offered})
        return form

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and not Policy.objects.exists()

    def has_delete_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        return False
