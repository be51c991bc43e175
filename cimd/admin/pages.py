"""The pages that approve a document, and inspect a URL."""

import time
from collections.abc import Sequence
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from authz.console.agents.approval_form import ApprovalForm
from authz.console.lists import row_or_404
from authz.console.site import console
from authz.database import configuration_cache
from authz.models import Client, User
from authz.sign_in import form_binding
from authz.sign_in.roles import APPROVE_AGENTS, CONFIGURE
from cimd import admission
from cimd.admin.readable import difference
from cimd.inspection import inspect
from cimd.models import Document, DocumentVersion, Policy

APPROVAL = "approve a document"


def _policy_with(request: HttpRequest, hosts: Sequence[str]) -> str:
    """The address of the policy's form with these hosts added; "" for people who may not change it."""
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
    """Whether it, or a change of it, waits for an approval."""
    if document.candidate is not None:
        return True
    return document.client is not None and document.client.status == Client.Status.PENDING


def all_documents() -> QuerySet[Document]:
    return Document.objects.select_related("client__owner", "current", "candidate")


def approve(request: HttpRequest, pk: int) -> HttpResponse:
    if not request.user.has_perm(APPROVE_AGENTS) or not isinstance(request.user, User):
        raise PermissionDenied
    document = get_object_or_404(all_documents(), pk=pk)
    back = reverse("admin:cimd_document_change", args=[pk])
    waits = document.candidate or document.current
    if waits is None or not is_waiting(document):
        return HttpResponseRedirect(back)
    clients = [document.client] if document.client is not None else []
    form = ApprovalForm(clients, request.user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        # The approval is for the version that the page showed: its host may have published another one.
        if not form_binding.is_as_shown(request, APPROVAL, *_shown(document, waits)):
            messages.warning(request, form_binding.CHANGED)
            return HttpResponseRedirect(reverse("admin:cimd_document_approve", args=[pk]))
        if admission.approve(document, request.POST.get("digest", ""), by=request.user, terms=form.terms()):
            messages.success(request, f"{document.url} is approved.")
        else:
            messages.warning(request, "The document has changed since you looked at it. Look at it again.")
        return HttpResponseRedirect(back)
    context = {
        **console.each_context(request),
        "opts": Document._meta,
        "title": "Approve this agent?",
        "document": document,
        "version": waits,
        "form": form,
        "shown_field": form_binding.field(request, APPROVAL, *_shown(document, waits)),
        "lines": list(difference(document.current if document.candidate else waits, waits)),
    }
    return TemplateResponse(request, "console/document_approve.html", context)


def inspect_url(request: HttpRequest) -> HttpResponse:
    """What this server thinks of the document at a URL. It fetches the URL, so only a POST asks for it."""
    named = request.GET.get("document", "")
    url, inspection = row_or_404(Document.objects.all(), named).url if named else "", None
    if request.method == "POST":
        url = request.POST.get("url", "").strip()
        configuration_cache.begin()
        inspection = inspect(url, time.time())
    context = {
        **console.each_context(request),
        "opts": Document._meta,
        "title": "Inspect a document",
        "url": url,
        "inspection": inspection,
        "policy_url": _policy_with(request, inspection.hosts_left_out) if inspection else "",
    }
    return TemplateResponse(request, "console/document_inspect.html", context)
