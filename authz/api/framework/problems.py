"""Errors as problem details (RFC 9457)."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from authz.approvals.agent_lifecycle import CannotApprove
from authz.approvals.voting import NotDecided
from authz.authorizations.cut_off import NothingToCut
from authz.configuration import ConfigurationError
from authz.protocol.strict_json import StrictJsonError

log = logging.getLogger(__name__)

# Of a file, all of whose mistakes are named.
MAX_ERRORS = 100
MEDIA_TYPE = "application/problem+json"
TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    409: "Conflict",
    412: "Changed in the meantime",
    413: "Too large",
    415: "Unsupported media type",
    422: "Not valid",
    428: "Precondition required",
    429: "Too many requests",
    500: "Server error",
    503: "Unavailable",
}


class Problem(Exception):
    """A refusal with a text for the caller. `errors` are (JSON pointer, problem), and in a file also its line."""

    is_recorded = False  # in the audit, by authz/api/framework/refusing.py

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Iterable[tuple[str, str] | tuple[str, str, int]] = (),
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = headers or {}
        self.members = members or {}

    def response(self) -> Response:
        # > When this member is not present, its value is assumed to be "about:blank" (RFC 9457 §3.1.1)
        body: dict[str, Any] = {"title": TITLES[self.status], "status": self.status, "detail": self.detail}
        if self.errors:
            body["errors"] = [
                {"pointer": pointer, "detail": detail} | ({"line": line[0]} if line and line[0] else {})
                for pointer, detail, *line in self.errors
            ]
        return Response(
            {**body, **self.members}, status=self.status, content_type=MEDIA_TYPE, headers=dict(self.headers)
        )


def invalid(name: str, problem: str) -> Problem:
    """One invalid member of the body, or parameter of the query."""
    return Problem(422, f"{name}: {problem}", errors=[(f"#/{escaped(name)}", problem)])


def escaped(name: object) -> str:
    """A name as a reference token of a JSON pointer (RFC 6901 §3)."""
    return str(name).replace("~", "~0").replace("/", "~1")


def handler(error: Exception, context: Mapping[str, Any]) -> Response:
    """DRF's exception handler: each exception becomes a problem in JSON, without internal details."""
    # In JSON, also where the view renders something else.
    request = context["request"]
    request.accepted_renderer, request.accepted_media_type = JSONRenderer(), "application/json"
    return problem_of(error).response()


def problem_of(error: Exception) -> Problem:
    """The problem for an exception of DRF, of Django or of the authorization server."""
    match error:
        case Problem():
            return error
        case ConfigurationError():
            return _of_configuration(error)
        case StrictJsonError():
            return Problem(400, error.problem.sentence)
        case NotDecided():
            return Problem(409, str(error))
        case NothingToCut() | Http404():
            return Problem(404, "It does not exist, or you may not see it.")
        case CannotApprove():
            return Problem(422, str(error))
        case PermissionDenied():
            return Problem(403, str(error) or "You may not do this.")
        case exceptions.ValidationError():
            return _of_fields(error)
        case exceptions.Throttled():
            wait = max(1, int(getattr(error, "wait", None) or 1))
            return Problem(429, f"Try again in {wait} seconds.", headers={"Retry-After": str(wait)})
        case exceptions.APIException():
            challenge = getattr(error, "auth_header", "")
            headers = {"WWW-Authenticate": challenge} if challenge else {}
            return Problem(error.status_code, str(error.detail), headers=headers)
        case DatabaseError():
            log.exception("the database did not answer", exc_info=error)
            return Problem(503, "Try again in a moment.", headers={"Retry-After": "5"})
    log.exception("unexpected error in the management API", exc_info=error)
    return Problem(500, "The server met an unexpected condition.")


def _of_configuration(error: ConfigurationError) -> Problem:
    errors = [(_pointer(path), problem, line) for path, problem, line in error.mistakes()[:MAX_ERRORS]]
    more = f" ({len(error.also)} more)" if error.also else ""
    return Problem(422, f"{error}{more}", errors=errors, members={"line": error.line} if error.line else {})


def _of_fields(error: exceptions.ValidationError) -> Problem:
    errors = [(_pointer(path), problem) for path, problem in _flat(error.detail, ())]
    return Problem(422, "; ".join(f"{pointer[2:] or 'body'}: {problem}" for pointer, problem in errors), errors=errors)


def _flat(detail: Any, path: tuple[object, ...]) -> Iterable[tuple[tuple[object, ...], str]]:
    if isinstance(detail, dict):
        for name, nested in detail.items():
            yield from _flat(nested, path if name == "non_field_errors" else (*path, name))
    elif isinstance(detail, list):
        for index, nested in enumerate(detail):
            yield from _flat(nested, path if isinstance(nested, str) else (*path, index))
    else:
        yield path, str(detail)


def _pointer(path: Iterable[object]) -> str:
    # > the pointer to the request's content that contains the problem, as a URI fragment (RFC 9457 §3's example)
    return "#" + "".join(f"/{escaped(step)}" for step in path)
