"""The pages for people when something broke here: 503 where the database did not answer, 500 for the rest."""

import sys

from django.db import Error as DatabaseFailure
from django.http import HttpRequest, HttpResponse
from django.template import loader

from authz import audit, metrics


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's `handler500`. It asks nobody: the database may be what is broken."""
    is_away = isinstance(sys.exception(), DatabaseFailure)
    template = loader.get_template("503.html" if is_away else "500.html")
    page = template.render({"correlation_id": audit.current_origin().request_id})
    if not is_away:
        return HttpResponse(page, status=500)
    metrics.DATABASE_ERRORS.add("page")
    return HttpResponse(page, status=503, headers={"Retry-After": "5"})
