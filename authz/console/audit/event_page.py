"""The lines of one event's page."""

import json
from dataclasses import dataclass
from urllib.parse import urlencode

from authz.console.audit.search import EXACT_WORDS
from authz.console.widgets import names
from authz.models import AuditEvent


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of an event's page. `called` is what people call it, `like` a query that lists its like."""

    title: str
    value: str
    called: str = ""
    like: str = ""


def facts(event: AuditEvent) -> list[Fact]:
    """What an event says, without what is empty."""
    agents, people = names.of_agents([event.client_id]), names.of_people([event.subject])
    servers = names.of_servers([event.resource])
    found = [Fact("Event", event.event, like=urlencode({"event": event.event}))]
    for field, called in (
        ("reason", {}), ("client_id", agents), ("subject", people), ("resource", servers), ("authorization", {})
    ):  # fmt: skip
        if value := getattr(event, field):
            # What tells a name apart from others stands beside it anyway.
            name = called.get(value, "").removesuffix(f" ({value})")
            found.append(Fact(EXACT_WORDS[field], value, name, urlencode({field: value})))
    found += [Fact(title, value) for title, value in (("From", event.address), ("Request", event.request_id)) if value]
    found += [Fact(_title(key), _readable(value)) for key, value in event.detail.items()]
    return found


def _title(key: str) -> str:
    """`grant_type` → `Grant type`; what others named stays as they wrote it."""
    return key.replace("_", " ").capitalize() if key.isascii() and key.islower() else key


def _readable(value: object) -> str:
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
