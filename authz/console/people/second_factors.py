"""Removing a person's second factors, for those who have lost them."""

from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from authz import audit
from authz.console.model_admin import person
from authz.console.site import console
from authz.console.widgets.toolbar import Tool
from authz.database.transactions import unit_of_work
from authz.models import BrowserSession, User
from authz.sign_in import second_factors
from authz.sign_in.roles import CONFIGURE


def of_person(user: User) -> list[tuple[str, Authenticator]]:
    rows = Authenticator.objects.filter(user=user).order_by("created_at")
    return [(second_factors.WORDS.get(row.type, row.type), row) for row in rows]


def may_reset(request: HttpRequest, user: User) -> bool:
    """Of others only: one's own are removed at `/accounts/2fa/`, after a sign-in with all of them (attack 38)."""
    return request.user.has_perm(CONFIGURE) and user.pk != request.user.pk


def view(request: HttpRequest, pk: int) -> HttpResponse:
    """GET: the question. POST: remove them, and sign the person out everywhere."""
    user = get_object_or_404(User, pk=pk)
    if not may_reset(request, user):
        raise PermissionDenied(CONFIGURE)
    back = reverse("admin:authz_user_change", args=[pk])
    if request.method == "POST":
        removed = _reset(request, user)
        messages.success(request, "The second factors are removed." if removed else "There are none.")
        return HttpResponseRedirect(back)
    context = {
        **console.each_context(request),
        "opts": User._meta,
        "title": "Remove the second factors?",
        "consequence": f"{user.username} is signed out everywhere, and then signs in with the password alone until"
        " another second factor is set up. Ask them in a way that you trust: an attacker who has the password asks for"
        " the same.",
        "button": "Remove them",
        "ends_something": True,
        "back": Tool(user.username, back),
    }
    return TemplateResponse(request, "console/confirm.html", context)


def _reset(request: HttpRequest, user: User) -> bool:
    with unit_of_work():
        kinds = sorted(Authenticator.objects.filter(user=user).select_for_update().values_list("type", flat=True))
        if not kinds:
            return False
        Authenticator.objects.filter(user=user).delete()
        BrowserSession.objects.filter(user=user).delete()
        detail = {"username": user.username, "factors": kinds, "by": person(request).username}
        audit.record(audit.Event.FACTORS_RESET, subject=str(user.subject), detail=detail)
    return True
