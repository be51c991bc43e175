"""The pages of access requests for everyone who is signed in: a person's own, and those that they decide."""

from datetime import UTC, datetime
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from authz.approvals import access_requests, approvers, extension_fields, voting
from authz.approvals.extension_fields import FieldError
from authz.console.access_requests.decision import DECISION, decide_by_form, known_of, shown_of, title_of
from authz.console.model_admin import person
from authz.console.widgets import names
from authz.models import AccessRequest
from authz.sign_in import form_binding

SHOWN = 50


@login_required
@never_cache
@require_safe
def mine(request: HttpRequest) -> HttpResponse:
    """Requests for the person or their agents with the outcome, and requests that the person may decide."""
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
    """One request, for the person it is for, the agent's owner and its approvers. Raises `Http404` for all others."""
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
        if "fields" in request.POST:
            return _filled_in(request, found)
        return _explained(request, found) if "reason" in request.POST else _withdrawn(request, found)
    state = found.state(now)
    is_open = state == AccessRequest.Status.OPEN
    context = {
        "requests": [(found, state)],
        "servers": names.of_servers([found.resource]),
        "may_withdraw": found.user_id == me.pk and is_open,
        "may_explain": is_open,
        "deciders": approvers.panel(found).in_words() if is_open else "",
        "asked_fields": extension_fields.asked(found),
        "is_one": True,
    }
    return render(request, "account/requests.html", context)


def _explained(request: HttpRequest, found: AccessRequest) -> HttpResponse:
    by, reason = person(request), request.POST["reason"]
    if access_requests.add_justification(found, by=by, reason=reason, now=datetime.now(UTC)):
        messages.success(request, "The approvers read your reason.")
    return redirect("account_request", found.pk)


def _filled_in(request: HttpRequest, found: AccessRequest) -> HttpResponse:
    try:
        given = extension_fields.from_form(found.resource, request.POST)
        if extension_fields.give(found, by=person(request), given=given, now=datetime.now(UTC)):
            messages.success(request, "The approvers see it.")
    except FieldError as problem:
        messages.error(request, str(problem))
    return redirect("account_request", found.pk)


def _withdrawn(request: HttpRequest, found: AccessRequest) -> HttpResponse:
    me = person(request)
    withdrawn = found.user_id == me.pk and voting.cancel(found, by=me, now=datetime.now(UTC))
    messages.success(request, "Withdrawn." if withdrawn else "It could not be withdrawn.")
    return redirect("account_requests")


@login_required
@never_cache
def decide_for_others(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The decision for approvers without a role in the console. Raises `Http404`."""
    found = AccessRequest.objects.select_related("client__owner", "user").filter(pk=pk).first()
    # People who may not decide it do not learn that it exists.
    if found is None or approvers.objection(found, person(request)):
        raise Http404
    form = decide_by_form(request, found)
    if form is None:
        return redirect("account_requests")
    known = {**known_of(found), "shown_field": form_binding.field(request, DECISION, *shown_of(found))}
    return render(request, "account/decide.html", {**known, "title": title_of(found), "form": form})
