"""Gateways before an MCP server, with the files of deploy/gateways: the real Envoy, and a stand-in for agentgateway.

    python -m tests.support.gateways envoy|agentgateway FILE LISTENS SERVER GATEHOUSE

LISTENS and SERVER are ports of 127.0.0.1, GATEHOUSE is a host and port without TLS. Of a file only these change.

agentgateway installs from no package index. What the stand-in sends and does with an answer is
`ExtAuthz::check_http` of agentgateway at 75b4e6ce6e0e1ac7959d5548ebe8dbeaede4f180
(crates/agentgateway/src/http/ext_authz.rs); it refuses every key of the file that it does not know.
"""

import http.client
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from demo import environments

# The keys that are understood, by their place (schema/config.json of the same commit).
KNOWN = {
    "binds": {
        "port": {},
        "listeners": {
            "routes": {
                "name": {},
                "matches": {"path": {"pathPrefix": {}}},
                "backends": {"host": {}},
                "policies": {
                    "extAuthz": {
                        "host": {},
                        "policies": {"backendTLS": {}},
                        "failureMode": {},
                        "includeRequestHeaders": {},
                        "includeRequestBody": {"maxRequestBytes": {}, "allowPartialMessage": {}},
                        "protocol": {
                            "http": {"path": {}, "addRequestHeaders": None, "includeResponseHeaders": {}},
                        },
                    }
                },
            }
        },
    }
}
_OF_A_CONNECTION = frozenset({"connection", "transfer-encoding", "keep-alive", "content-length", "date", "server"})


def main(kind: str, file: str, listens: str, server: str, gatehouse: str) -> None:
    document = yaml.safe_load(Path(file).read_text())
    (envoy if kind == "envoy" else agentgateway)(document, int(listens), int(server), gatehouse)


def envoy(document: dict[str, Any], listens: int, server: int, gatehouse: str) -> None:
    host, _, port = gatehouse.partition(":")
    resources = document["static_resources"]
    (listener,) = resources["listeners"]
    listener["address"] = {"socket_address": {"address": "127.0.0.1", "port_value": listens}}
    addresses = {"mcp_server": ("127.0.0.1", server), "gatehouse": (host, int(port))}
    for cluster in resources["clusters"]:
        cluster.pop("transport_socket", None)
        (endpoints,) = cluster["load_assignment"]["endpoints"]
        address, number = addresses[cluster["name"]]
        endpoints["lb_endpoints"][0]["endpoint"]["address"]["socket_address"] = {
            "address": address,
            "port_value": number,
        }
    written = Path(tempfile.mkstemp(suffix=".yaml")[1])
    written.write_text(yaml.safe_dump(document))
    program = str(environments.python("envoy").with_name("envoy"))
    os.execv(program, [program, "-c", str(written), "--use-dynamic-base-id", "--concurrency", "1", "-l", "warning"])  # noqa: S606


def check(found: Any, known: Mapping[str, Any] | None, place: str = "") -> None:
    """Raises ValueError for a key that agentgateway's schema does not have there."""
    for item in found if isinstance(found, list) else [found]:
        if isinstance(item, Mapping) and known is not None:
            for key, value in item.items():
                if key not in known:
                    raise ValueError(f"unknown field: {place}{key}")
                check(value, known[key], f"{place}{key}.")


def literal(expression: str) -> str:
    """A CEL expression that is a text. Raises ValueError."""
    text = json.loads(expression)
    if not isinstance(text, str):
        raise ValueError("redirect resolved to a non-string value")
    return text


def agentgateway(document: dict[str, Any], listens: int, server: int, gatehouse: str) -> None:
    check(document, KNOWN)
    (bind,) = document["binds"]
    routes = bind["listeners"][0]["routes"]

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            prefixes = [(route["matches"][0]["path"]["pathPrefix"], route) for route in routes]
            route = max((pair for pair in prefixes if self.path.startswith(pair[0])), key=lambda pair: len(pair[0]))[1]
            policy, added = route.get("policies", {}).get("extAuthz"), dict[str, str]()
            if policy is not None:
                limits = policy["includeRequestBody"]
                if len(body) > limits["maxRequestBytes"] and not limits["allowPartialMessage"]:
                    self.send_error(413)
                    return
                try:
                    came = _checked(policy, self.command, self.headers, body, gatehouse)
                except OSError:
                    self.send_error(403)  # failureMode: deny
                    return
                if came.status // 100 != 2:
                    self.hand_on(came)
                    return
                wanted = policy["protocol"]["http"]["includeResponseHeaders"]
                added = {name: came.headers[name] for name in wanted if came.headers[name]}
            upstream = http.client.HTTPConnection("127.0.0.1", server, timeout=60)
            kept = {name: value for name, value in self.headers.items() if name.lower() not in _OF_A_CONNECTION}
            upstream.request(self.command, self.path, body or None, kept | added)
            self.hand_on(upstream.getresponse())

        do_GET = do_POST = do_DELETE = do_OPTIONS = answer

        def hand_on(self, came: http.client.HTTPResponse) -> None:
            self.send_response(came.status)
            for name, value in came.headers.items():
                if name.lower() not in _OF_A_CONNECTION:
                    self.send_header(name, value)
            self.end_headers()
            while piece := came.read1(65536):
                self.wfile.write(piece)
                self.wfile.flush()

        def log_message(self, *_: Any) -> None:
            pass

    ThreadingHTTPServer(("127.0.0.1", listens), Handler).serve_forever()


def _checked(
    policy: dict[str, Any], method: str, headers: Any, body: bytes, gatehouse: str
) -> http.client.HTTPResponse:
    """> Request headers to send to the authorization service. If unset, […] HTTP sends only `Authorization`."""
    by = policy["protocol"]["http"]
    names = policy.get("includeRequestHeaders") or ["authorization"]
    sent = {name: headers[name] for name in names if headers[name] is not None}
    sent["x-envoy-auth-partial-body"] = "false"
    sent |= {name: literal(value) for name, value in by["addRequestHeaders"].items()}
    host, _, port = gatehouse.partition(":")
    asked = http.client.HTTPConnection(host, int(port), timeout=2)
    asked.request(method, literal(by["path"]), body, sent)
    return asked.getresponse()


if __name__ == "__main__":
    main(*sys.argv[1:])
