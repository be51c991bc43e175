"""Access requests: the queue of those who decide, and everybody's own."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from authz import access_requests
from authz.access_requests import DURATIONS, NotDecided
from authz.console.display import chip, foreign, when
from authz.console.model_admin import ReadOnlyAdmin, Tool, person
from authz.console.roles import DECIDE_REQUESTS
from authz.console.site import console
from authz.models import AccessRequest, ProtectedResource, Scope

TONES = {"open": "caution", "approved": "good", "denied": "bad"}
LASTS = {"1h": "1 hour", "8h": "8 hours", "1d": "1 day", "7d": "7 days", "30d": "30 days"}
SHOWN = 50


class DecisionForm(forms.Form):
    scopes = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, help_text="What you leave out is declined for as long."
    )
    lasts = forms.ChoiceField(label="For how long", choices=list(LASTS.items()), initial="8h")
    comment = forms.CharField(
        label="Reason", required=False, max_length=500, help_text="The person who asked reads it. A denial needs one."
    )

    def __init__(self, request: AccessRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        words = dict(Scope.objects.filter(resource__identifier=request.resource).values_list("name", "description"))
        scopes = self.fields["scopes"]
        scopes.choices = [  # type: ignore[attr-defined]
            (name, f"{name}: {words[name]}" if words.get(name) else name) for name in request.scopes
        ]
        scopes.initial = list(request.scopes)


@admin.register(AccessRequest, site=console)
class AccessRequestAdmin(ReadOnlyAdmin):
    nav = ("Decide", "inbox")
    introduction = (
        "Asks that a rule lets a person decide. An approval covers exactly what was asked, and ends by itself."
    )
    empty_text = "They appear when a rule says “ask a human first” and an agent asks."
    list_display = ("what", "for_whom", "scope_text", "why", "asked_text", "state_chip")
    list_filter = ("status",)
    list_select_related = ("client", "user", "decided_by")
    ordering = ("-last_asked",)
    search_fields = ("client__client_id", "client__name", "user__username")
    search_help_text = "Agent or person"
    fields = (
        "id", "client", "user", "resource", "grant_type", "scope_text", "why", "address", "first_asked", "last_asked",
        "asked", "state_chip", "decided_by", "decided", "comment", "approved_text", "expires",
    )  # fmt: skip
    readonly_fields = ("scope_text", "why", "address", "state_chip", "approved_text")

    @admin.display(description="agent at MCP server", ordering="client__name")
    def what(self, row: AccessRequest) -> SafeString:
        return foreign(
            row.client.name or row.client.client_id, sub=f"at {row.resource}" if row.resource else "sign-in only"
        )

    @admin.display(description="for", ordering="user__username")
    def for_whom(self, row: AccessRequest) -> str:
        return row.user.username if row.user else "itself"

    @admin.display(description="scopes")
    def scope_text(self, row: AccessRequest) -> SafeString:
        return format_html("<code>{}</code>", " ".join(row.scopes))

    @admin.display(description="because of")
    def why(self, row: AccessRequest) -> SafeString:
        return foreign(", ".join(row.context.get("rules", ())) or "—")

    @admin.display(description="from")
    def address(self, row: AccessRequest) -> str:
        return row.context.get("address") or "—"

    @admin.display(description="asked", ordering="last_asked")
    def asked_text(self, row: AccessRequest) -> SafeString:
        return format_html("{} <span class='soft'>×{}</span>", when(row.last_asked), row.asked)

    @admin.display(description="approved scopes")
    def approved_text(self, row: AccessRequest) -> SafeString:
        return format_html("<code>{}</code>", " ".join(row.approved_scopes) or "—")

    @admin.display(description="state", ordering="status")
    def state_chip(self, row: AccessRequest) -> SafeString:
        state = row.state(datetime.now(UTC))
        return chip(state.capitalize(), TONES.get(state, ""))

    def waiting(self, request: HttpRequest) -> int:
        if not request.user.has_perm(DECIDE_REQUESTS):
            return 0
        return access_requests.queue(datetime.now(UTC))[:100].count()

    def tools(self, request: HttpRequest, obj: AccessRequest | None) -> Sequence[Tool]:
        if obj is None:
            return ()
        state = obj.state(datetime.now(UTC))
        if not request.user.has_perm(DECIDE_REQUESTS) or access_requests.objection(obj, person(request)):
            return ()
        if state == AccessRequest.Status.OPEN:
            return (Tool("Decide", reverse("admin:authz_accessrequest_decide", args=[obj.pk]), "good"),)
        if state == AccessRequest.Status.APPROVED:
            return (Tool("End it now", reverse("admin:authz_accessrequest_end", args=[obj.pk]), "danger"),)
        return ()

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<uuid:pk>/decide/", wrap(never_cache(decide)), name="authz_accessrequest_decide"),
            path("<uuid:pk>/end/", wrap(never_cache(end)), name="authz_accessrequest_end"),
            *super().get_urls(),
        ]


def _to_decide(request: HttpRequest, pk: UUID) -> AccessRequest:
    if not request.user.has_perm(DECIDE_REQUESTS):
        raise PermissionDenied
    found = get_object_or_404(AccessRequest.objects.select_related("client", "user"), pk=pk)
    if problem := access_requests.objection(found, person(request)):
        raise PermissionDenied(problem)
    return found


def decide(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A page that says who asks for what and why; a POST of its form decides, once."""
    found = _to_decide(request, pk)
    form = DecisionForm(found, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            _decide(request, found, form.cleaned_data)
        except NotDecided as problem:
            form.add_error(None, str(problem))
        else:
            return redirect("admin:authz_accessrequest_change", pk)
    context = {
        **console.each_context(request),
        "title": "Decide this access request",
        "access_request": found,
        "resource": ProtectedResource.objects.filter(identifier=found.resource).select_related("owner").first(),
        "form": form,
    }
    return TemplateResponse(request, "console/access_request.html", context)


def _decide(request: HttpRequest, found: AccessRequest, given: dict[str, Any]) -> None:
    by, now = person(request), datetime.now(UTC)
    if request.POST.get("decision") == "approve":
        expires = now + DURATIONS[given["lasts"]]
        access_requests.approve(
            found, by=by, scopes=given["scopes"], expires=expires, comment=given["comment"], now=now
        )
        messages.success(request, f"Approved, for {LASTS[given['lasts']]}.")
    elif request.POST.get("decision") == "deny":
        access_requests.deny(found, by=by, comment=given["comment"], now=now)
        messages.success(request, "Denied.")
    else:
        raise NotDecided("Approve or deny it.")


def end(request: HttpRequest, pk: UUID) -> HttpResponse:
    """End an approval before its time: what was issued under it is refused and inactive from then on."""
    found = _to_decide(request, pk)
    if request.method == "POST":
        ended = access_requests.cancel(found, by=person(request), now=datetime.now(UTC))
        messages.success(request, "Ended." if ended else "It had ended already.")
        return redirect("admin:authz_accessrequest_change", pk)
    context = {
        **console.each_context(request),
        "title": "End this approval?",
        "consequence": f"“{found.client.name or found.client.client_id}” loses {' '.join(found.approved_scopes)} for"
        f" {found.user.username if found.user else 'itself'} at once; if it asks again, it waits again.",
        "button": "End it",
    }
    return TemplateResponse(request, "console/confirm.html", context)


# --- Everybody's own ------------------------------------------------------------------------------------------------


@login_required
@never_cache
@require_safe
def mine(request: HttpRequest) -> HttpResponse:
    """What was asked for me, or by agents that I own, and what became of it."""
    me, now = person(request), datetime.now(UTC)
    rows = AccessRequest.objects.filter(Q(user=me) | Q(client__owner=me)).select_related("client", "user", "decided_by")
    return render(request, "account/requests.html", {"requests": [(row, row.state(now)) for row in rows[:SHOWN]]})


@login_required
@never_cache
def one_of_mine(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One request: for whom it is, for who decides (who is sent to the console), and for nobody else."""
    me, now = person(request), datetime.now(UTC)
    rows = AccessRequest.objects.select_related("client", "user", "decided_by")
    found = get_object_or_404(rows, pk=pk)
    if me.pk not in (found.user_id, found.client.owner_id):
        if me.is_staff and me.has_perm("authz.view_accessrequest"):
            return redirect("admin:authz_accessrequest_change", pk)
        raise Http404
    if request.method == "POST":
        withdrawn = found.user_id == me.pk and access_requests.cancel(found, by=me, now=now)
        messages.success(request, "Withdrawn." if withdrawn else "It could not be withdrawn.")
        return redirect("account_requests")
    state = found.state(now)
    context = {
        "requests": [(found, state)],
        "may_withdraw": found.user_id == me.pk and state == AccessRequest.Status.OPEN,
        "is_one": True,
    }
    return render(request, "account/requests.html", context)
