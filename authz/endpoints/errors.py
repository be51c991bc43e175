"""The pages for people when something broke here: 503 where the database did not answer, 500 for the rest;
and those for actions that a person may not do.
"""

import sys
from collections.abc import Sequence
from contextlib import suppress

from django.core.exceptions import SuspiciousOperation
from django.db import Error as DatabaseFailure
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.template import loader
from django.urls import is_valid_path, resolve
from django.views import csrf, defaults

from authz import audit
from authz.limits.refusal_sampling import UnrecordedError
from authz.limits.refused_pages import record_refused_page
from authz.models import User
from authz.protocol.errors import RETRY_AFTER, Reason
from authz.sign_in import contacts
from authz.telemetry import metrics

# After these nothing was given and nothing refused.
GIVES_NOTHING = (DatabaseFailure, UnrecordedError)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler400`: a page, or problem details where a program asked."""
    if request.path_info.startswith("/api/"):
        said = {"title": "Bad request", "status": 400, "detail": "The address or a header cannot be read."}
        return JsonResponse(said, status=400, content_type="application/problem+json")
    return defaults.bad_request(request, exception)


# Where people type addresses.
_PAGES = ("/console", "/account", "/accounts")


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler404`: the page whose address differs in the slash at its end, if there is one."""
    whole = request.path_info
    if request.method in {"GET", "HEAD"} and whole.startswith(_PAGES):
        other = whole.removesuffix("/") if whole.endswith("/") else f"{whole}/"
        if other.startswith(_PAGES) and is_valid_path(other) and not _is_any(other):
            query = request.META.get("QUERY_STRING", "")
            return HttpResponseRedirect(f"{other}?{query}" if query else other)
    return defaults.page_not_found(request, exception)


def _is_any(path: str) -> bool:
    """Whether it is the console's own pattern for all that it does not have."""
    return resolve(path).url_name is None


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's `handler500`. It reads nothing: the database may be what is broken."""
    if isinstance(sys.exception(), GIVES_NOTHING):
        return unavailable()
    return HttpResponse(_page("500.html"), status=500)


def unavailable() -> HttpResponse:
    """The same page whatever was asked for, and whether it would have been given or refused."""
    metrics.DATABASE_ERRORS.add("page")
    return HttpResponse(_page("503.html"), status=503, headers={"Retry-After": str(RETRY_AFTER)})


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler403`: an attempt without permission is worth knowing."""
    record_refused_page(request, Reason.PAGE_FORBIDDEN, str(exception))
    if not isinstance(request.user, User):
        return defaults.permission_denied(request, exception)
    found = request.resolver_match
    permission = contacts.permission_of(str(exception), (found.url_name if found else "") or "")
    # A person who holds it was refused for another reason, such as that the agent is their own.
    is_missing = permission and not request.user.has_perm(permission)
    context = {
        "role": request.user.get_role_display(),
        "roles": contacts.roles_with(permission) if is_missing else (),
        "administrators": contacts.administrators(),
        "owners": _owners(request),
    }
    return render(request, "403.html", context, status=403)


def _owners(request: HttpRequest) -> Sequence[str]:
    """Of the MCP server that the page is about: its own page, or one that was asked about it."""
    found = request.resolver_match
    kwargs, name = (found.kwargs, found.url_name or "") if found else ({}, "")
    if name.startswith("authz_protectedresource_"):
        return contacts.owners_of(str(kwargs.get("pk") or kwargs.get("object_id") or ""), "")
    asked = "id" if kwargs.get("kind") == "resource" else "resource"
    # An address with more fields than Django reads is refused, too, but this page is already a refusal.
    with suppress(SuspiciousOperation):
        return contacts.owners_of("", request.GET.get(asked, "")[:1024])
    return ()


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's `CSRF_FAILURE_VIEW`."""
    record_refused_page(request, Reason.FORM_FORGED, reason)
    return csrf.csrf_failure(request, reason)


def _page(template: str) -> str:
    return loader.get_template(template).render({"correlation_id": audit.current_origin().request_id})
