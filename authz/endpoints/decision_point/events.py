"""The intake: what MCP servers and gateways decided by themselves, for the same audit.

Each event is an AuthZEN evaluation with its decision, an id and a time. It is recorded as reported by its sender, in an
event of its own kind: what was decided here is never mixed with what others say. An event that comes again is not
recorded again.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.urls import path

from authz import audit, tokens
from authz.database.replay import claim_all
from authz.database.transactions import unit_of_work
from authz.endpoints.decision_point import asked_call, reported_usage
from authz.endpoints.decision_point.caller import Caller, authenticated, malformed
from authz.endpoints.decision_point.decided import call_facts
from authz.endpoints.decision_point.holder import TOKEN, server_named
from authz.endpoints.machine import Answer, Request, json_object, json_response, machine_endpoint
from authz.protocol import authzen, jwts
from authz.protocol.authzen import Evaluation, MalformedError
from authz.protocol.timestamps import parse_time

MAX_EVENTS = 200
# How old a reported event may be, and how far ahead of our clock. For so long its id is remembered.
OLDEST, AHEAD = timedelta(days=7), timedelta(minutes=5)
LONGEST_TEXT = 200


@machine_endpoint("POST", refused=audit.Event.DECISION_REFUSED, cors=False, echoes_id=True)
def events(request: Request) -> Answer:
    """Take a batch of reported events: all of it, or nothing. Raises `OAuthError`."""
    body = json_object(request)
    caller = authenticated(request, body)
    try:
        reported = [_read(item, position, caller) for position, item in enumerate(_items(body))]
    except MalformedError as problem:
        raise malformed(problem) from None
    with unit_of_work():
        new = claim_all(f"access events of {caller.client.client_id}", {key: ends for key, ends, _ in reported})
        # Of two with one id the first counts.
        recorded = [event for key, event in {key: event for key, _, event in reversed(reported)}.items() if key in new]
        now = datetime.fromtimestamp(caller.now, UTC)
        audit.record_all(audit.Event.CALL_REPORTED, reported_usage.compared(recorded[::-1], caller, now))
    return json_response({"accepted": len(recorded), "known": len(reported) - len(recorded)}, status=202)


def _items(body: Mapping[str, Any]) -> Sequence[Any]:
    items = body.get("events")
    if not isinstance(items, list) or not 0 < len(items) <= MAX_EVENTS:
        raise MalformedError("events", f"has to be an array of 1 to {MAX_EVENTS} events")
    return items


def _read(item: Any, position: int, caller: Caller) -> tuple[str, float, audit.Described]:
    """The event's id, until when that is remembered, and what is recorded. Raises `MalformedError`."""
    place = f"events[{position}]"
    if not isinstance(item, dict):
        raise MalformedError(place, "has to be an object")
    try:
        asked = authzen.evaluation(item)
    except MalformedError as problem:
        raise MalformedError(f"{place}.{problem.member}", problem.wanted) from None
    key, decision = item.get("id"), item.get("decision")
    if not isinstance(key, str) or not 0 < len(key) <= LONGEST_TEXT:
        raise MalformedError(f"{place}.id", f"has to be a string of 1 to {LONGEST_TEXT} characters")
    if not isinstance(decision, bool):
        raise MalformedError(f"{place}.decision", "has to be true or false")
    moment = _time(item.get("time"), f"{place}.time", caller.now)
    described = _described(asked, caller, place, moment, {"id": key, "decision": decision})
    return key, (moment + OLDEST).timestamp(), described


def _time(given: Any, place: str, now: float) -> datetime:
    moment = parse_time(given) if isinstance(given, str) else None
    current = datetime.fromtimestamp(now, UTC)
    if moment is None or not current - OLDEST < moment < current + AHEAD:
        raise MalformedError(place, f"has to be an RFC 3339 time of the last {OLDEST.days} days")
    return moment


def _described(
    asked: Evaluation, caller: Caller, place: str, moment: datetime, told: Mapping[str, object]
) -> audit.Described:
    """What is recorded: the call as it is for a decision here, and never the event's own words but for its id."""
    claims = _claims(asked, moment)
    server = caller.server(claims["aud"]) if "aud" in claims else server_named(asked, caller)
    # Attack: the server of another MCP server writes into its story.
    if server is None:
        raise MalformedError(f"{place}.resource", "names no MCP server of yours")
    call = asked_call.call_of(asked, server)
    return audit.Described(
        client_id=str(claims.get("client_id", "")),
        subject=str(claims.get("sub", "")),
        resource=server.identifier,
        authorization=str(claims.get("authorization", "")),
        detail={
            "reported_by": caller.client.client_id,
            **told,
            "at": moment.isoformat(),
            **call_facts(call),
            **({"jti": claims["jti"]} if "jti" in claims else {}),
        },
    )


def _claims(asked: Evaluation, moment: datetime) -> Mapping[str, Any]:
    """Who the reporter says that it was; a token says it itself, as of the time of the call."""
    if asked.subject.type in TOKEN:
        try:
            return tokens.read(asked.subject.id, now=moment.timestamp())
        except jwts.JwtError:
            return {}
    agent = asked.context.get("agent", "")
    who = asked.subject.id[:255]
    return {"sub": "" if who == agent else who, "client_id": agent if isinstance(agent, str) else ""}


urlpatterns = [path("access/v1/events", events, name="access_events")]
