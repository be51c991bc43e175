"""The transmitter's end as this server calls it: configuration document, stream management, and polls."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from authz.outbound import Cause, OutboundError, Response, Role
from tests.xaa.company import IDP, IDP_JWKS
from xaa.signals.receiving import polling, transmitter

TOKEN = "our-token-at-the-transmitter"
PUSH, POLL = "urn:ietf:rfc:8935", "urn:ietf:rfc:8936"


class There:
    """`stream` is the one that it has, None for none; `waiting` the SETs that a poll gets."""

    def __init__(self) -> None:
        self.document = {
            "issuer": IDP,
            "spec_version": "1_0",
            "jwks_uri": IDP_JWKS,
            "delivery_methods_supported": [PUSH, POLL],
            "configuration_endpoint": f"{IDP}/ssf/streams",
            "status_endpoint": f"{IDP}/ssf/status",
            "verification_endpoint": f"{IDP}/ssf/verify",
            "critical_subject_members": ["user"],
        }
        self.stream: dict[str, Any] | None = None
        self.status = "enabled"
        self.changes: dict[str, Any] = {}
        self.verified: list[dict[str, Any]] = []
        self.waiting: dict[str, str] = {}
        self.polls: list[dict[str, Any]] = []
        self.always_more = False
        self.keeps = False
        self.failure: OutboundError | None = None

    def fetch(
        self,
        role: Role,
        url: str,
        *,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        method: str = "",
    ) -> Response:
        parts, given = urlsplit(url), json.loads(body or b"{}")
        if parts.path == "/.well-known/ssf-configuration":
            return self._answer(self.document)
        if parts.path.startswith("/.well-known/"):
            raise OutboundError(Cause.STATUS, status=404)
        if self.failure is not None:
            raise self.failure
        if headers is None or headers.get("Authorization") != f"Bearer {TOKEN}":
            raise OutboundError(Cause.STATUS, status=401)
        stream = parse_qs(parts.query).get("stream_id", [given.get("stream_id")])[0]
        match parts.path, method or "POST":
            case "/ssf/streams", "POST":
                if self.stream is not None:
                    raise OutboundError(Cause.STATUS, status=409)
                return self._made(given)
            case "/ssf/streams", "GET":
                return self._answer([self.stream] if self.stream else [])
            case _ if parts.path != "/ssf/poll" and (self.stream is None or stream != self.stream["stream_id"]):
                raise OutboundError(Cause.STATUS, status=404)
            case "/ssf/streams", "PATCH":
                return self._made((self.stream or {}) | given)
            case "/ssf/streams", "DELETE":
                self.stream = None
                return self._answer(None)
            case "/ssf/status", _:
                self.status = given.get("status", self.status)
                return self._answer({"stream_id": stream, "status": self.status, "reason": "as asked"})
            case "/ssf/verify", _:
                self.verified.append(given)
                return self._answer(None)
            case "/ssf/poll", _:
                return self._polled(given)
        raise AssertionError(url)

    def _made(self, given: dict[str, Any]) -> Response:
        delivery = dict(given["delivery"])
        if delivery["method"] == POLL:
            delivery["endpoint_url"] = f"{IDP}/ssf/poll"
        self.stream = {
            "stream_id": "f67e39a0a4d34d56b3aa1bc4cff0069f",
            "iss": IDP,
            "aud": ["https://receiver.example.com/web"],
            "events_delivered": given["events_requested"][:2],
            **given,
            "delivery": delivery,
            **self.changes,
        }
        return self._answer(self.stream)

    def _polled(self, given: dict[str, Any]) -> Response:
        self.polls.append(given)
        if not self.keeps:
            for jti in (*given.get("ack", ()), *given.get("setErrs", {})):
                self.waiting.pop(jti, None)
        sets = dict(list(self.waiting.items())[: given["maxEvents"]])
        return self._answer({"sets": sets, "moreAvailable": self.always_more or len(sets) < len(self.waiting)})

    def _answer(self, body: Any) -> Response:
        raw = b"" if body is None else json.dumps(body).encode()
        return Response(status=200, headers={}, body=raw, address="192.0.2.1", elapsed=0.01)


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> There:
    found = There()
    monkeypatch.setattr(transmitter, "fetch", found.fetch)
    monkeypatch.setattr(polling, "fetch", found.fetch)
    return found
