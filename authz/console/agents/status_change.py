"""The pages that change an agent's status: approve, suspend, retire; one agent or a selection."""

from collections.abc import Sequence
from datetime import UTC, datetime

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from authz.approvals import agent_lifecycle
from authz.approvals.agent_lifecycle import OWN, change_status, is_ones_own
from authz.console.agents.approval_form import ApprovalForm
from authz.console.agents.reach import reach
from authz.console.agents.registered import registered_by
from authz.console.model_admin import person
from authz.console.rules.naming import asking, settle
from authz.console.site import console
from authz.decisions import rule_history
from authz.limits.refused_pages import record_refused_page
from authz.models import Client
from authz.policy.renaming import NameChange, Named
from authz.protocol.errors import Reason
from authz.sign_in import form_binding
from authz.sign_in.roles import APPROVE_AGENTS

Status = Client.Status
APPROVAL = "approve agents"
# Target status → the button, and what follows.
CHANGES = {
    Status.APPROVED: (
        "Approve",
        "It may ask for tokens until its approval ends. The rules decide what it gets.",
    ),
    Status.SUSPENDED: (
        "Suspend",
        "It gets no more tokens, and introspection reports its tokens as inactive. Authorizations stay, and work again"
        " when it is approved again.",
    ),
    Status.RETIRED: (
        "Retire",
        "It gets no more tokens, and all its authorizations end. A retired agent never comes back.",
    ),
}
DONE = {Status.APPROVED: "approved", Status.SUSPENDED: "suspended", Status.RETIRED: "retired"}


def _to_approve(clients: Sequence[Client]) -> tuple[object, ...]:
    """What the page of an approval shows, with the version of the rules that it shows."""
    return (rule_history.number(), [form_binding.client_to_approve(client) for client in clients])


def change_one(request: HttpRequest, rows: QuerySet[Client], pk: int, to: str) -> HttpResponse:
    if not request.user.has_perm(APPROVE_AGENTS):
        raise PermissionDenied
    if to not in CHANGES:
        return HttpResponseRedirect(reverse("admin:authz_client_change", args=[pk]))
    client = get_object_or_404(rows, pk=pk)
    if is_ones_own(client, to, person(request)):
        raise PermissionDenied(OWN)
    form = _approval(request, to, [client])
    if request.method == "POST" and (form is None or form.is_valid()):
        if form is None or form_binding.is_as_shown(request, APPROVAL, *_to_approve([client])):
            if to != Status.RETIRED:
                return _change_one(request, client, to, form)
            return asking(request, lambda: _change_one(request, client, to, form), request.path)
        messages.warning(request, form_binding.CHANGED)
    return _confirm(request, to, [client], form)


def _change_one(request: HttpRequest, client: Client, to: str, form: ApprovalForm | None) -> HttpResponseRedirect:
    terms = form.terms() if form else None
    is_overtaken = form is not None and form.is_overtaken
    try:
        if not is_overtaken and change_status(client, to, by=person(request), now=datetime.now(UTC), terms=terms):
            if to == Status.RETIRED:
                settle(request, _gone([client]))
            messages.success(request, f"“{client.name or client.client_id}” is {DONE[Status(to)]}.")
        else:
            messages.warning(request, "Another administrator has changed its status already.")
    except agent_lifecycle.CannotApprove as problem:
        messages.error(request, str(problem))
    return HttpResponseRedirect(reverse("admin:authz_client_change", args=[client.pk]))


def _gone(clients: Sequence[Client]) -> list[NameChange]:
    return [NameChange(kind=Named.AGENT, name=client.client_id) for client in clients]


def _approval(request: HttpRequest, to: str, clients: Sequence[Client]) -> ApprovalForm | None:
    """The form of an approval, bound if it was posted; None where nothing is approved."""
    if to != Status.APPROVED:
        return None
    posted = request.POST if "until" in request.POST else None
    return ApprovalForm(clients, person(request), posted)


def _confirm(request: HttpRequest, to: str, clients: Sequence[Client], form: ApprovalForm | None) -> HttpResponse:
    button, consequence = CHANGES[Status(to)]
    if to == Status.APPROVED and all(client.status == Status.APPROVED for client in clients):
        button = "Renew"
    many = len(clients) > 1
    context = {
        **console.each_context(request),
        "opts": Client._meta,
        "title": f"{button} {len(clients)} agents?" if many else f"{button} this agent?",
        "button": button,
        "consequence": consequence.replace("It ", "They ").replace("it again", "them again") if many else consequence,
        "clients": clients,
        "to": to,
        "form": form,
        "is_bulk": bool(request.POST.get("action")),
        "shown_field": form_binding.field(request, APPROVAL, *_to_approve(clients)) if form else "",
        "reach": reach(clients[0]) if not many and to == Status.APPROVED else None,
        "registered_by": registered_by(clients[0]) if not many else "",
    }
    return TemplateResponse(request, "console/agent_status.html", context)


def change_selected(request: HttpRequest, queryset: QuerySet[Client], to: str) -> HttpResponse | None:
    if not request.user.has_perm(APPROVE_AGENTS):
        raise PermissionDenied
    clients = list(queryset.order_by("pk")[:500])
    form = _approval(request, to, clients)
    if not request.POST.get("post") or (form is not None and not form.is_valid()):
        return _confirm(request, to, clients, form)
    if form is not None and not form_binding.is_as_shown(request, APPROVAL, *_to_approve(clients)):
        messages.warning(request, form_binding.CHANGED)
        return _confirm(request, to, clients, form)
    if to != Status.RETIRED:
        return _change_selected(request, clients, to, form)
    return asking(request, lambda: _change_selected(request, clients, to, form), request.get_full_path())


def _change_selected(
    request: HttpRequest, clients: Sequence[Client], to: str, form: ApprovalForm | None
) -> HttpResponse | None:
    now, moved, left = datetime.now(UTC), [], []
    for client in clients:
        try:
            terms = form.terms(client) if form else None
            if change_status(client, to, by=person(request), now=now, terms=terms):
                moved.append(client)
        except PermissionDenied as problem:
            record_refused_page(request, Reason.PAGE_FORBIDDEN, f"{client.client_id}: {problem}")
            left.append(f"{client.client_id}: {problem}")
    if to == Status.RETIRED:
        settle(request, _gone(moved))
    messages.success(request, f"{len(moved)} of {len(clients)} {DONE[Status(to)]}.")
    if left:
        messages.warning(request, " ".join(left[:10]))
    return None
