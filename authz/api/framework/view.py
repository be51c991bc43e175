"""The base of the management API's views: permissions, rate limits, validation, `no-store`."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.parsers import BaseParser
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle, SimpleRateThrottle
from rest_framework.views import APIView

from authz import dpop
from authz.api.framework import parameters
from authz.api.framework.authentication import ConsoleSession, TokenAuthentication, challenge
from authz.api.framework.describing import Described
from authz.api.framework.principal import Principal
from authz.api.framework.problems import Problem, escaped, handler, problem_of
from authz.api.framework.reasons import ApiReason
from authz.api.framework.refusing import recorded, refuse
from authz.api.framework.shapes import Query
from authz.database import configuration_cache
from authz.limits.addresses import client_address, network_of
from authz.protocol import strict_json
from authz.protocol.numbers import number

MAXIMUM_BODY = 256 * 1024
# Requests of one principal: how many reads and how many writes a minute, in one process.
READS, WRITES = "600/m", "120/m"
SAFE = frozenset({"GET", "HEAD"})


class StrictJson(BaseParser):
    """Parses a JSON object strictly, so that no other parser can read it differently."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> dict[str, Any]:
        return strict_json.read_object(stream.read())


class MergePatch(StrictJson):
    media_type = "application/merge-patch+json"


class Allowed(BasePermission):
    """Refuses each method that a view does not name in `requires`."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if view.requires is None:
            return True
        method = "GET" if request.method == "HEAD" else request.method
        if method not in view.requires:
            raise MethodNotAllowed(str(request.method))
        principal = request.auth
        if not isinstance(principal, Principal):
            return False  # answered with 401 and the challenge
        require(request, view.requires[method])
        return True


class Rate(SimpleRateThrottle):
    """Limits the requests a minute of one principal, so that a runaway program does not block the console."""

    def __init__(self) -> None:
        pass

    def allow_request(self, request: Request, view: Any) -> bool:
        self.rate = READS if request.method in SAFE else WRITES
        self.num_requests, self.duration = self.parse_rate(self.rate)
        return super().allow_request(request, view)

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        kind = "read" if request.method in SAFE else "write"
        if isinstance(request.auth, Principal):
            return f"api:{kind}:{request.auth.key}"
        # What is open to everyone, such as the schema.
        return f"api:{kind}:address:{network_of(client_address(request.META))}"


def require(request: Request, permission: str) -> None:
    """Raise `Problem` for a principal without this permission; it says whether the scope or the role is missing."""
    principal = principal_of(request)
    client_id, subject = principal.client.client_id if principal.client else "", principal.by.subject
    if scope := principal.lacks_scope(permission):
        header = {"WWW-Authenticate": challenge(ApiReason.SCOPE_INSUFFICIENT.code, scope)}
        raise refuse(
            request,
            ApiReason.SCOPE_INSUFFICIENT,
            403,
            client_id=client_id,
            subject=subject,
            detail=permission,
            headers=header,
        )
    if not principal.may(permission):
        raise refuse(request, ApiReason.ROLE_INSUFFICIENT, 403, client_id=client_id, subject=subject, detail=permission)


class ApiView(APIView):
    """A view declares for each method what it needs, takes and answers. All else is refused.

    requires   the permission. None instead of a mapping: the view is open to everyone.
    query      the parameters of the query, with their meanings.
    takes      the members of the body, as a shape or as a section's serializer.
    answers    the shape of the answer.
    statuses   the status codes of success, where they are others than 200, or 204 for DELETE.
    """

    authentication_classes: Sequence[type[BaseAuthentication]] = (TokenAuthentication, ConsoleSession)
    permission_classes = (Allowed,)
    throttle_classes: Sequence[type[BaseThrottle]] = (Rate,)
    parser_classes: Sequence[type[BaseParser]] = (StrictJson,)
    renderer_classes: Sequence[type[BaseRenderer]] = (JSONRenderer,)
    metadata_class = None
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    schema = Described()
    requires: ClassVar[Mapping[str, str] | None] = {}
    query: ClassVar[Mapping[str, Query]] = {}
    takes: ClassVar[Mapping[str, Any]] = {}
    answers: ClassVar[Mapping[str, Any]] = {}
    statuses: ClassVar[Mapping[str, Sequence[int]]] = {}
    maximum_body: ClassVar[int] = MAXIMUM_BODY

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if number(request.META.get("CONTENT_LENGTH") or "0", most=self.maximum_body) is None:
            raise Problem(413, f"The body may have {self.maximum_body} bytes.")
        configuration_cache.begin()
        super().initial(request, *args, **kwargs)
        self.given = self._parameters(request)

    def _parameters(self, request: Request) -> dict[str, str]:
        """The query's parameters, each at most once. An unknown one is refused: silently ignoring a filter would show
        unfiltered rows. Raises `Problem`.
        """
        method = "GET" if request.method == "HEAD" else str(request.method)
        allowed = self.query.get(method, {})
        for name in request.GET:
            if name not in allowed:
                raise Problem(400, f"{name[:100]} is not a known parameter; there are {', '.join(allowed) or 'none'}.")
            if len(request.GET.getlist(name)) > 1:
                raise Problem(400, f"{name} is there twice.")
            parameters.check(name, allowed[name], str(request.GET[name]))
        return {name: str(value) for name, value in request.GET.items() if value}

    def body(self, request: Request) -> dict[str, Any]:
        """The request's JSON object. A member that is not allowed is refused (mass assignment). Raises `Problem`."""
        data = request.data
        if not isinstance(data, dict):
            raise Problem(400, "The body must be a JSON object.")
        if unknown := sorted(set(data) - set(self.takes[str(request.method)]["properties"])):
            errors = [(f"#/{escaped(name)}", "is not a known member here") for name in unknown]
            raise Problem(422, f"{unknown[0][:100]} is not a known member here.", errors=errors)
        return data

    def get_exception_handler(self) -> Any:
        return answered

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        answer = super().finalize_response(request, response, *args, **kwargs)
        answer.headers.setdefault("Cache-Control", "no-store")
        for header, value in dpop.next_nonce(request.META).items():
            answer[header] = value
        return answer


def answered(error: Exception, context: Mapping[str, Any]) -> Any:
    """DRF's exception handler. A 401 or 403 is recorded in the audit; if that fails, the answer is 503."""
    problem, request = problem_of(error), context["request"]
    if problem.status in {401, 403} and not problem.is_recorded:
        problem = recorded(request, problem, _REASONS[problem.status], detail=problem.detail, **_who(request))
    return handler(problem, context)


_REASONS = {401: ApiReason.UNAUTHENTICATED, 403: ApiReason.NOT_ALLOWED}


def _who(request: Request) -> dict[str, str]:
    # `request.auth` would authenticate again, and be refused again.
    principal = getattr(request, "_auth", None)
    if not isinstance(principal, Principal):
        return {}
    return {"client_id": principal.client.client_id if principal.client else "", "subject": principal.by.subject}


def principal_of(request: Request) -> Principal:
    """The authenticated caller. Raises `Problem`."""
    if not isinstance(request.auth, Principal):
        raise Problem(401, "Not authenticated.")
    return request.auth
