"""`{issuer}/scim/v2/…`: HTTP in, HTTP out. Refusals are in SCIM's form, and no request is answered with a 500.

It is no short-way endpoint (authz/serving/wsgi.py): a directory's writes take the threads of pages, and no time from
tokens.
"""

import time
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.request import RawPostDataException
from django.urls import re_path

from authz import dpop
from authz.endpoints.machine import Answer, Request, json_response, machine_endpoint
from authz.protocol import strict_json
from authz.protocol.errors import OAuthError, Reason
from authz.protocol.numbers import number
from xaa.scim import bulk, contacts, discovery, listing, operations, paths
from xaa.scim.caller import Caller, authenticated
from xaa.scim.events import ScimEvent
from xaa.scim.problems import ScimError, body, not_found
from xaa.scim.reasons import ScimReason
from xaa.scim.schemas import KINDS, Kind

MEDIA_TYPES = frozenset({"application/scim+json", "application/json"})
SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
_ABOUT = frozenset({"ServiceProviderConfig", "ResourceTypes", "Schemas"})
_STATUS: Mapping[object, int] = {ScimReason.SCOPE_MISSING: 403}
_QUERY = frozenset(
    {"filter", "startIndex", "count", "sortBy", "sortOrder", "attributes", "excludedAttributes", "aadOptscim062020"}
)


class _Refused(OAuthError):
    """A refusal that knows its own status and `scimType`."""

    def __init__(self, error: ScimError) -> None:
        self.scim = error
        super().__init__(error.reason, detail=error.detail)

    @property
    def status(self) -> int:
        return self.scim.status


def _refusal(request: Request, error: OAuthError) -> Answer:
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
    if isinstance(error, _Refused):
        told = body(error.scim.status, error.scim.detail, error.scim.scim_type)
        return _json(told, error.scim.status, headers)
    if refused := dpop.refusal_headers(error):
        return _json(body(401, error.sentence), 401, refused)
    status = 401 if error.code == "invalid_token" else _STATUS.get(error.reason, error.status)
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="scim"' + (
            "" if error.reason is ScimReason.UNAUTHENTICATED else ', error="invalid_token"'
        )
    return _json(body(status, error.sentence), status, headers)


def _json(content: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    return json_response(content, status=status, headers={"Content-Type": "application/scim+json", **(headers or {})})


@machine_endpoint(
    *("GET", "POST", "PUT", "PATCH", "DELETE"),
    refused=ScimEvent.REFUSED,
    cors=False,
    name="scim",
    answers_options=False,
    refusal=_refusal,
)
def _answer(request: Request) -> Answer:
    caller = authenticated(request, time.time())
    try:
        found = _dispatched(request, caller)
    except ScimError as error:
        contacts.failed(caller, f"{error.status} {error.detail}")
        raise _Refused(error) from None
    contacts.came(caller)
    return found


def scim(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Whatever the machine endpoint answers where the database or the code fails is put into SCIM's form."""
    response = _answer(request)
    if response.status_code >= 500 and not response.headers["Content-Type"].startswith("application/scim+json"):
        told = Reason.UNAVAILABLE.sentence if response.status_code == 503 else "The server met an unexpected condition."
        response.content = _json(body(response.status_code, told)).content
        response["Content-Type"] = "application/scim+json"
    if response.status_code == 501:
        # Not a fault of the server, so no error in its log.
        response._has_been_logged = True  # type: ignore[attr-defined]
    return response


scim.csrf_exempt = True  # type: ignore[attr-defined]
scim.is_machine_endpoint = True  # type: ignore[attr-defined]


def _dispatched(request: Request, caller: Caller) -> Answer:
    method = str(request.method)
    parts = request.path.partition("/scim/v2")[2].strip("/").split("/")
    if parts == ["Me"]:
        # > A service provider that does NOT support this feature SHOULD respond with HTTP status code 501 (§3.11)
        raise ScimError(501, "Who asks here is a directory, and none of its people.")
    if parts[0] in _ABOUT and method != "GET":
        raise ScimError(405, "This resource is read alone.")
    if method in {"POST", "PUT", "PATCH", "DELETE"} and parts[-1] != ".search":
        operations.require_write(caller)
    first, rest = parts[0], parts[1:]
    if kind := next((kind for kind in KINDS if kind.plural == first), None):
        return _of_kind(request, caller, kind, rest, method)
    if method == "GET" and not first:
        return _everything(caller, _query(request))
    if method == "GET":
        return _about(request, first, rest)
    if method == "POST" and first == "Bulk" and not rest:
        return _json(bulk.answer(caller, _body(request)))
    if method == "POST" and first == ".search" and not rest:
        return _everything(caller, _search(request))
    raise not_found()


def _of_kind(request: Request, caller: Caller, kind: Kind, rest: list[str], method: str) -> Answer:
    meta = request.META
    match method, rest:
        case "GET", []:
            return _json(operations.searched(caller, kind, _query(request)))
        case "POST", [".search"]:
            return _json(operations.searched(caller, kind, _search(request)))
        case "POST", []:
            return _done(operations.create(caller, kind, _body(request), listing.choice(_query(request), kind)))
        case "GET", [identifier]:
            what = listing.choice(_query(request), kind)
            return _done(operations.read(caller, kind, identifier, what, meta.get("HTTP_IF_NONE_MATCH")))
        case (("PUT" | "PATCH"), [identifier]):
            what = listing.choice(_query(request), kind)
            if_match, is_patch = meta.get("HTTP_IF_MATCH"), method == "PATCH"
            return _done(
                operations.replace_or_patch(
                    caller, kind, identifier, _body(request), what, if_match=if_match, is_patch=is_patch
                )
            )
        case "DELETE", [identifier]:
            return _done(operations.remove(caller, kind, identifier, meta.get("HTTP_IF_MATCH")))
    raise not_found() if rest[1:] else ScimError(405, "This resource does not answer that method.")


def _about(request: Request, first: str, rest: list[str]) -> Answer:
    # > if a "filter" is provided, the service provider SHOULD respond with HTTP status code 403 (RFC 7644 §4)
    if request.META.get("QUERY_STRING", "").find("filter=") >= 0:
        raise ScimError(403, "What the server says of itself is not filtered.")
    match first, rest:
        case "ServiceProviderConfig", []:
            return _json(discovery.service_provider_config())
        case "ResourceTypes", []:
            found = discovery.resource_types()
            return _json(listing.response(found, len(found)))
        case "ResourceTypes", [name]:
            return _json(discovery.resource_type(name))
        case "Schemas", []:
            found = discovery.schemas()
            return _json(listing.response(found, len(found)))
        case "Schemas", [urn]:
            return _json(discovery.schema(urn))
    raise not_found()


def _everything(caller: Caller, asked: Mapping[str, Any]) -> Answer:
    """People, then groups (RFC 7644 §3.4.3): one list over both, in which the pages count through."""
    start, found, total = max(1, listing.query(asked, KINDS[0]).start), [], 0
    left = listing.query(asked, KINDS[0]).count
    for kind in KINDS:
        part = operations.searched(caller, kind, {**asked, "startIndex": max(1, start - total), "count": left})
        if start <= total + part["totalResults"]:
            found += part["Resources"]
            left -= len(part["Resources"])
        total += part["totalResults"]
    return _json(listing.response(found, total, start))


def _done(done: operations.Done) -> Answer:
    headers = {"ETag": done.version} if done.version else {}
    if done.status == 201:
        headers["Location"] = done.location
    if done.resource is None:
        return Answer(done.status, {"Cache-Control": "no-store", **headers}, b"")
    return _json(done.resource, done.status, headers)


def _query(request: Request) -> dict[str, str]:
    """The query's parameters, each at most once. Raises `ScimError`."""
    assert isinstance(request, HttpRequest)  # noqa: S101  for the type checker: it has no short way
    found: dict[str, str] = {}
    for name in request.GET:
        if name not in _QUERY:
            continue
        if len(request.GET.getlist(name)) > 1:
            raise ScimError(400, f"{name} is there twice.", "invalidSyntax")
        found[name] = str(request.GET[name])
    return found


def _search(request: Request) -> dict[str, Any]:
    given = _body(request)
    if not paths.names_schema(given, SEARCH):
        raise ScimError(400, f"schemas has to name {SEARCH}.", "invalidSyntax")
    return {name: given[name] for name in _QUERY if name in given}


def _body(request: Request) -> dict[str, Any]:
    """The JSON object of a request. Raises `ScimError`."""
    if (request.META.get("CONTENT_TYPE") or "").partition(";")[0].strip().lower() not in MEDIA_TYPES:
        raise ScimError(415, "The body has to be application/scim+json or application/json.")
    if number(request.META.get("CONTENT_LENGTH") or "0", most=discovery.MAXIMUM_BODY) is None:
        raise ScimError(413, f"The body may have {discovery.MAXIMUM_BODY} bytes.")
    try:
        return strict_json.read_object(request.body)
    except (OSError, RawPostDataException):
        raise ScimError(400, "The body could not be read.", "invalidSyntax") from None
    except strict_json.StrictJsonError as error:
        raise ScimError(400, error.sentence, "invalidSyntax") from None


urlpatterns = [re_path(r"^scim/v2(?:/(?P<rest>.*))?$", scim, name="scim")]
