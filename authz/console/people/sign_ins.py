"""Ending several sign-ins at once: what would end, the button, and one record for each."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from authz.authorizations import cut_off
from authz.console.cut_off import EndAccessForm
from authz.console.model_admin import person
from authz.console.site import console
from authz.models import Authorization, BrowserSession, User
from authz.sign_in import form_binding, sign_ins
from authz.sign_in.roles import CUT_OFF, SEE_CUT_OFFS

FORM = "end sign-ins"
# Of one form; an address that names more would be too long for some proxies.
MOST = 50


@console.page("people/sign-ins/end/", "end_sign_ins")
def end_several(request: HttpRequest) -> HttpResponse:
    """GET with `id`, once for each: what would end. POST: end it."""
    if not request.user.has_perm(SEE_CUT_OFFS):
        raise PermissionDenied(SEE_CUT_OFFS)
    may = request.user.has_perm(CUT_OFF["session"])
    if request.method == "POST" and not may:
        raise PermissionDenied(CUT_OFF["session"])
    asked = list(dict.fromkeys(request.GET.getlist("id")))[:MOST]
    found = sign_ins.by_digest(asked, datetime.now(UTC))
    people = dict(BrowserSession.objects.filter(digest__in=found).values_list("digest", "user__username"))
    form = EndAccessForm(request.POST if request.method == "POST" else None, label_suffix="")
    shown = sorted(found)
    if request.method == "POST" and form.is_valid():
        if form_binding.is_as_shown(request, FORM, shown):
            ended = end(shown, by=person(request), reason=form.cleaned_data["reason"], now=datetime.now(UTC))
            messages.success(request, f"{ended} sign-in{'s' * (ended != 1)} ended.")
            return HttpResponseRedirect(_back(people.values()))
        messages.warning(request, form_binding.CHANGED)
    context = {
        **console.each_context(request),
        "title": "End these sign-ins?" if len(found) != 1 else "End this sign-in?",
        "rows": [(row, people.get(digest, "")) for digest, row in found.items()],
        "authorizations": Authorization.objects.filter(session_digest__in=found, revoked=None).count(),
        "form": form,
        "may": may,
        "back": _back(people.values()),
        "shown_field": form_binding.field(request, FORM, shown),
    }
    return TemplateResponse(request, "console/end_sign_ins.html", context)


def end(digests: Sequence[str], *, by: User, reason: str, now: datetime) -> int:
    """End each sign-in with what rests on it; returns how many. One that has ended meanwhile is passed over."""
    ended = 0
    for digest in digests:
        try:
            target = cut_off.target("session", digest)
        except cut_off.NothingToCut:
            continue
        cut_off.cut_off(
            target,
            kind="session",
            identifier=digest,
            reason=reason,
            by=by.username,
            by_subject=str(by.subject),
            now=now,
        )
        ended += 1
    return ended


def _back(names: Iterable[str]) -> str:
    """The person's page, if all are one person's; else the list of people."""
    found = set(names)
    user = User.objects.filter(username=found.pop()).first() if len(found) == 1 else None
    return reverse("admin:authz_user_change", args=[user.pk]) if user else reverse("admin:authz_user_changelist")
