"""The answer to a question: statements of the client's model, with links to the events that each names."""

from collections.abc import Mapping, Sequence, Set
from typing import Any

from django.urls import reverse

from authz.audit.headlines import headline
from authz.conf import conf
from authz.mcp_server.sampling.conversation import Stop
from authz.mcp_server.sampling.statements import Statement
from authz.mcp_server.tool import Done
from authz.models import AuditEvent

SENTENCES: Mapping[Stop, str] = {
    Stop.UNSUPPORTED: "None of what the model said names an event that it read: it is no answer. Ask more precisely.",
    Stop.ROUNDS: "The model read for longer than a question may take. Ask more precisely.",
    Stop.TOKENS: "The model wrote more than a question may take. Ask more precisely.",
    Stop.TIME: "The client did not answer in time.",
    Stop.JUNK: "The client sent something else than a message of a model.",
    Stop.TOO_LONG: "The client sent a longer message than was asked for.",
    Stop.DECLINED: "The client did not ask its model.",
    Stop.ACCESS_ENDED: "Your access ended meanwhile.",
    Stop.GONE: "The client has gone.",
    Stop.UNAVAILABLE: "The audit could not be written, so nothing is told. Ask again later.",
}


def address(number: int) -> str:
    """The console's page of an event."""
    return f"{conf.origin}{reverse('admin:authz_auditevent_change', args=[number])}"


def done(found: Sequence[Statement], read: Set[int], rounds: int) -> Done:
    """`found` as the result of the call: with links to events that were read, and with no others."""
    named = {number for one in found for number in one.events if number in read}
    rows = AuditEvent.objects.in_bulk(named)
    items = [_item(one, rows) for one in found]
    others = sum(not one.is_supported for one in found)
    data = {"statements": items, "not_supported": others, "events_read": len(read), "rounds": rounds}
    return Done("\n".join(["Your model’s words. Each links the events that it names.", *map(_line, items)]), data)


def _item(one: Statement, rows: Mapping[int, AuditEvent]) -> dict[str, Any]:
    events = [
        {
            "id": number,
            "url": address(number),
            "event": headline(rows[number].event),
            "time": rows[number].time.isoformat(),
        }
        for number in one.events
        if number in rows
    ]
    return {"text": one.text, "supported": one.is_supported, "events": events}


def _line(item: Mapping[str, Any]) -> str:
    links = ", ".join(f"#{event['id']} {event['url']}" for event in item["events"])
    mark = "" if item["supported"] else "Not supported by events: "
    return f"- {mark}{item['text']}" + (f" ({links})" if links else "")
