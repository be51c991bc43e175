"""The Access Evaluation and Access Evaluations APIs."""

from collections.abc import Sequence
from typing import Any

from django.urls import path

from authz import audit
from authz.database.raw_sql import Statement
from authz.database.transactions import unit_of_work
from authz.endpoints.decision_point import decided
from authz.endpoints.decision_point.caller import Caller, authenticated, malformed
from authz.endpoints.decision_point.holder import TOKEN
from authz.endpoints.machine import Answer, Request, json_object, json_response, machine_endpoint
from authz.protocol import authzen
from authz.protocol.authzen import Batch, Evaluation, MalformedError
from authz.tokens.live import reading


def _ahead(request: Request) -> Sequence[Statement]:
    try:
        subject = authzen.evaluation(json_object(request)).subject
    except MalformedError:  # the view says so itself
        return ()
    return reading(subject.id) if subject.type in TOKEN else ()


@machine_endpoint("POST", refused=audit.Event.DECISION_REFUSED, cors=False, reads=_ahead, echoes_id=True)
def evaluation(request: Request) -> Answer:
    """One question. Raises `OAuthError`."""
    body = json_object(request)
    caller = authenticated(request, body)
    try:
        return json_response(_one(authzen.evaluation(body), caller))
    except MalformedError as problem:
        raise malformed(problem) from None


@machine_endpoint("POST", refused=audit.Event.DECISION_REFUSED, cors=False, echoes_id=True)
def evaluations(request: Request) -> Answer:
    """Several questions, answered in their order. Raises `OAuthError`."""
    body = json_object(request)
    caller = authenticated(request, body)
    try:
        asked = authzen.evaluations(body)
        if isinstance(asked, Evaluation):
            return json_response(_one(asked, caller))
    except MalformedError as problem:
        raise malformed(problem) from None
    with unit_of_work():
        return json_response({"evaluations": _all(asked, caller)})


def _one(asked: Evaluation, caller: Caller) -> dict[str, Any]:
    return decided.answer(decided.decide(asked, caller), caller)


def _all(batch: Batch, caller: Caller) -> list[dict[str, Any]]:
    found = []
    for item in batch.items:
        answer = _item(item, caller)
        found.append(answer)
        if batch.semantic.ends_at(decision=answer["decision"]):
            break
    return found


def _item(item: Evaluation | MalformedError, caller: Caller) -> dict[str, Any]:
    """> Decisions default to closed (i.e. false), but the context field can include errors"""
    try:
        if isinstance(item, MalformedError):
            raise item
        return _one(item, caller)
    except MalformedError as problem:
        return {"decision": False, "context": {"error": {"status": 400, "message": f"{problem}."}}}


urlpatterns = [
    path("access/v1/evaluation", evaluation, name="access_evaluation"),
    path("access/v1/evaluations", evaluations, name="access_evaluations"),
]
