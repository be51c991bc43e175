"""The console's pages that decide an access request, or end its approval."""

from datetime import UTC, datetime
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from authz.approvals import approvers, voting
from authz.console.access_requests.decision import DECISION, decide_by_form, known_of, shown_of, title_of
from authz.console.model_admin import person
from authz.console.site import console
from authz.console.widgets.toolbar import Tool
from authz.models import AccessRequest
from authz.sign_in import form_binding


def _to_decide(request: HttpRequest, pk: UUID) -> AccessRequest:
    found = get_object_or_404(AccessRequest.objects.select_related("client__owner", "user"), pk=pk)
    if problem := approvers.objection(found, person(request)):
        raise PermissionDenied(problem)
    return found


def decide(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A page that says who asks for what and why; a POST of its form decides, once."""
    found = _to_decide(request, pk)
    form = decide_by_form(request, found)
    if form is None:
        return redirect("admin:authz_accessrequest_change", pk)
    known = {**known_of(found), "shown_field": form_binding.field(request, DECISION, *shown_of(found))}
    context = {**console.each_context(request), **known, "title": title_of(found), "form": form}
    return TemplateResponse(request, "console/access_request.html", context)


def end(request: HttpRequest, pk: UUID) -> HttpResponse:
    """End an approval before its time: what was issued under it is refused and inactive from then on."""
    found = _to_decide(request, pk)
    if request.method == "POST":
        ended = voting.cancel(found, by=person(request), now=datetime.now(UTC))
        messages.success(request, "Ended." if ended else "It had ended already.")
        return redirect("admin:authz_accessrequest_change", pk)
    context = {
        **console.each_context(request),
        "title": "End this approval?",
        "consequence": format_html(
            "“<bdi>{}</bdi>” loses <code>{}</code> for <bdi>{}</bdi> at once. If it asks again, a new approval is"
            " needed.",
            found.client.name or found.client.client_id,
            " ".join(found.approved_scopes),
            found.user.username if found.user else "itself",
        ),
        "button": "End access",
        "ends_something": True,
        "back": Tool("Access request", reverse("admin:authz_accessrequest_change", args=[pk])),
    }
    return TemplateResponse(request, "console/confirm.html", context)
