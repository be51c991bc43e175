"""What the client answers, from any process or node: a row for each message that is waited for.

ask()    a row with an id that can't be guessed, bound to the agent, the person and the session.
taken()  the client's POST fills it, once, while it is waited for.
read()   the thread that waits reads and removes it.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from authz.endpoints.machine import Answer
from authz.mcp_server.caller import Caller
from authz.mcp_server.reasons import McpReason
from authz.mcp_server.refusing import Refused, refuse
from authz.models import McpSampling
from authz.protocol import strict_json
from authz.protocol.mcp import RpcResponse


def ask(caller: Caller, session: str, now: datetime, seconds: float) -> UUID:
    """The id for a message to the client, which may answer so long."""
    row = McpSampling.objects.create(
        client=caller.client, user=caller.person, session=session, expires=now + timedelta(seconds=seconds)
    )
    return row.pk


def taken(response: RpcResponse, raw: bytes, caller: Caller, session: str) -> Answer:
    """Keep a client's answer. Raises `Refused`: for one to another's question, one that was given before, or too late.

    > If the server accepts the input, the server MUST return HTTP status code 202 Accepted with no body. […] If the
    > server cannot accept the input, it MUST return an HTTP error status code (2025-11-25, Transports)
    """
    if (key := _uuid(response.id)) is None:
        raise refuse(McpReason.SAMPLING_UNEXPECTED)
    mine = McpSampling.objects.filter(pk=key, client=caller.client, user=caller.person, session=session)
    # One conditional statement: of two answers to one question, one counts.
    if not mine.filter(answer="", expires__gt=caller.moment).update(answer=raw.decode()):
        raise _refused(key, is_mine=mine.exists())
    return Answer(202, {"Cache-Control": "no-store"}, b"")


def _refused(key: UUID, *, is_mine: bool) -> Refused:
    is_anothers = not is_mine and McpSampling.objects.filter(pk=key).exists()
    return refuse(McpReason.SAMPLING_OF_ANOTHER if is_anothers else McpReason.SAMPLING_UNEXPECTED)


def read(key: UUID) -> dict[str, Any] | None:
    """The answer as it came, which is forgotten here; None if there is none yet."""
    raw = McpSampling.objects.filter(pk=key).values_list("answer", flat=True).first()
    if not raw:
        return None
    forget(key)
    # With numbers as a client's JSON has them; `taken` got it as one that can be read.
    return strict_json.read_object(raw.encode())


def forget(key: UUID) -> None:
    McpSampling.objects.filter(pk=key).delete()


def _uuid(given: object) -> UUID | None:
    try:
        return UUID(given) if isinstance(given, str) else None
    except ValueError:
        return None
