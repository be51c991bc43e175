"""Traces arrive at a collector under the request's correlation id, and hold nothing that was sent."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from authz.operations import trace_export
from authz.telemetry import tracing
from demo.processes import ROOT
from tests.support import world
from tests.support.world import SECRET, World, basic_header

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Collector:
    """What an OpenTelemetry collector was sent."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.keys: list[str] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                collector.keys.append(f"{self.path} {self.headers['api-key']}")
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def spans(self) -> list[Any]:
        requests = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        return [s for r in requests for rs in r.resource_spans for ss in rs.scope_spans for s in ss.spans]


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def provider(collector: Collector, settings: Any) -> Iterator[Any]:
    port = collector.server.server_port
    settings.GATEHOUSE = settings.GATEHOUSE | {
        "OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTLP_HEADERS": {"api-key": "the-collectors"},
        "OUTBOUND_ALLOWED_HOSTS": [("127.0.0.1", port)],
    }
    made = trace_export.start()
    yield made
    tracing.use(None)
    made.shutdown()


def test_a_token_request_is_one_trace(gatehouse: World, provider: Any, collector: Collector) -> None:
    headers = {"authorization": basic_header("nightly-report", SECRET), "traceparent": f"00-{TRACE}-{PARENT}-01"}
    assert gatehouse.post("token", {"grant_type": "client_credentials"}, **headers).status_code == 200
    provider.force_flush()
    spans = {span.name: span for span in collector.spans() if span.trace_id.hex() == TRACE}
    assert {"token", "decide"} <= set(spans)
    assert spans["token"].parent_span_id.hex() in {PARENT, spans["page"].span_id.hex()}
    assert spans["decide"].parent_span_id == spans["token"].span_id
    assert collector.keys[0] == "/v1/traces the-collectors"


def test_a_trace_of_our_own_has_the_correlation_id(gatehouse: World, provider: Any, collector: Collector) -> None:
    answer = gatehouse.token(grant_type="client_credentials", client_id="nobody")
    provider.force_flush()
    assert {span.trace_id.hex() for span in collector.spans()} == {answer["X-Request-Id"]}


def test_a_request_may_opt_out_of_tracing(gatehouse: World, provider: Any, collector: Collector) -> None:
    gatehouse.post("token", "grant_type=x", traceparent=f"00-{TRACE}-{PARENT}-00")
    provider.force_flush()
    assert collector.spans() == []


def test_no_span_has_values_of_the_request(gatehouse: World, provider: Any, collector: Collector) -> None:
    """Attack 32: secrets in traces."""
    code = gatehouse.authorize()["code"]
    tokens = gatehouse.redeem(code).content.decode()
    gatehouse.token(basic=("nightly-report", "canary-canary-canary"), grant_type="client_credentials")
    gatehouse.browser.raise_request_exception = False
    gatehouse.browser.get("/o/authorize?client_id=canary-canary-canary")
    provider.force_flush()
    sent = b"".join(collector.bodies)
    assert len(collector.spans()) > 5
    for secret in (code, world.VERIFIER, SECRET, "bob-password", "canary", *tokens.split('"')[3::8]):
        assert secret.encode() not in sent


def test_an_absent_collector_delays_no_request(gatehouse: World, provider: Any, collector: Collector) -> None:
    collector.server.shutdown()
    collector.server.server_close()
    assert gatehouse.machine_token()["access_token"]
    provider.force_flush()


def test_nothing_of_it_is_loaded_where_no_collector_is_named() -> None:
    program = "import authz.serving.wsgi, sys; print([m for m in sys.modules if m.startswith('opentelemetry')])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
