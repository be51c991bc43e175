"""One question to a client's model: asked over the stream that answers the client's call of `ask_audit`.

Each step is a request of its own: it looks at the caller's access as it is now, and has its deadlines and its record.
Between the steps the thread waits, and holds no lock and no transaction.
"""

import hashlib
import logging
import time
import uuid
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.db import Error as DatabaseFailure
from django.http import StreamingHttpResponse

from authz import audit
from authz.database import concurrency
from authz.endpoints.machine import Answer, Request, json_response
from authz.limits import rate_limits
from authz.limits.refusal_sampling import UnrecordedError
from authz.mcp_server import deciding, results, running, schemas, sse
from authz.mcp_server.asked import Asked
from authz.mcp_server.caller import Caller
from authz.mcp_server.events import McpEvent
from authz.mcp_server.held import Held
from authz.mcp_server.refusing import Refused
from authz.mcp_server.sampling import answers, findings
from authz.mcp_server.sampling.conversation import Budget, Conversation, Stop, Stopped
from authz.mcp_server.sampling.places import place
from authz.mcp_server.sampling.reading import Readings
from authz.mcp_server.sampling.statements import Statement, statements
from authz.mcp_server.sampling.tool import TOOL, offered_to
from authz.mcp_server.tool import ToolError
from authz.protocol.mcp import RpcCode, RpcError

log = logging.getLogger(__name__)
BUDGET = Budget()
# Seconds. How often the thread that waits looks for the answer, and whether its reader is still there.
EVERY = 0.25


@dataclass(slots=True)
class _Question:
    """`ends` is by the monotonic clock. `id` is what its events have in common."""

    held: Held
    conversation: Conversation
    readings: Readings
    ends: float
    id: str
    digest: str
    found: list[Statement] = field(default_factory=list)

    @property
    def asked(self) -> Asked:
        return self.held.asked

    @contextmanager
    def step(self) -> Iterator[Caller]:
        """Work as a request of this caller. Raises `Refused` if its access, or its right to ask, has ended."""
        with self.held.step() as caller:
            running.require(caller, TOOL)
            yield caller

    def record(self, event: McpEvent, **more: object) -> None:
        told = {"conversation": self.id, "question": self.digest, "round": self.conversation.round}
        running.record(event, self.asked.caller, {**told, **more})


def response(asked: Asked, request: Request) -> StreamingHttpResponse | Answer:
    """The stream that answers a call of `ask_audit`. Raises `RpcError`, `Refused`, and `OAuthError` for too many."""
    running.require(asked.caller, TOOL)
    # > The client MUST include an Accept header, listing both application/json and text/event-stream as supported
    if "text/event-stream" not in (request.META.get("HTTP_ACCEPT") or ""):
        raise RpcError(RpcCode.INVALID_REQUEST, "Accept text/event-stream.")
    arguments = asked.message.params.get("arguments", {})
    try:
        if wrong := schemas.problem(TOOL.takes, arguments):
            raise ToolError(wrong)
        deciding.require(asked.caller, TOOL, arguments)
    except ToolError as error:
        return json_response({"jsonrpc": "2.0", "id": asked.message.id, "result": results.failed(str(error))})
    rate_limits.of_asker("mcp_ask_audit:asker", asked.caller.client.client_id, asked.caller.token.subject)
    made, text = str(uuid.uuid4()), arguments["question"]
    tools = [_shown(tool.as_item()) for tool in offered_to(asked.caller).values()]
    question = _Question(
        held=Held(asked, audit.current_origin()),
        conversation=Conversation(text, tools, BUDGET),
        readings=Readings(made, asked.envelope, BUDGET.characters),
        ends=time.monotonic() + BUDGET.seconds,
        id=made,
        digest=hashlib.sha256(text.encode()).hexdigest(),
    )
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff"}
    return StreamingHttpResponse(_messages(question), content_type="text/event-stream", headers=headers)


def _shown(item: dict[str, object]) -> dict[str, object]:
    """A tool as a model needs it. Some clients take no more than this."""
    return {name: item[name] for name in ("name", "description", "inputSchema")}


def _messages(question: _Question) -> Iterator[bytes]:
    with place() as is_free:
        if not is_free:
            yield _result(
                question, results.failed("Too many questions are asked at this moment. Ask again in a minute.")
            )
            return
        stop = Stop.GONE
        try:
            try:
                yield from _conversed(question)
                stop = Stop.ANSWERED if any(one.is_supported for one in question.found) else Stop.UNSUPPORTED
            except Stopped as stopped:
                stop = stopped.stop
            except Refused:
                stop = Stop.ACCESS_ENDED
            except (DatabaseFailure, UnrecordedError):
                log.exception("a question to a client's model was not recorded")
                stop = Stop.UNAVAILABLE
        finally:
            last = _ended(question, stop)
        yield _result(question, last)


def _conversed(question: _Question) -> Generator[bytes, None, None]:
    """Ask until there is an answer. Raises `Stopped` and `Refused`."""
    while True:
        params = question.conversation.request()
        with question.step() as caller:
            key = answers.ask(caller, question.asked.session, caller.moment, question.ends - time.monotonic())
        try:
            yield sse.request(str(key), "sampling/createMessage", params)
            while (given := _given(key)) is None:
                if time.monotonic() >= question.ends:
                    raise Stopped(Stop.TIME)
                yield sse.BEAT
                time.sleep(EVERY)
        finally:
            with question.held.working():
                answers.forget(key)
        with question.step() as caller:
            # Such as a person who does not want it.
            if "error" in given:
                raise Stopped(Stop.DECLINED)
            said = question.conversation.take(given["result"])
            if isinstance(said, str):
                question.found = statements(said, question.readings.read)
                question.record(McpEvent.SAMPLING_ROUND, statements=len(question.found))
                return
            brought = [question.readings.of(caller, use) for use in said]
            question.record(McpEvent.SAMPLING_ROUND, uses=[one.as_detail() for one in brought])
            question.conversation.bring([one.brought for one in brought])


def _given(key: uuid.UUID) -> dict[str, object] | None:
    with concurrency.in_thread():
        return answers.read(key)


def _ended(question: _Question, stop: Stop) -> dict[str, object]:
    """Record how it ended, and say what the call is answered with. What cannot be recorded is not told."""
    readings, found = question.readings, question.found
    supported = sum(one.is_supported for one in found)
    try:
        with question.held.working():
            question.record(
                McpEvent.SAMPLING_ENDED,
                stop=stop.value,
                events_read=len(readings.read),
                supported=supported,
                not_supported=len(found) - supported,
            )
            if stop is Stop.ANSWERED:
                return results.done(findings.done(found, readings.read, question.conversation.round))
    except (DatabaseFailure, UnrecordedError):
        log.exception("the end of a question to a client's model was not recorded")
        stop = Stop.UNAVAILABLE
    return results.failed(findings.SENTENCES[stop])


def _result(question: _Question, result: dict[str, object]) -> bytes:
    return sse.message({"jsonrpc": "2.0", "id": question.asked.message.id, "result": result})
