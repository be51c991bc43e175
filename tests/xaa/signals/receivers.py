"""Receivers of this server's signals: their configuration, their requests, and what they were told."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jwt
from django.conf import settings
from django.test import Client as Browser
from django.test import override_settings

from authz import keys
from authz.conf import conf
from authz.configuration import apply
from tests.support.document_host import DocumentHost, document_host, reply
from tests.support.world import NOTES, PAYROLL, SERVER_SECRET, World
from tests.xaa.company import CHAT
from xaa.models import SignalEvent, SignalReceiver, SignalStream

CHAT_SECRET = "chat-receiver-secret-0123456789-0123456789"
SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
CREDENTIAL_CHANGE = "https://schemas.openid.net/secevent/caep/event-type/credential-change"
VERIFICATION = "https://schemas.openid.net/secevent/ssf/event-type/verification"
STREAM_UPDATED = "https://schemas.openid.net/secevent/ssf/event-type/stream-updated"
PUSH, POLL = "urn:ietf:rfc:8935", "urn:ietf:rfc:8936"


def configuration() -> str:
    return f"""
clients:
  - client_id: chat-receiver
    status: approved
    grant_types: [client_credentials]
    client_secret: {CHAT_SECRET}
resources:
  - identifier: {conf.endpoint("ssf")}
    name: Shared signals
    scopes: [{{name: ssf.manage}}, {{name: ssf.read}}]
signal_receivers:
  - {{name: Notes, client_id: notes-server, resources: ["{NOTES}"]}}
  - {{name: Payroll, client_id: payroll-server, resources: ["{PAYROLL}"]}}
rules:
  - name: Receivers of signals
    effect: allow
    clients: [notes-server, payroll-server, chat-receiver, nightly-report]
    grant_types: [client_credentials]
    resources: ["{conf.endpoint("ssf")}"]
    scopes: [ssf.manage, ssf.read]
"""


CHAT_RECEIVER = f"""
signal_receivers:
  - {{name: Chat, client_id: chat-receiver, authorization_servers: ["{CHAT}"]}}
"""


def configure(*more: str) -> None:
    for text in (configuration(), *more):
        apply(text)


@dataclass
class Answer:
    status: int
    body: Any
    headers: Any


class Receiver:
    """The client of one receiver, with an access token of this server."""

    def __init__(
        self,
        world: World,
        client: str = "notes-server",
        secret: str = SERVER_SECRET,
        scope: str = "ssf.manage ssf.read",
    ) -> None:
        given = {"grant_type": "client_credentials", "resource": conf.endpoint("ssf"), "scope": scope}
        response = world.token(basic=(client, secret), **given)
        assert response.status_code == 200, response.content
        self.token = json.loads(response.content)["access_token"]
        self.client, self.browser, self.id = client, Browser(), ""

    def ask(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Answer:
        given = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        presented = self.token if token is None else token
        found: Any = self.browser.generic(
            method,
            f"{conf.issuer_path}/ssf/{path}",
            headers={"authorization": f"Bearer {presented}"} if presented else {},
            **given,
        )
        return Answer(found.status_code, json.loads(found.content) if found.content else None, found.headers)

    def create(self, **body: Any) -> dict[str, Any]:
        found = self.ask("POST", "streams", body)
        assert found.status == 201, found.body
        self.id = found.body["stream_id"]
        made: dict[str, Any] = found.body
        return made

    @property
    def stream(self) -> SignalStream:
        return SignalStream.objects.select_related("receiver").get(receiver__client=self.client)

    def poll(self, **body: Any) -> Answer:
        return self.ask("POST", f"poll/{self.id}", {"returnImmediately": True, **body})

    def events(self) -> list[dict[str, Any]]:
        """The claims of what waits, each checked as a receiver does, and acknowledged."""
        found = self.poll()
        assert found.status == 200, found.body
        read = [verified(text, self.client) for text in found.body["sets"].values()]
        assert [claims["jti"] for claims in read] == list(found.body["sets"])
        self.poll(ack=list(found.body["sets"]), maxEvents=0)
        return read

    def status(self, **body: Any) -> Answer:
        if body:
            return self.ask("POST", "status", {"stream_id": self.id, **body})
        return self.ask("GET", f"status?stream_id={self.id}")


def verified(text: str, audience: str) -> dict[str, Any]:
    header = jwt.get_unverified_header(text)
    assert header["typ"] == "secevent+jwt"
    assert header["alg"] == "RS256"
    (jwk,) = [one for one in keys.published(float("-inf")) if one["kid"] == header["kid"]]
    claims: dict[str, Any] = jwt.decode(
        text, jwt.PyJWK(dict(jwk)).key, algorithms=["RS256"], audience=audience, issuer=conf.issuer
    )
    assert not {"sub", "exp"} & set(claims)
    assert {"iat", "jti", "txn", "sub_id"} <= set(claims)
    assert len(claims["events"]) == 1
    return claims


def said(claims: dict[str, Any]) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """The event's short name, its subject and its claims."""
    ((uri, event),) = claims["events"].items()
    return uri.rpartition("/")[2], claims["sub_id"], event


def waiting(name: str) -> list[SignalEvent]:
    return list(SignalEvent.objects.filter(stream__receiver__name=name).order_by("pk"))


def receiver_row(name: str) -> SignalReceiver:
    return SignalReceiver.objects.get(name=name)


@contextmanager
def push_host() -> Iterator[DocumentHost]:
    """A host that takes what is pushed to `/events`, and is allow-listed."""
    with document_host() as host:
        host.serve("/events", reply(b"", status="202 Accepted"))
        allowed = [*settings.GATEHOUSE["OUTBOUND_ALLOWED_HOSTS"], ("localhost", host.port)]
        with override_settings(GATEHOUSE={**settings.GATEHOUSE, "OUTBOUND_ALLOWED_HOSTS": allowed}):
            yield host


def pushed(host: DocumentHost) -> list[str]:
    """The SETs that arrived, in order."""
    return [text.partition("\r\n\r\n")[2] for text in host.requests]
