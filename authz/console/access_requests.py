"""Access requests: the queue of those who decide, and everybody's own."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from authz import access_requests, approvers
from authz.access_requests import DURATIONS, NotDecided
from authz.console.display import chip, foreign, when
from authz.console.model_admin import ReadOnlyAdmin, Tool, person
from authz.console.roles import DECIDE_REQUESTS, visible_requests
from authz.console.site import console
from authz.models import AccessRequest, AccessVote, ProtectedResource, Scope

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

    def __init__(self, request: AccessRequest, votes: Sequence[AccessVote], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        words = dict(Scope.objects.filter(resource__identifier=request.resource).values_list("name", "description"))
        scopes = self.fields["scopes"]
        scopes.choices = [  # type: ignore[attr-defined]
            (name, format_html("{}: <bdi>{}</bdi>", name, words[name]) if words.get(name) else name)
            for name in request.scopes
        ]
        # What others have left is what there is to have.
        scopes.initial = [name for name in request.scopes if all(name in vote.scopes for vote in votes)]


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
        "id", "client", "user", "resource", "grant_type", "scope_text", "reason", "why", "address", "first_asked",
        "last_asked", "asked", "state_chip", "deciders", "votes_text", "decided", "approved_text", "expires",
    )  # fmt: skip
    readonly_fields = ("scope_text", "why", "address", "state_chip", "deciders", "votes_text", "approved_text")

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

    @admin.display(description="who decides")
    def deciders(self, row: AccessRequest) -> SafeString:
        return foreign(approvers.panel(row).in_words())

    @admin.display(description="decided by")
    def votes_text(self, row: AccessRequest) -> SafeString | str:
        return format_html_join(SafeString("<br>"), "{}", ([_said(vote)] for vote in votes_of(row))) or "—"

    @admin.display(description="state", ordering="status")
    def state_chip(self, row: AccessRequest) -> SafeString:
        state = row.state(datetime.now(UTC))
        return chip(state.capitalize(), TONES.get(state, ""))

    def get_queryset(self, request: HttpRequest) -> QuerySet[AccessRequest]:
        return visible_requests(person(request), super().get_queryset(request))

    def waiting(self, request: HttpRequest) -> int:
        if not request.user.has_perm(DECIDE_REQUESTS):
            return 0
        return access_requests.queue(datetime.now(UTC))[:100].count()

    def tools(self, request: HttpRequest, obj: AccessRequest | None) -> Sequence[Tool]:
        if obj is None:
            return ()
        state, me = obj.state(datetime.now(UTC)), person(request)
        if approvers.objection(obj, me):
            return ()
        if state == AccessRequest.Status.OPEN and not obj.votes.filter(by=me).exists():
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


def votes_of(found: AccessRequest) -> list[AccessVote]:
    return list(found.votes.select_related("by"))


def _said(vote: AccessVote) -> SafeString:
    what = f"approved {' '.join(vote.scopes)}" if vote.approves else "denied it"
    comment = format_html(": “<bdi class='foreign'>{}</bdi>”", vote.comment) if vote.comment else ""
    return format_html("{} {}, {}{}", vote.by.username, what, when(vote.time), comment)


def _to_decide(request: HttpRequest, pk: UUID) -> AccessRequest:
    found = get_object_or_404(AccessRequest.objects.select_related("client__owner", "user"), pk=pk)
    if problem := approvers.objection(found, person(request)):
        raise PermissionDenied(problem)
    return found


def decide(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A page that says who asks for what and why; a POST of its form decides, once."""
    found = _to_decide(request, pk)
    form = _decided(request, found)
    if form is None:
        return redirect("admin:authz_accessrequest_change", pk)
    context = {**console.each_context(request), **_to_know(found, form)}
    return TemplateResponse(request, "console/access_request.html", context)


def _decided(request: HttpRequest, found: AccessRequest) -> DecisionForm | None:
    """The form as it has to be shown (again); None once it has decided."""
    form = DecisionForm(found, votes_of(found), request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            _decide(request, found, form.cleaned_data)
        except NotDecided as problem:
            form.add_error(None, str(problem))
        else:
            return None
    return form


def _to_know(found: AccessRequest, form: DecisionForm) -> dict[str, Any]:
    return {
        "title": "Decide this access request",
        "access_request": found,
        "resource": ProtectedResource.objects.filter(identifier=found.resource).select_related("owner").first(),
        "deciders": approvers.panel(found).in_words(),
        "votes": votes_of(found),
        "alike": access_requests.like(found),
        "form": form,
    }


def _decide(request: HttpRequest, found: AccessRequest, given: dict[str, Any]) -> None:
    by, now = person(request), datetime.now(UTC)
    if request.POST.get("decision") == "approve":
        expires = now + DURATIONS[given["lasts"]]
        now_is = access_requests.approve(
            found, by=by, scopes=given["scopes"], expires=expires, comment=given["comment"], now=now
        )
        if now_is.status == AccessRequest.Status.OPEN:
            messages.success(request, "Your approval counts. Somebody else has to approve it, too.")
        else:
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
        "consequence": format_html(
            "“<bdi>{}</bdi>” loses <code>{}</code> for <bdi>{}</bdi> at once; if it asks again, it waits again.",
            found.client.name or found.client.client_id,
            " ".join(found.approved_scopes),
            found.user.username if found.user else "itself",
        ),
        "button": "End it",
    }
    return TemplateResponse(request, "console/confirm.html", context)


# --- Everybody's own ------------------------------------------------------------------------------------------------


@login_required
@never_cache
@require_safe
def mine(request: HttpRequest) -> HttpResponse:
    """What was asked for me, or by agents that I own, and what became of it; and what waits for my decision."""
    me, now = person(request), datetime.now(UTC)
    rows = AccessRequest.objects.filter(Q(user=me) | Q(client__owner=me)).select_related("client", "user", "decided_by")
    context = {
        "requests": [(row, row.state(now)) for row in rows.prefetch_related("votes__by")[:SHOWN]],
        "for_me": approvers.waiting_for(me, access_requests.queue(now), SHOWN),
    }
    return render(request, "account/requests.html", context)


@login_required
@never_cache
def one_of_mine(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One request: for whom it is, for who decides, and for nobody else."""
    me, now = person(request), datetime.now(UTC)
    rows = AccessRequest.objects.select_related("client__owner", "user", "decided_by")
    found = get_object_or_404(rows, pk=pk)
    if me.pk not in (found.user_id, found.client.owner_id):
        if me.is_staff and me.has_perm("authz.view_accessrequest"):
            return redirect("admin:authz_accessrequest_change", pk)
        if not approvers.objection(found, me):
            return redirect("account_decide", pk)
        raise Http404
    if request.method == "POST":
        return _explained(request, found) if "reason" in request.POST else _withdrawn(request, found)
    state = found.state(now)
    is_open = state == AccessRequest.Status.OPEN
    context = {
        "requests": [(found, state)],
        "may_withdraw": found.user_id == me.pk and is_open,
        "may_explain": is_open,
        "deciders": approvers.panel(found).in_words() if is_open else "",
        "is_one": True,
    }
    return render(request, "account/requests.html", context)


def _explained(request: HttpRequest, found: AccessRequest) -> HttpResponse:
    by, reason = person(request), request.POST["reason"]
    if access_requests.explain(found, by=by, reason=reason, now=datetime.now(UTC)):
        messages.success(request, "Whoever decides reads your reason.")
    return redirect("account_request", found.pk)


def _withdrawn(request: HttpRequest, found: AccessRequest) -> HttpResponse:
    me = person(request)
    withdrawn = found.user_id == me.pk and access_requests.cancel(found, by=me, now=datetime.now(UTC))
    messages.success(request, "Withdrawn." if withdrawn else "It could not be withdrawn.")
    return redirect("account_requests")


@login_required
@never_cache
def decide_for_others(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The same decision for those who are named as approvers and have no role in the console."""
    found = AccessRequest.objects.select_related("client__owner", "user").filter(pk=pk).first()
    # Whoever may not decide it is not told that it exists.
    if found is None or approvers.objection(found, person(request)):
        raise Http404
    form = _decided(request, found)
    if form is None:
        return redirect("account_requests")
    return render(request, "account/decide.html", _to_know(found, form))
