"""The page End access: a search first, then what was ended lately and what looks wrong; “End everything” comes last."""

from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from authz.authorizations import cut_off
from authz.console import looks_wrong
from authz.console.cut_off import EVERYTHING, address, require_sight, shown
from authz.console.model_admin import person
from authz.console.navigation import Place
from authz.console.search import forms, to_end
from authz.console.search.hits import Hit
from authz.console.site import console
from authz.models import CutOff
from authz.sign_in.roles import SEE_CUT_OFFS, may_cut_off

SHOWN = 20


@console.page(
    "switch/", "switch_overview", place=Place("Decide", "End access", "end", order=2), permission=SEE_CUT_OFFS
)
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """With `?q=…`: what the text leads to, each with its button. A token itself is not looked up."""
    require_sight(request)
    text, now = request.GET.get("q", ""), datetime.now(UTC)
    is_secret = forms.is_secret(text)
    found = to_end(request, text) if text.strip() and not is_secret else None
    context = {
        **console.each_context(request),
        "title": "End access",
        "asked": "" if is_secret else text.strip(),
        "is_secret": is_secret,
        "found": None if found is None else [_offered(request, hit) for hit in found.hits],
        "unknown": [] if found is None else found.unknown,
        "rows": [shown(request, row) for row in CutOff.objects.order_by("-id")[:SHOWN]],
        "wrong": looks_wrong.found(now),
        "may_end_everything": may_cut_off(person(request), EVERYTHING, ""),
        "gone": cut_off.GONE_FOR_GOOD,
    }
    return TemplateResponse(request, "console/end_access.html", context)


def _offered(request: HttpRequest, hit: Hit) -> dict[str, Any]:
    """A hit with the address that ends its access, if there is any, and whether the person may do that."""
    if hit.ends is None:
        return {"hit": hit}
    return {"hit": hit, "url": address(*hit.ends), "may": may_cut_off(person(request), *hit.ends)}
