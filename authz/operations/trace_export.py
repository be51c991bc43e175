"""Exports traces to an OpenTelemetry collector, through `authz.outbound` (invariant 6).

Imported only if `OTEL_EXPORTER_OTLP_ENDPOINT` is set. Spans wait in a bounded queue, and a thread sends them. What a
slow or absent collector does not accept is dropped, and no request waits for it.
"""

from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from authz import audit
from authz.conf import conf
from authz.outbound import OutboundError, Role, fetch
from authz.telemetry import tracing


class _Exporter(SpanExporter):
    """OTLP over HTTP, in protobuf."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        headers = {"Content-Type": "application/x-protobuf", **conf.otlp_headers}
        try:
            fetch(Role.TRACES, f"{conf.otlp_endpoint}/v1/traces", headers=headers, body=_encoded(spans))
        except OutboundError:
            return SpanExportResult.FAILURE  # gatehouse_outbound_fetches_total says why
        return SpanExportResult.SUCCESS


class _Ids(RandomIdGenerator):
    """A request's trace is found by its correlation id, in logs and audit alike."""

    def generate_trace_id(self) -> int:
        return int(audit.current_origin().request_id or "0", 16) or super().generate_trace_id()


def start() -> TracerProvider:
    sampled = TraceIdRatioBased(conf.traces_sampled)
    provider = TracerProvider(
        # A caller may ask not to be traced, but not for more traces than configured.
        sampler=ParentBased(sampled, remote_parent_sampled=sampled),
        id_generator=_Ids(),
        resource=Resource.create({"service.name": "gatehouse"}),
    )
    provider.add_span_processor(BatchSpanProcessor(_Exporter()))
    tracing.use(provider.get_tracer("gatehouse"))
    return provider


def _encoded(spans: Sequence[ReadableSpan]) -> bytes:
    encoded: bytes = encode_spans(spans).SerializeToString()
    return encoded
