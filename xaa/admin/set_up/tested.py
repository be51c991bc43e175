"""What a test sign-in showed: the claims that came, who the person would be here, and what is missing."""

import time
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache

from authz.audit.console_events import ConsoleEvent
from authz.console.model_admin import person
from authz.console.refusing import ConsoleReason
from authz.console.site import console
from authz.database import configuration_cache
from authz.limits.refusal_sampling import record_unauthenticated
from authz.protocol.errors import OAuthError
from authz.registry import reason_explanations
from xaa.admin.set_up.page import CHANGE
from xaa.explain import claim_lines
from xaa.explain.claim_lines import Seen
from xaa.explain.explain_id_token import audiences
from xaa.models import TrustedIssuer
from xaa.sign_in import trial
from xaa.sign_in.trial import OverError, Result


@console.page("xaa/trustedissuer/tested/<str:provider>/", "xaa_trustedissuer_tested")
@never_cache
def tested(request: HttpRequest, provider: str) -> HttpResponse:
    """Where a test ends. Its state is good once, in the browser and for the administrator that began it."""
    if not request.user.has_perm(CHANGE):
        raise PermissionDenied
    if not trial.is_trial(request):
        return HttpResponseRedirect(reverse("admin:xaa_trustedissuer_changelist"))
    configuration_cache.begin()
    me = person(request)
    try:
        result = trial.finish(request, me, provider)
    except OverError:
        error = OAuthError(ConsoleReason.QUERY_NOT_OFFERED, detail="a test sign-in that this browser did not begin")
        record_unauthenticated(ConsoleEvent.REFUSED, error, subject=str(me.subject))
        context = {**console.each_context(request), "opts": TrustedIssuer._meta, "title": "This test is over"}
        return TemplateResponse(request, "console/sign_in_test_over.html", context, status=400)
    context = {**console.each_context(request), **_told(result), "opts": TrustedIssuer._meta}
    return TemplateResponse(request, "console/sign_in_tested.html", context)


def _told(result: Result) -> dict[str, Any]:
    found, refusal = result.resolution, result.refusal
    explained = reason_explanations().get(refusal.reason.value) if refusal else None
    seen = Seen(claims=result.claims, trust=result.trust, audiences=audiences(result.trust), now=time.time())
    return {
        "title": "The test sign-in",
        "row": result.row,
        "result": result,
        "found": found.person.user if found else None,
        "is_new": found is not None and found.person.user.pk is None,
        "is_linked": found is not None and found.link is not None,
        "groups": found.person.groups if found else (),
        "loses_password": bool(found and found.person.user.pk and found.person.user.has_usable_password()),
        "has_no_role": bool(found and found.person.user.role == found.person.user.Role.NONE),
        "reason": refusal.reason.value if refusal else "",
        "detail": refusal.detail if refusal else "",
        "why": explained.why if explained else "",
        "remedy": explained.remedy if explained else "",
        "lines": claim_lines.lines(seen) if result.claims else (),
    }
