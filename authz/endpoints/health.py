"""`/healthz`: this process is alive. `/readyz`: it could issue a token now (authz/operations/readiness.py).

For load balancers and orchestrators: no session, no key needed, and nothing in the answer that is worth asking for.
Restart what is not alive; send no requests to what is not ready.
"""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from authz.endpoints.machine import json_response
from authz.operations import readiness


def healthz(request: HttpRequest) -> HttpResponse:
    return json_response({"status": "alive"}).for_django()


def readyz(request: HttpRequest) -> HttpResponse:
    """200, or 503 with the codes of what is wrong in `reasons`."""
    reasons = readiness.problems()
    if not reasons:
        return json_response({"status": "ready"}).for_django()
    body = {"status": "not_ready", "reasons": list(reasons)}
    return json_response(body, status=503, headers={"Retry-After": "5"}).for_django()


healthz.needs_no_database = True  # type: ignore[attr-defined]
for _view in (healthz, readyz):
    _view.is_machine_endpoint = True  # type: ignore[attr-defined]  # watching is not counted

urlpatterns = [path("healthz", healthz), path("readyz", readyz)]
