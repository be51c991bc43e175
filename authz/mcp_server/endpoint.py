"""`POST {issuer}/mcp`: the Streamable HTTP transport, one JSON answer for each message, and without sessions.

But for news of tasks (`listening`), and a question to a client's model (`sampling`): they are answered by streams.
"""

from typing import Any

from django.http.request import RawPostDataException
from django.urls import URLPattern, path

from authz.conf import conf
from authz.database import configuration_cache
from authz.endpoints import metadata as server_metadata
from authz.endpoints.machine import Answer, Request, json_response, machine_endpoint, now
from authz.mcp_server import listening, metadata, sampling
from authz.mcp_server.asked import Asked
from authz.mcp_server.caller import Caller, authenticated, registered
from authz.mcp_server.methods import OF_LEGACY, OF_MODERN, SERVER
from authz.mcp_server.reasons import McpReason
from authz.mcp_server.refusing import Refused, metadata_path, refuse, too_busy
from authz.protocol.errors import OAuthError
from authz.protocol.mcp import Headers, RpcCode, RpcError, RpcMessage, envelope, read, read_response
from authz.protocol.numbers import number
from authz.protocol.params import MAXIMUM_BODY

SERVER_INFO = "io.modelcontextprotocol/serverInfo"


# Not `GET`: there is no stream of messages, and no session to end with `DELETE`.
# > HTTP GET or DELETE to the MCP endpoint: respond with 405 Method Not Allowed (2026-07-28, Streamable HTTP)
@machine_endpoint("POST", cors=False)
def mcp(request: Request) -> Any:
    """One message."""
    configuration_cache.begin()
    resource = registered() if conf.mcp else None
    if resource is None:
        return server_metadata.not_found.answer(request)
    try:
        _check_origin(request)
        caller = authenticated(request, resource, now())
        return _answered(request, caller)
    except Refused as refused:
        return refused.answer
    except OAuthError as wait:
        return too_busy(wait)


def _check_origin(request: Request) -> None:
    """> Servers MUST validate the Origin header on all incoming connections to prevent DNS rebinding attacks. If the
    > Origin header is present and invalid, servers MUST respond with HTTP 403 Forbidden. (Streamable HTTP)

    The Host header is judged before (Django's ALLOWED_HOSTS).
    """
    origin = request.META.get("HTTP_ORIGIN")
    if origin is not None and origin != conf.origin:
        raise refuse(McpReason.ORIGIN_FOREIGN)


def _answered(request: Request, caller: Caller) -> Any:
    message: RpcMessage | None = None
    is_modern = True
    session = sampling.session_of(request, caller)
    try:
        body = _body(request)
        if session and (response := read_response(body)):
            return sampling.taken(response, body, caller, session)
        message = read(body)
        headers = Headers(
            request.META.get("HTTP_MCP_PROTOCOL_VERSION"),
            request.META.get("HTTP_MCP_METHOD"),
            request.META.get("HTTP_MCP_NAME"),
        )
        if message.id is None:
            # None of theirs asks for anything here.
            # > If the server accepts it, the server MUST return HTTP status code 202 Accepted with no body.
            return Answer(202, {"Cache-Control": "no-store"}, b"")
        said = envelope(message, headers)
        is_modern = said.is_modern
        asked = Asked(message, said, caller, session)
        if listening.is_asked(asked):
            return listening.response(asked, request)
        method = (OF_MODERN if is_modern else OF_LEGACY).get(message.method)
        if method is None:
            raise RpcError(RpcCode.METHOD_NOT_FOUND, f"Method not found: {message.method[:64]}")
        if sampling.is_asked(asked):
            return sampling.response(asked, request)
        result = method(asked)
    except RpcError as error:
        found: dict[str, Any] = {"jsonrpc": "2.0", "error": error.body()}
        if message is not None and message.id is not None:
            found["id"] = message.id
        # Earlier revisions answer an error of a request with 200; one that could not be read, with 400.
        return json_response(found, status=error.status if is_modern or message is None else 200)
    if is_modern:
        result = {"resultType": "complete", **result, "_meta": {SERVER_INFO: SERVER}}
    answer = json_response({"jsonrpc": "2.0", "id": message.id, "result": result})
    if message.method == "initialize" and (begun := sampling.issued(message.params, result["protocolVersion"], caller)):
        answer[sampling.HEADER] = begun
    return answer


def _body(request: Request) -> bytes:
    """Raises `RpcError`, and `Refused` for one that is too long."""
    if number(request.META.get("CONTENT_LENGTH") or "0", most=MAXIMUM_BODY) is None:
        problem = RpcError(RpcCode.INVALID_REQUEST, f"The body may have {MAXIMUM_BODY} bytes.")
        raise Refused(json_response({"jsonrpc": "2.0", "error": problem.body()}, status=413))
    if (request.META.get("CONTENT_TYPE") or "").partition(";")[0].strip().lower() != "application/json":
        raise RpcError(RpcCode.INVALID_REQUEST, "The body must be application/json.")
    try:
        return request.body
    except (OSError, RawPostDataException):
        raise RpcError(RpcCode.PARSE_ERROR, "The body ended early.") from None


urlpatterns = [path("mcp", mcp, name="mcp")]


def well_known() -> list[URLPattern]:
    return [path(metadata_path(), metadata.protected_resource, name="mcp_metadata")]
