"""Access requests: the queue of those who decide, and everybody's own."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Case, Q, QuerySet, When
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from authz.approvals import access_requests, approvers
from authz.approvals.access_requests import DURATIONS, NotDecided
from authz.console.model_admin import ReadOnlyAdmin, Tool, person
from authz.console.site import console
from authz.console.widgets import names
from authz.console.widgets.display import chip, foreign, scope_label, when
from authz.console.widgets.tasks import MAX_TASKS
from authz.models import AccessRequest, AccessVote, ProtectedResource, Scope
from authz.sign_in import form_binding
from authz.sign_in.roles import DECIDE_REQUESTS, visible_requests

TONES = {"open": "caution", "approved": "good", "denied": "bad"}
LASTS = {"1h": "1 hour", "8h": "8 hours", "1d": "1 day", "7d": "7 days", "30d": "30 days"}
SHOWN = 50
DECISION = "approve an access request"
# What waits stands above what is decided.
IS_OPEN = Case(When(status=AccessRequest.Status.OPEN, then=1), default=0)


def waiting_for_me(request: HttpRequest, now: datetime) -> list[AccessRequest]:
    """What waits for a decision that is this person's to make, the oldest first; no more than `MAX_TASKS` of it."""
    found: list[AccessRequest] | None = getattr(request, "waiting_for_me", None)
    if found is None:
        found = approvers.waiting_for(person(request), access_requests.queue(now), MAX_TASKS)
        # The navigation of a page asks for the same as the page.
        request.waiting_for_me = found  # type: ignore[attr-defined]
    return found


class WaitsFilter(admin.SimpleListFilter):
    title = "waits for"
    parameter_name = "waits"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return (("me", "Me"), ("anybody", "Anybody"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[AccessRequest]) -> QuerySet[AccessRequest]:
        now = datetime.now(UTC)
        if self.value() == "me":
            return queryset.filter(pk__in=[row.pk for row in waiting_for_me(request, now)])
        return queryset & access_requests.queue(now).order_by() if self.value() == "anybody" else queryset


class DecisionForm(forms.Form):
    scopes = forms.MultipleChoiceField(
        required=False,
        label="What it may do",
        widget=forms.CheckboxSelectMultiple,
        help_text="What you leave out is declined for as long.",
    )
    lasts = forms.ChoiceField(label="For how long", choices=list(LASTS.items()), initial="8h")
    comment = forms.CharField(
        label="Reason", required=False, max_length=500, help_text="The person who asked reads it. A denial needs one."
    )

    def __init__(self, request: AccessRequest, votes: Sequence[AccessVote], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = Scope.objects.filter(resource__identifier=request.resource)
        words = {row.name: (row.description, row.sensitivity) for row in rows}
        scopes = self.fields["scopes"]
        scopes.choices = [  # type: ignore[attr-defined]
            (name, scope_label(name, *words.get(name, ("", "")))) for name in request.scopes
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
    change_form_template = "console/access_request_view.html"
    list_display = ("what", "for_whom", "scope_text", "why", "asked_text", "state_chip", "to_decide")
    list_filter = (WaitsFilter, "status")
    list_select_related = ("client", "user", "decided_by")
    search_fields = ("client__client_id", "client__name", "user__username")
    search_help_text = "Agent or person"
    fields = ("id",)

    @admin.display(description="agent at MCP server", ordering="client__name")
    def what(self, row: Any) -> SafeString:
        where = row.server_names.get(row.resource, row.resource)
        return foreign(row.client.name or row.client.client_id, sub=f"at {where}" if row.resource else "sign-in only")

    @admin.display(description="for", ordering="user__username")
    def for_whom(self, row: AccessRequest) -> SafeString | str:
        return foreign(row.user.username) if row.user else format_html('<span class="soft">{}</span>', "itself")

    @admin.display(description="scopes")
    def scope_text(self, row: AccessRequest) -> SafeString:
        return format_html('<code><bdi class="foreign">{}</bdi></code>', " ".join(row.scopes))

    @admin.display(description="why")
    def why(self, row: AccessRequest) -> SafeString:
        """The reason that was given, and the rule that asks somebody."""
        rules = format_html(
            '<span class="sub"><bdi class="foreign">{}</bdi></span>', ", ".join(row.context.get("rules", ()))
        )
        if not row.reason:
            return format_html('<span class="soft">{}</span>{}', "no reason given", rules)
        return format_html('<bdi class="foreign">{}</bdi>{}', row.reason, rules)

    @admin.display(description="asked", ordering="last_asked")
    def asked_text(self, row: AccessRequest) -> SafeString:
        again = format_html('<span class="sub">{} times</span>', row.asked) if row.asked > 1 else ""
        return format_html("{}{}", when(row.last_asked), again)

    @admin.display(description="")
    def to_decide(self, row: Any) -> SafeString | str:
        if not row.is_mine:
            return SafeString("<span></span>")
        return format_html(
            '<a class="button small" href="{}">Decide<span class="visually-hidden"> about <bdi>{}</bdi></span></a>',
            reverse("admin:authz_accessrequest_decide", args=[row.pk]),
            row.client.name or row.client.client_id,
        )

    @admin.display(description="state", ordering="status")
    def state_chip(self, row: AccessRequest) -> SafeString:
        state = row.state(datetime.now(UTC))
        return chip(state.capitalize(), TONES.get(state, ""))

    def get_ordering(self, request: HttpRequest) -> Any:
        return IS_OPEN.desc(), "-last_asked"

    def get_queryset(self, request: HttpRequest) -> QuerySet[AccessRequest]:
        return visible_requests(person(request), super().get_queryset(request))

    def waiting(self, request: HttpRequest) -> int:
        return len(waiting_for_me(request, datetime.now(UTC))) if request.user.has_perm(DECIDE_REQUESTS) else 0

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data and "cl" in response.context_data:
            rows = response.context_data["cl"].result_list
            known = names.of_servers(row.resource for row in rows)
            mine = {row.pk for row in waiting_for_me(request, datetime.now(UTC))}
            for row in rows:
                row.server_names, row.is_mine = known, row.pk in mine
        return response

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = dict(extra_context or {})
        found = self.get_object(request, object_id)
        if found is not None:
            context |= {**_to_know(found), "state": self.state_chip(found)}
        return super().change_view(request, object_id, form_url, context)

    def tools(self, request: HttpRequest, obj: AccessRequest | None) -> Sequence[Tool]:
        if obj is None:
            return ()
        state, me = obj.state(datetime.now(UTC)), person(request)
        if approvers.objection(obj, me):
            return self._next(request, obj)
        if state == AccessRequest.Status.OPEN and not obj.votes.filter(by=me).exists():
            return (Tool("Decide", reverse("admin:authz_accessrequest_decide", args=[obj.pk]), "good"),)
        following = self._next(request, obj)
        if state == AccessRequest.Status.APPROVED:
            end_it = Tool("End it now", reverse("admin:authz_accessrequest_end", args=[obj.pk]), "danger")
            return (*following, end_it)
        return following

    @staticmethod
    def _next(request: HttpRequest, obj: AccessRequest) -> tuple[Tool, ...]:
        """The way on through the queue."""
        if not request.user.has_perm(DECIDE_REQUESTS):
            return ()
        others = [row for row in waiting_for_me(request, datetime.now(UTC)) if row.pk != obj.pk]
        if not others:
            return ()
        return (Tool(f"Next of {len(others)}", reverse("admin:authz_accessrequest_decide", args=[others[0].pk]), ""),)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<uuid:pk>/decide/", wrap(never_cache(decide)), name="authz_accessrequest_decide"),
            path("<uuid:pk>/end/", wrap(never_cache(end)), name="authz_accessrequest_end"),
            *super().get_urls(),
        ]


def votes_of(found: AccessRequest) -> list[AccessVote]:
    return list(found.votes.select_related("by"))


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
    known = {**_to_know(found), "shown_field": form_binding.field(request, DECISION, *_shown(found))}
    context = {**console.each_context(request), **known, "title": "Approve or deny?", "form": form}
    return TemplateResponse(request, "console/access_request.html", context)


def _decided(request: HttpRequest, found: AccessRequest) -> DecisionForm | None:
    """The form as it has to be shown (again); None once it has decided."""
    form = DecisionForm(found, votes_of(found), request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        # What is approved is what was read: the agent, its document, the reason and the votes so far included.
        approves = request.POST.get("decision") == "approve"
        if approves and not form_binding.is_as_shown(request, DECISION, *_shown(found)):
            form.add_error(None, form_binding.CHANGED)
            return form
        try:
            _decide(request, found, form.cleaned_data)
        except NotDecided as problem:
            form.add_error(None, str(problem))
        else:
            return None
    return form


def _to_know(found: AccessRequest) -> dict[str, Any]:
    return {
        "access_request": found,
        "resource": ProtectedResource.objects.filter(identifier=found.resource).select_related("owner").first(),
        "deciders": approvers.panel(found).in_words(),
        "votes": votes_of(found),
        "alike": access_requests.like(found),
    }


def _shown(found: AccessRequest) -> tuple[object, ...]:
    """What those who decide read of a request. How often it was asked, and what was decided in like cases, moves on."""
    resource = ProtectedResource.objects.filter(identifier=found.resource).first()
    scopes = Scope.objects.filter(resource=resource, name__in=found.scopes).order_by("name") if resource else ()
    owner, user = found.client.owner, found.user
    return (
        str(found.pk),
        form_binding.client_state(found.client),
        owner.username if owner else "",
        [user.username, user.email] if user else None,
        [found.resource, resource.name if resource else ""],
        found.scopes,
        [[scope.name, scope.description, scope.sensitivity] for scope in scopes],
        [found.grant_type, found.reason, found.context, approvers.panel(found).in_words()],
        [[str(vote.pk), vote.by.username, vote.scopes, vote.expires, vote.comment] for vote in votes_of(found)],
    )


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
        "ends_something": True,
        "back": Tool("Access request", reverse("admin:authz_accessrequest_change", args=[pk])),
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
    shown = list(rows.prefetch_related("votes__by")[:SHOWN])
    context = {
        "requests": [(row, row.state(now)) for row in shown],
        "servers": names.of_servers(row.resource for row in shown),
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
        "servers": names.of_servers([found.resource]),
        "may_withdraw": found.user_id == me.pk and is_open,
        "may_explain": is_open,
        "deciders": approvers.panel(found).in_words() if is_open else "",
        "is_one": True,
    }
    return render(request, "account/requests.html", context)


def _explained(request: HttpRequest, found: AccessRequest) -> HttpResponse:
    by, reason = person(request), request.POST["reason"]
    if access_requests.add_justification(found, by=by, reason=reason, now=datetime.now(UTC)):
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
    known = {**_to_know(found), "shown_field": form_binding.field(request, DECISION, *_shown(found))}
    return render(request, "account/decide.html", {**known, "title": "Approve or deny?", "form": form})
