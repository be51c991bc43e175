"""Signals of a running server: a receiver that makes its stream by the texts alone is told within seconds, pushed and
polled."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import requests

from demo.gatehouse import Gatehouse
from tests.interop.test_scim_leaver import CONFIGURATION as BASE
from tests.interop.test_scim_leaver import NOTES, SECRET, signed_in
from tests.support import databases

SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
VERIFICATION = "https://schemas.openid.net/secevent/ssf/event-type/verification"
# Seconds from the end of access to its event at a receiver.
SOON = 5.0


def configuration(issuer: str) -> str:
    base = BASE.partition("trusted_issuers:")[0]
    return f"""{base}
  - {{identifier: {issuer}/ssf, name: Shared signals, scopes: [{{name: ssf.manage}}, {{name: ssf.read}}]}}
signal_receivers:
  - {{name: Notes, client_id: notes-server, resources: ["{NOTES}"]}}
rules:
  - {{name: Engineers, effect: allow, clients: ["*"], groups: [engineering], resources: ["*"], scopes: ["*"]}}
  - name: Receivers
    effect: allow
    clients: [notes-server]
    grant_types: [client_credentials]
    resources: ["{issuer}/ssf"]
    scopes: [ssf.manage, ssf.read]
"""


class Pushed:
    """What arrived: the header and the SET of each request. The first ones are answered 503."""

    def __init__(self, failures: int) -> None:
        self.failures, self.arrived = failures, list[tuple[str, str]]()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                assert self.headers["Content-Type"] == "application/secevent+jwt"
                fails = outer.failures > 0
                outer.failures -= fails
                if not fails:
                    outer.arrived.append((self.headers["Authorization"], body))
                self.send_response(503 if fails else 202)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/events"

    def wait(self, count: int) -> list[tuple[str, str]]:
        until = time.monotonic() + 20
        while len(self.arrived) < count and time.monotonic() < until:
            time.sleep(0.05)
        return self.arrived


@contextmanager
def receiver(failures: int = 0) -> Iterator[Pushed]:
    pushed = Pushed(failures)
    threading.Thread(target=pushed.server.serve_forever, daemon=True).start()
    yield pushed
    pushed.server.shutdown()
    pushed.server.server_close()


class Client:
    """A receiver: all that it knows is the issuer, and its secret."""

    def __init__(self, issuer: str) -> None:
        parts = urlsplit(issuer)
        found = f"{parts.scheme}://{parts.netloc}/.well-known/ssf-configuration{parts.path}"
        self.about: dict[str, Any] = requests.get(found, timeout=10).json()
        assert self.about["issuer"] == issuer
        given = {"grant_type": "client_credentials", "resource": f"{issuer}/ssf", "scope": "ssf.manage ssf.read"}
        answer = requests.post(f"{issuer}/token", data=given, auth=("notes-server", SECRET), timeout=10)
        assert answer.status_code == 200, answer.text
        self.headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        self.stream: dict[str, Any] = {}

    def ask(self, method: str, url: str, body: Any = None) -> requests.Response:
        return requests.request(method, url, json=body, headers=self.headers, timeout=40)

    def create(self, **body: Any) -> None:
        answer = self.ask("POST", self.about["configuration_endpoint"], body)
        assert answer.status_code == 201, answer.text
        self.stream = answer.json()

    def verified(self, text: str) -> dict[str, Any]:
        keys = jwt.PyJWKSet.from_dict(requests.get(self.about["jwks_uri"], timeout=10).json())
        key = keys[jwt.get_unverified_header(text)["kid"]]
        claims: dict[str, Any] = jwt.decode(
            text, key.key, algorithms=["RS256"], audience=self.stream["aud"], issuer=self.about["issuer"]
        )
        return claims


def test_an_end_is_told_within_seconds(tmp_path: Path) -> None:
    databases.prepare(tmp_path / "gatehouse.sqlite3")
    with receiver(failures=1) as pushed:
        allowed = f"127.0.0.1:{urlsplit(pushed.url).port}=signals"
        settings = {"WORKERS": "2", "GATEHOUSE_OUTBOUND_ALLOWED_HOSTS": allowed}
        with Gatehouse(tmp_path, settings=settings) as gatehouse:
            gatehouse.apply(configuration(gatehouse.issuer))
            client = Client(gatehouse.issuer)
            delivery = {"method": "urn:ietf:rfc:8935", "endpoint_url": pushed.url, "authorization_header": "Bearer abc"}
            client.create(delivery=delivery, events_requested=[SESSION_REVOKED])
            said = {"stream_id": client.stream["stream_id"], "state": "abc"}
            assert client.ask("POST", client.about["verification_endpoint"], said).status_code == 204
            # The first attempt was answered 503, and the same event came again.
            ((header, text),) = pushed.wait(1)
            assert header == "Bearer abc"
            assert client.verified(text)["events"] == {VERIFICATION: {"state": "abc"}}

            token = jwt.decode(signed_in(gatehouse)["access_token"], options={"verify_signature": False})
            gatehouse.manage("end_access", "authorization", token["authorization"], "--reason", "a test")
            began = time.monotonic()
            _, (_, text) = pushed.wait(2)
            assert time.monotonic() - began < SOON
            claims = client.verified(text)
            user = {"format": "iss_sub", "iss": gatehouse.issuer, "sub": token["sub"]}
            assert claims["sub_id"]["user"] == user
            assert claims["sub_id"]["session"]["id"] == token["authorization"]
            assert claims["events"][SESSION_REVOKED]["reason_admin"]

            # The same receiver polls from now on: a long poll ends when there is something.
            replaced = {"stream_id": client.stream["stream_id"], "delivery": {"method": "urn:ietf:rfc:8936"}}
            client.stream = client.ask("PUT", client.about["configuration_endpoint"], replaced).json()
            signed_in(gatehouse)
            answers: list[dict[str, Any]] = []
            url = client.stream["delivery"]["endpoint_url"]
            waits = threading.Thread(target=lambda: answers.append(client.ask("POST", url, {}).json()))
            waits.start()
            gatehouse.manage("end_access", "person", "bob", "--reason", "a test")
            waits.join(30)
            ((jti, text),) = answers[0]["sets"].items()
            assert client.verified(text)["sub_id"] == user
            done = client.ask("POST", url, {"ack": [jti], "returnImmediately": True}).json()
            assert done == {"sets": {}, "moreAvailable": False}
