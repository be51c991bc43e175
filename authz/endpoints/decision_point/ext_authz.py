"""Decisions for gateways: Envoy's `ext_authz` by HTTP, which agentgateway has too, and nginx's `auth_request`.

A gateway passes on the request of an MCP client before it lets it through: 200 lets it, anything else is the client's
answer. `ext_authz` reads the messages in it and decides each call. `auth_request` has no body, so it decides the token
alone (docs/decisions/0099-decisions-at-gateways.md).
"""

from collections.abc import Sequence
from typing import Any

from django.urls import path, re_path

from authz import audit, dpop
from authz.conf import conf
from authz.database.transactions import unit_of_work
from authz.dpop import Presented
from authz.endpoints.decision_point import access_requests, asked_call, decided, gateway
from authz.endpoints.decision_point.caller import Caller
from authz.endpoints.decision_point.decided import Decided
from authz.endpoints.decision_point.holder import SHOWN, TOKEN_SUBJECT
from authz.endpoints.machine import Answer, Request, View, json_response, machine_endpoint
from authz.models import ProtectedResource
from authz.protocol.authzen import Action, Entity, Evaluation
from authz.protocol.dpop_proofs import Proof
from authz.protocol.errors import OAuthError, Reason
from authz.protocol.mcp_messages import Message

EXT_AUTHZ, AUTH_REQUEST = "access/v1/ext_authz", "access/v1/auth_request"
_PREFIX = f"{conf.issuer_path}/{EXT_AUTHZ}"
_NONE = Message(id=None, method=asked_call.NO_REQUEST)


class _TakenBackError(Exception):
    """Of several calls at once one was refused after all, so none of them is made."""

    def __init__(self, refused: Decided) -> None:
        super().__init__()
        self.refused = refused


@machine_endpoint(
    *("GET", "POST", "DELETE"),
    refused=audit.Event.DECISION_REFUSED,
    cors=False,
    echoes_id=True,
    answers_options=False,  # Attack: a call with OPTIONS, whose 204 would let it pass
    refusal=gateway.refusal,
)
def ext_authz(request: Request) -> Answer:
    """All messages of one request to an MCP server. Raises `OAuthError`."""
    caller = gateway.authenticated(request)
    token = gateway.token(request)
    # Envoy puts the path of the client's request behind the address.
    path = dpop.raw_path(request.META, request.path).removeprefix(_PREFIX)
    proof = gateway.proof(request, token, method=str(request.method), path=path)
    messages = gateway.messages(request) or (_NONE,)
    asked = [_question(token, proof, message) for message in messages]
    judged = _judged(asked, proof, caller)
    concluded = _concluded(judged, asked, caller)
    refused = next(((message, one) for message, one in zip(messages, concluded, strict=False) if one.reason), None)
    if refused is not None:
        return _denied(refused[1], refused[0].id if len(messages) == 1 else None, caller.servers[0])
    return _allowed(concluded)


@machine_endpoint(
    *("GET", "POST"),
    refused=audit.Event.DECISION_REFUSED,
    cors=False,
    echoes_id=True,
    answers_options=False,
    refusal=gateway.refusal,
)
def auth_request(request: Request) -> Answer:
    """The token alone, for gateways that pass on no body. Raises `OAuthError`."""
    caller = gateway.authenticated(request)
    token = gateway.token(request)
    # nginx asks by a request of its own; the gateway's configuration says what the client's method is.
    method = request.META.get("HTTP_GATEHOUSE_METHOD") or str(request.method)
    proof = gateway.proof(request, token, method=method)
    asked = [_question(token, proof, _NONE)]
    (concluded,) = _concluded(_judged(asked, proof, caller), asked, caller)
    return _denied(concluded, None, caller.servers[0]) if concluded.reason else _allowed([concluded])


def _question(token: Presented, proof: Proof | None, message: Message) -> Evaluation:
    subject = Entity(type=TOKEN_SUBJECT, id=token.token)
    context = {SHOWN: {"jkt": proof.jkt}} if proof else {}
    if not message.is_call:
        return Evaluation(
            subject=subject,
            action=Action(name=message.method),
            resource=Entity(type=asked_call.MESSAGE, id=""),
            context=context,
        )
    return Evaluation(
        subject=subject,
        context=context,
        action=Action(name=message.method, properties={"arguments": message.arguments}),
        resource=Entity(type=asked_call.TOOL, id=message.tool),
    )


def _judged(asked: Sequence[Evaluation], proof: Proof | None, caller: Caller) -> list[Decided]:
    judged = [decided.judge(one, caller) for one in asked]
    # Attack: a stranger fills the audit through the gateway, or makes the gateway wait. So it is recorded as strangers'
    # requests are, at a bounded rate, and not counted against the gateway.
    if judged[0].reason is Reason.TOKEN_NOT_LIVE:
        raise OAuthError(Reason.TOKEN_NOT_LIVE, facts={"by": caller.client.client_id})
    if proof is not None:
        dpop.claim(proof)
    return judged


def _concluded(judged: Sequence[Decided], asked: Sequence[Evaluation], caller: Caller) -> Sequence[Decided]:
    """The decisions, recorded: all of them allow, or none of the messages passes, and no approval is used."""
    refused = [one for one in judged if one.reason is not None]
    if refused:
        for one in refused:
            decided.record(one, caller)
        return judged
    # What passes for any good token is no event.
    called = [(one, question) for one, question in zip(judged, asked, strict=True) if not _passes(one)]
    if not called:
        return judged
    if len(judged) == 1:
        return [decided.conclude(judged[0], asked[0], caller)]
    try:
        with unit_of_work():
            return [_surely(decided.conclude(one, question, caller)) for one, question in called]
    except _TakenBackError as taken_back:
        decided.record(taken_back.refused, caller)
        return [taken_back.refused]


def _surely(one: Decided) -> Decided:
    if one.reason is not None:
        raise _TakenBackError(one)
    return one


def _passes(one: Decided) -> bool:
    return one.call is not None and one.call.tool is None and asked_call.passes(one.call.method)


def _allowed(concluded: Sequence[Decided]) -> Answer:
    """> If the authorization service responds with HTTP 200, the request is allowed (Envoy, ext_authz)"""
    return json_response({"decision": True}, headers={"Gatehouse-Evaluation": ", ".join(one.id for one in concluded)})


def _denied(refused: Decided, id_: str | int | None, server: ProtectedResource) -> Answer:
    """Why not, in words; where a person can approve the call, it is asked about, and the answer has the address."""
    if refused.reason is None:
        raise ValueError
    said, data = refused.reason.sentence, _data(refused)
    if refused.requestable:
        row = access_requests.opened(refused, refused.id)
        page = access_requests.page_of(row)
        said = f"{said} The request is at {page}. Make the same call again once it is approved."
        data["access_request"] = {"id": str(row.pk), "url": page}
    if refused.reason is Reason.CALL_STEP_UP:
        return gateway.denied(401, said, id_=id_, data=data, headers=_step_up(refused, server))
    return gateway.denied(403, said, id_=id_, data=data)


def _data(refused: Decided) -> dict[str, Any]:
    return {"reason": refused.reason, "evaluation_id": refused.id}


def _step_up(refused: Decided, server: ProtectedResource) -> dict[str, str]:
    """> insufficient_user_authentication: The authentication event associated with the access token presented with the
    > request does not meet the authentication requirements of the protected resource. (RFC 9470 §3)
    """
    wanted = decided.step_up(refused.decision) if refused.decision else {}
    said = {"error": "insufficient_user_authentication", **{name: str(value) for name, value in wanted.items()}}
    return gateway.challenge(server, said)


def at(address: str) -> View | None:
    """The endpoint of this path: Envoy puts the path of the client's request behind the address."""
    return ext_authz.answer if address == _PREFIX or address.startswith(f"{_PREFIX}/") else None


urlpatterns = [
    re_path(rf"^{EXT_AUTHZ}(?:/|$)", ext_authz, name="ext_authz"),
    path(AUTH_REQUEST, auth_request, name="auth_request"),
]
