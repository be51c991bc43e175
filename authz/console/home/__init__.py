"""The console's home: what waits for a decision, and what happens."""

from datetime import UTC, datetime
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from authz.console.home.figures import PERIODS, figures
from authz.console.home.tasks import tasks
from authz.console.model_admin import person
from authz.console.navigation import Place
from authz.console.refusing import one_of
from authz.console.site import console
from authz.models import Client

# Seconds that the figures of a period are kept, for all visitors.
REMEMBERED = {"24h": 10, "7d": 60, "30d": 300}


@console.page("", "index", place=Place("", "Home", "home", tab="Overview"))
def home(request: HttpRequest) -> HttpResponse:
    period = one_of(request, "period", PERIODS) or "24h"
    context: dict[str, Any] = {
        **console.each_context(request),
        "title": "Home",
        "period": period,
        "periods": tuple(PERIODS),
    }
    context["tasks"] = tasks(request, datetime.now(UTC))
    if request.user.has_perm("authz.view_auditevent"):
        key = f"console:home:{period}"
        found = cache.get(key)
        if found is None:
            found = figures(period, datetime.now(UTC))
            cache.set(key, found, REMEMBERED[period])
        context |= found
    else:
        context["own_agents"] = Client.objects.filter(owner=person(request)).order_by("-id")[:20]
    return TemplateResponse(request, "console/home.html", context)
