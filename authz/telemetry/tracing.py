"""Spans, where a collector is configured; nothing at all where none is (authz/operations/trace_export.py sets the
tracer).

A span says what was done and how it ended, never what was sent: no parameter, no header, no exception's text.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

_NOTHING: AbstractContextManager[Any] = nullcontext()
_tracer: Any = None


def use(tracer: Any) -> None:
    """From here on spans are made by this OpenTelemetry tracer; None makes none."""
    global _tracer  # noqa: PLW0603  one per process is the idea
    _tracer = tracer


def span(name: str, **more: Any) -> AbstractContextManager[Any]:
    """A span around the code inside. Yields the span, or None if tracing is off."""
    if _tracer is None:
        return _NOTHING
    made: AbstractContextManager[Any] = _tracer.start_as_current_span(
        name, record_exception=False, set_status_on_exception=False, **more
    )
    return made


def request(endpoint: str, traceparent: str | None) -> AbstractContextManager[Any]:
    """The span of a request as its server; under the caller's span if the request named one well."""
    if _tracer is None:
        return _NOTHING
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    context = TraceContextTextMapPropagator().extract({"traceparent": traceparent or ""})
    return span(endpoint, context=context, kind=SpanKind.SERVER, attributes={"http.route": endpoint})


def answered(made: Any, status: int) -> None:
    if made is not None:
        made.set_attribute("http.response.status_code", status)
