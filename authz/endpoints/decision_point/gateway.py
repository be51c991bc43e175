"""A check by a gateway: the request of an MCP client, passed on by Envoy, agentgateway or another with their protocol.

The gateway's own configuration adds two headers, `Gatehouse-Authorization` (its client, by `client_secret_basic`) and
`Gatehouse-Resource` (the MCP server it stands before). All else is the client's: the token in Authorization, the
method, and the body. What is answered reaches the client, so a refusal is what MCP clients understand: an error of
JSON-RPC, and for a token that is no good the challenge with which they begin authorization.
"""

import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from django.http.request import RawPostDataException

from authz import audit, dpop, tokens
from authz.dpop import Presented
from authz.endpoints.decision_point.caller import Caller, caller_of
from authz.endpoints.machine import Answer, Request, json_response, now
from authz.models import ProtectedResource
from authz.protocol import jwts, mcp_messages, strict_json
from authz.protocol.dpop_proofs import Asked, Proof
from authz.protocol.errors import OAuthError, Reason
from authz.protocol.mcp_messages import Message
from authz.protocol.numbers import number
from authz.protocol.params import MAXIMUM_BODY
from authz.protocol.resources import metadata_address
from authz.registry import Credentials

_CREDENTIALS, _RESOURCE = "HTTP_GATEHOUSE_AUTHORIZATION", "HTTP_GATEHOUSE_RESOURCE"
_PARTIAL = "HTTP_X_ENVOY_AUTH_PARTIAL_BODY"
_SERVER = "gatehouse.gateway_server"
_JSON = re.compile(r'application/json *(; *charset *= *"?utf-8"? *)?', re.ASCII | re.IGNORECASE)
_NAME_IN_BASE64 = re.compile(r"=\?base64\?([A-Za-z0-9+/]*=*)\?=", re.ASCII)
# COAZ-MCP binding, Error Handling; JSON-RPC 2.0 §5.1.
DENIED, INVALID, INTERNAL = -32001, -32600, -32603


def authenticated(request: Request) -> Caller:
    """The gateway, as the caller for the one MCP server that it stands before. Raises `OAuthError`."""
    header = request.META.get(_CREDENTIALS)
    if header is None:
        raise OAuthError(Reason.CLIENT_AUTHENTICATION_MISSING, detail="Gatehouse-Authorization")
    caller = caller_of(Credentials(header, {}, now()))
    named = request.META.get(_RESOURCE)
    server = caller.only_server if named is None else caller.server(named)
    if server is None:
        raise _incomplete("Gatehouse-Resource")
    request.META[_SERVER] = server
    audit.concerns(resource=server.identifier)
    # Attack: the token of one MCP server, at the gateway of another one that asks by the same client.
    return replace(caller, servers=(server,))


def token(request: Request) -> Presented:
    """The client's access token. Raises `OAuthError`."""
    found = dpop.presented(request.META.get("HTTP_AUTHORIZATION"))
    if found is None:
        raise OAuthError(Reason.TOKEN_NOT_LIVE)
    return found


def proof(request: Request, found: Presented, *, method: str, path: str = "") -> Proof | None:
    """The proof of the key that the client's token is bound to, not claimed yet; None where it is bound to none.

    The MCP server behind the gateway may know nothing of it: so here is where a bound token is no bearer's. The address
    is the MCP server's, at the `path` that the gateway passes on. Nonces are the MCP server's affair. Raises
    `OAuthError`.
    """
    moment, server = now(), request.META[_SERVER]
    try:
        claims = tokens.read(found.token, now=moment)
    except jwts.JwtError:
        raise OAuthError(Reason.TOKEN_NOT_LIVE, facts={"by": audit.current_origin().proven_client_id}) from None
    parts = urlsplit(server.identifier)
    address = f"{parts.scheme}://{parts.netloc}{path}" if path else server.identifier
    return dpop.shown(request.META, found, claims, Asked(method=method, address=address, now=moment), needs_nonce=False)


def messages(request: Request) -> tuple[Message, ...]:
    """What the client sent: the messages of a POST; none with GET and DELETE. Raises `OAuthError`."""
    body = _body(request)
    if request.method != "POST":
        # Attack: a call in the body of a request that should have none.
        if body:
            raise _malformed("Only a POST has a body.")
        return ()
    # Fail closed: the gateway's configuration does not pass bodies on.
    if not body:
        raise _incomplete("no body")
    _check_content(request.META)
    try:
        found = mcp_messages.read(body)
    except mcp_messages.MessageError as problem:
        raise _malformed(str(problem)) from None
    except strict_json.StrictJsonError as error:
        raise OAuthError(Reason.JSON_MALFORMED, detail=error.problem.value, told=error.sentence) from None
    _check_headers(request.META, found)
    return found


def _body(request: Request) -> bytes:
    # > x-envoy-auth-partial-body … "true" if the body was cut. What was cut off may be another call.
    if request.META.get(_PARTIAL, "false") != "false":
        raise _incomplete("the body was cut")
    if number(request.META.get("CONTENT_LENGTH") or "0", most=MAXIMUM_BODY) is None:
        raise OAuthError(Reason.BODY_TOO_LARGE)
    try:
        return request.body
    except (OSError, RawPostDataException):
        raise _incomplete("no body") from None


def _check_content(meta: Mapping[str, Any]) -> None:
    """Attack: an encoding or a charset in which the server reads another message than is read here. Gateways may leave
    these headers out; then the server's own reading is JSON in UTF-8 (MCP, Streamable HTTP).
    """
    given = meta.get("CONTENT_TYPE") or "application/json"
    if not _JSON.fullmatch(given.strip()):
        raise _malformed("The body has to be application/json in UTF-8.")
    if (meta.get("HTTP_CONTENT_ENCODING") or "identity").strip().lower() != "identity":
        raise _malformed("The body has to be without a content encoding.")


def _check_headers(meta: Mapping[str, Any], found: tuple[Message, ...]) -> None:
    """Attack: a server that goes by the headers `Mcp-Method` and `Mcp-Name` makes another call than the body's."""
    method, name = meta.get("HTTP_MCP_METHOD"), meta.get("HTTP_MCP_NAME")
    if method is not None and (len(found) > 1 or method != found[0].method):
        raise _malformed("Mcp-Method is not the method of the body.")
    if name is not None and any(message.is_call and message.tool != _decoded(name) for message in found):
        raise _malformed("Mcp-Name is not the tool of the body.")


def _decoded(name: str) -> str | None:
    found = _NAME_IN_BASE64.fullmatch(name)
    try:
        return b64decode(found[1], validate=True).decode() if found else name
    except ValueError:
        return None


def _malformed(told: str) -> OAuthError:
    return OAuthError(Reason.MESSAGE_MALFORMED, told=told)


def _incomplete(what: str) -> OAuthError:
    return OAuthError(Reason.CHECK_INCOMPLETE, detail=what)


def refusal(request: Request, error: OAuthError) -> Answer:
    """The answer to a check that was refused; never 2xx."""
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
    if challenged := _of_the_proof(request, error):
        return denied(401, error.sentence, headers=challenged)
    if error.reason is Reason.TOKEN_NOT_LIVE:
        # > If the request lacks any authentication information […], the resource server SHOULD NOT include an error
        # > code or other error information. (RFC 6750 §3.1)
        said = {"error": "invalid_token", "error_description": error.sentence} if _has_token(request) else {}
        return denied(401, error.sentence, headers=headers | challenge(request.META[_SERVER], said))
    # A 401 would have the client begin an authorization, which helps no gateway.
    status = 403 if error.status == 401 else error.status
    code = DENIED if status == 403 else INTERNAL if status >= 429 else INVALID
    return denied(status, error.sentence, code=code, headers=headers)


def _of_the_proof(request: Request, error: OAuthError) -> dict[str, str]:
    """The challenge for a token that came without its key; empty for any other refusal."""
    server = request.META.get(_SERVER)
    return {} if server is None else dpop.refusal_headers(error, resource_metadata=metadata_address(server.identifier))


def _has_token(request: Request) -> bool:
    return request.META.get("HTTP_AUTHORIZATION") is not None


def challenge(server: ProtectedResource, said: Mapping[str, str]) -> dict[str, str]:
    """The header with which MCP clients find the authorization server (RFC 9728 §5.1)."""
    members = {**said, "resource_metadata": metadata_address(server.identifier)}
    if server.dpop_bound_access_tokens_required:
        return {"WWW-Authenticate": dpop.challenge(**members)}
    return {"WWW-Authenticate": "Bearer " + ", ".join(f'{name}="{value}"' for name, value in members.items())}


def denied(
    status: int,
    message: str,
    *,
    code: int = DENIED,
    id_: str | int | None = None,
    data: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """An error of JSON-RPC, as COAZ has it for denials.

    > the `id` of each error response MUST equal the `id` of the request that caused it, or be `null` if the request
    > `id` could not be determined
    """
    error: dict[str, Any] = {"code": code, "message": message, **({"data": data} if data else {})}
    return json_response({"jsonrpc": "2.0", "id": id_, "error": error}, status=status, headers=headers)
