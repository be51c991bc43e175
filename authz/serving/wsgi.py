"""The WSGI application: machine endpoints go straight to their views, pages through all of Django.

A token request needs no session, no messages, no URL patterns and no signals. Without them it is several times faster
(docs/decisions/0006-machine-path.md). The URL patterns have the same views, so a path that is not in `MACHINES` is
served as well.
"""

import os
import time
from collections.abc import Callable, Iterable
from http.client import responses
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "authz.settings")

from django.core.wsgi import get_wsgi_application

people = get_wsgi_application()

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.core.signals import request_finished
from django.db import close_old_connections

from authz import audit
from authz.conf import conf
from authz.database import concurrency, greenlets, raw_sql
from authz.endpoints import health, introspection, jwks, metadata, metrics, revocation, token
from authz.endpoints.decision_point import access_requests, evaluation, events, ext_authz
from authz.endpoints.decision_point import metadata as authzen
from authz.endpoints.machine import BEGAN, MachineRequest, Response, View, json_response, request_id
from authz.limits.addresses import client_address
from authz.protocol.errors import OAuthError, Reason

MACHINES: dict[str, View] = {
    f"{conf.issuer_path}/token": token.token.answer,
    f"{conf.issuer_path}/introspect": introspection.introspect.answer,
    f"{conf.issuer_path}/revoke": revocation.revoke.answer,
    f"{conf.issuer_path}/jwks": jwks.jwks.answer,
    f"{conf.issuer_path}/access/v1/evaluation": evaluation.evaluation.answer,
    f"{conf.issuer_path}/access/v1/evaluations": evaluation.evaluations.answer,
    f"{conf.issuer_path}/access/v1/requests": access_requests.access_request.answer,
    f"{conf.issuer_path}/access/v1/events": events.events.answer,
    f"{conf.issuer_path}/{ext_authz.AUTH_REQUEST}": ext_authz.auth_request.answer,
    f"/{authzen.address()}": authzen.authzen_metadata.answer,
    **{f"/{address}": metadata.metadata.answer for address in metadata.addresses()},
    "/healthz": health.healthz,
    "/readyz": health.readyz,
    "/metrics": metrics.metrics,
}


def machine_at(path: str) -> View | None:
    """The machine endpoint that answers at this path the short way."""
    return MACHINES.get(path) or metadata.at_well_known(path) or ext_authz.at(path)


# In the environment of a request that waits for a lock: it needs a free place (authz/database/concurrency.py).
WAITS = "gatehouse.waits"
_SCHEME = conf.issuer.partition(":")[0]


class PageRequest(WSGIRequest):
    """A request for a page. URLs and forms are UTF-8, whatever charset a Content-Type claims: no form type has that
    parameter (URL Standard §5; RFC 7578 §8).

    Django would decode the URL with it, too, and fails where Python's codec of that name is not for text (attack 35).
    """

    @property
    def encoding(self) -> str | None:
        return None

    @encoding.setter
    def encoding(self, claimed: str) -> None:
        pass


people.request_class = PageRequest
# Connections are kept (CONN_MAX_AGE), and the next request looks whether its own is still good. To look at the end as
# well would cost as much again.
request_finished.disconnect(close_old_connections)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    # TLS may end at a proxy. The issuer's scheme says whether pages are secure, not a header (invariant 7).
    environ["wsgi.url_scheme"] = _SCHEME
    environ.setdefault(BEGAN, time.perf_counter())
    path = environ.get("PATH_INFO", "")
    view = machine_at(path)
    with concurrency.in_thread():
        if view is None:
            # So that what Django logs after its last middleware has the request's id, too.
            with audit.origin(client_address(environ), request_id(environ)):
                return people(environ, start_response)
        response = _busy() if environ.get(WAITS) and not concurrency.may_block() else answer(view, environ)
    phrase = responses.get(response.status_code, "Unknown")
    start_response(f"{response.status_code} {phrase}", list(response.headers.items()))
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [response.content]


def _busy() -> Response:
    error = OAuthError(Reason.UNAVAILABLE)
    return json_response(error.body(), status=error.status, headers={"Retry-After": str(error.retry_after)})


def answer(view: View, environ: dict[str, Any]) -> Response:
    """The response of a machine endpoint."""
    # On PostgreSQL the pool does this for a greenlet (authz/database/postgresql/pool.py).
    is_pooled = not settings.IS_SQLITE and greenlets.current() is not None
    if not getattr(view, "needs_no_database", False) and not is_pooled:
        raw_sql.check_connection()
    return view(MachineRequest(environ))
