"""The WSGI application: machine endpoints without middleware, people's pages with all of it.

A token request needs no session, no messages and no templates; going round Django's middleware makes it several times
faster (docs/decisions/0006-machine-path.md). Both ways lead through the same URLs to the same views.
"""

import os
from collections.abc import Callable, Iterable
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "authz.settings")

from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application

people = get_wsgi_application()

from authz.conf import conf


class MachineHandler(WSGIHandler):
    """Django's handler with an empty middleware chain."""

    def load_middleware(self, is_async: bool = False) -> None:
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        self._middleware_chain = convert_exception_to_response(self._get_response)  # type: ignore[attr-defined]  # not in the stubs


machine = MachineHandler()

# Named one by one: what is not in this list goes the long way, which is always right.
_MACHINE = frozenset(f"{conf.issuer_path}/{name}" for name in ("token", "introspect", "revoke", "jwks"))
_SCHEME = conf.issuer.partition(":")[0]


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    # TLS may end at a proxy; whether people's pages are secure is said by the issuer, not by a header (law 7).
    environ["wsgi.url_scheme"] = _SCHEME
    handler = machine if environ.get("PATH_INFO", "") in _MACHINE else people
    return handler(environ, start_response)
