"""The WSGI application: machine endpoints straight to their views, people's pages through all of Django.

A token request needs no session, no messages, no URL patterns and no signals; leaving them out makes it several times
faster (docs/decisions/0006-machine-path.md). Both ways lead to the same views: what is not in the short list goes the
long way, which is always right.
"""

import os
import time
from collections.abc import Callable, Iterable
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "authz.settings")

from django.core.handlers.wsgi import WSGIRequest
from django.core.wsgi import get_wsgi_application

people = get_wsgi_application()

from django.db import close_old_connections

from authz import audit, turns
from authz.addresses import client_address
from authz.conf import conf
from authz.endpoints import health, introspection, jwks, metadata, metrics, revocation, token
from authz.endpoints.machine import BEGAN, request_id

_MACHINE = {
    f"{conf.issuer_path}/token": token.token,
    f"{conf.issuer_path}/introspect": introspection.introspect,
    f"{conf.issuer_path}/revoke": revocation.revoke,
    f"{conf.issuer_path}/jwks": jwks.jwks,
    **{f"/{address}": metadata.metadata for address in metadata.addresses()},
}
# Whoever watches the server waits for nobody's turn.
_WATCHING = {"/healthz": health.healthz, "/readyz": health.readyz, "/metrics": metrics.metrics}
_SCHEME = conf.issuer.partition(":")[0]


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    # TLS may end at a proxy; whether people's pages are secure is said by the issuer, not by a header (law 7).
    environ["wsgi.url_scheme"] = _SCHEME
    environ[BEGAN] = time.perf_counter()
    path = environ.get("PATH_INFO", "")
    if (view := _MACHINE.get(path)) is not None:
        with turns.one_at_a_time():
            close_old_connections()
            response = view(WSGIRequest(environ))
    elif (view := _WATCHING.get(path)) is not None:
        close_old_connections()
        response = view(WSGIRequest(environ))
    else:
        # What Django logs after its last middleware is known by the request's id, too.
        with turns.beside_the_others(), audit.origin(client_address(environ), request_id(environ)):
            return people(environ, start_response)
    start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [response.content]
