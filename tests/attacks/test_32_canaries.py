"""Attack 32: canaries. No secret that is sent to a real server, in valid and in malformed requests, appears in
a log, an audit event, a metric or an error page.
"""

import base64
import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec

from demo.browser import Page, Person
from tests.support import commands, databases, processes, world
from tests.support.assertions import client_assertion
from tests.support.processes import RunningGatehouse

METRICS_TOKEN = f"metrics-{secrets.token_hex(24)}"
NOTES_SERVER = ("notes-server", world.SERVER_SECRET)
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"

# Rules that no engine reads: from here on each request meets an unexpected error.
BREAK = "from authz.models import Rule; Rule.objects.update(definition={'clients': 5})"
AUDIT = (
    "import json; from authz.models import AuditEvent as E; print(json.dumps(list(E.objects.values()), default=str))"
)


@dataclass
class Watched:
    """A server, the secrets that went into it, and what it said when it refused."""

    server: RunningGatehouse
    canaries: set[str] = field(default_factory=set)
    refusals: list[requests.Response] = field(default_factory=list)

    def secret(self, value: str = "") -> str:
        value = value or f"canary-{secrets.token_urlsafe(32)}"
        self.canaries.add(value)
        return value

    def ask(self, method: str, url: str, **more: object) -> requests.Response:
        answer = self.server.ask(method, url, **more)
        if answer.status_code >= 400:
            self.refusals.append(answer)
        return answer

    def post(self, endpoint: str, data: object, **more: object) -> requests.Response:
        return self.ask("POST", self.server.url(endpoint), data=data, **more)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    directory = tmp_path_factory.mktemp("canaries")
    settings = {"GATEHOUSE_LOG_FORMAT": "json", "GATEHOUSE_METRICS_TOKEN": METRICS_TOKEN}
    with (
        databases.database(directory, world.configuration()) as url,
        processes.running(url, directory, **settings) as server,
    ):
        watched = Watched(server)
        for known in (world.SECRET, world.SERVER_SECRET, world.VERIFIER, "bob-password", METRICS_TOKEN):
            watched.secret(known)
        watched.secret(commands.SECRET_KEY)
        good_ways(watched)
        wrong_ways(watched)
        malformed_ways(watched)
        server.manage("shell", "-v0", "-c", BREAK)
        broken_ways(watched)
        yield watched


def good_ways(watched: Watched) -> None:
    server = watched.server
    code = watched.secret(server.code())
    tokens = server.redeem(code).json()
    rotated = server.refresh(tokens["refresh_token"]).json()
    for answer in (tokens, rotated):
        watched.secret(answer["access_token"])
        watched.secret(answer["refresh_token"])
    assert server.introspect(rotated["access_token"], NOTES_SERVER)["active"] is True
    assertion = client_assertion(aud=server.issuer)
    watched.secret(assertion["client_assertion"])
    assert server.token(grant_type="client_credentials", **assertion).status_code == 200
    # And each of them once more, where it is good no longer.
    watched.post("token", {"grant_type": "client_credentials", **assertion})
    again = {"grant_type": "authorization_code", "client_id": "desktop-app", "redirect_uri": world.REDIRECT}
    watched.post("token", {**again, "code": code, "code_verifier": world.VERIFIER})
    watched.post("token", {"grant_type": "refresh_token", "client_id": "desktop-app", **tokens})
    watched.post("revoke", {"token": rotated["refresh_token"], "client_id": "desktop-app"})


def wrong_ways(watched: Watched) -> None:
    server = watched.server
    id_jag = jwt.encode(
        {"iss": "https://idp.example", "aud": server.issuer, "exp": int(time.time()) + 60, "jti": "1"},
        ec.generate_private_key(ec.SECP256R1()),
        algorithm="ES256",
        headers={"typ": "oauth-id-jag+jwt"},
    )
    watched.secret(id_jag)
    basic = ("nightly-report", world.SECRET)
    watched.post("token", {"grant_type": "client_credentials"}, auth=("nightly-report", watched.secret()))
    watched.post("token", {"grant_type": JWT_BEARER, "assertion": id_jag}, auth=basic)
    exchange = {"subject_token": id_jag, "subject_token_type": ACCESS_TOKEN_TYPE, "actor_token": watched.secret()}
    watched.post("token", {"grant_type": TOKEN_EXCHANGE, **exchange}, auth=basic)
    watched.post("token", {"grant_type": "authorization_code", "client_id": "desktop-app", "code": watched.secret()})
    watched.post("introspect", {"token": watched.secret()}, auth=("notes-server", watched.secret()))
    # People type passwords into the field for the name.
    login = f"{server.origin}/accounts/login/"
    with requests.Session() as session:
        session.trust_env = False
        form = Page(session.get(login).text).forms[0]
        typed = {**form.fields, "login": watched.secret(), "password": watched.secret()}
        session.post(login, data=typed, headers={"Referer": login})
    watched.ask("POST", login, data={"login": "bob", "password": watched.secret()})  # no form's token


def malformed_ways(watched: Watched) -> None:
    server, form = watched.server, {"Content-Type": "application/x-www-form-urlencoded"}
    secret = watched.secret()
    for body in (
        f"client_secret={secret}&%zz=1",
        f"client_secret={secret}&client_secret={secret}",
        f"client_secret={secret}\0",
        b"client_secret=" + secret.encode() + b"\xff",
        f"client_secret={secret}&grant_type={secret}&scope={secret}&resource={secret}",
        "x" * 70_000 + secret,
    ):
        watched.post("token", body, headers=form)
    watched.post("token", json.dumps({"client_secret": secret}), headers={"Content-Type": "application/json"})
    watched.ask("PUT", server.url("token"), data={"client_secret": secret})
    watched.ask("POST", f"{server.url('token')}?client_secret={secret}&code={secret}", data={})
    watched.ask("GET", f"{server.origin}/nowhere?code={secret}&access_token={secret}")
    watched.ask("GET", f"{server.url('authorize')}?client_id=nobody&code={secret}&id_token_hint={secret}")
    for header in (
        f"Basic {secret}",
        f"Bearer {secret}",
        f"Basic {base64.b64encode(secret.encode()).decode()}",
        secret,
    ):
        for endpoint in ("token", "introspect", "userinfo", "register"):
            watched.post(endpoint, {}, headers={"Authorization": header, "traceparent": secret, "Cookie": secret})
    watched.ask("GET", f"{server.origin}/metrics", headers={"Authorization": f"Bearer {secret}"})


def broken_ways(watched: Watched) -> None:
    basic = ("nightly-report", world.SECRET)
    assert watched.post("token", {"grant_type": "client_credentials"}, auth=basic).status_code == 500
    assertion = client_assertion(aud=watched.server.issuer)
    watched.secret(assertion["client_assertion"])
    assert watched.post("token", {"grant_type": "client_credentials", **assertion}).status_code == 500
    person = Person("bob", "bob-password")
    with pytest.raises(Exception) as met:
        person.authorize(
            f"{watched.server.url('authorize')}?response_type=code&client_id=desktop-app&code_challenge={world.CHALLENGE}"
            f"&code_challenge_method=S256&redirect_uri={quote(world.REDIRECT)}&scope=mcp:read&state={watched.secret()}"
        )
    assert "broke" in str(met.value) or "500" in str(met.value)


def leaked(watched: Watched, text: str) -> list[str]:
    """The secrets in a text, in clear or in the encoding of HTTP Basic or of a URL."""
    found = []
    for canary in watched.canaries:
        coded = {canary, quote(canary), base64.b64encode(canary.encode()).decode()[:-4]}
        found += [canary for form in coded if form in text]
    return found


def test_no_line_of_the_log_holds_one(watched: Watched) -> None:
    log = watched.server.server.log.read_text()
    assert "unexpected error at" in log  # so what was to be seen was there
    assert leaked(watched, log) == []


def test_every_line_of_the_log_is_one_object(watched: Watched) -> None:
    lines = [json.loads(line) for line in Path(watched.server.server.log).read_text().splitlines()]
    errors = [line for line in lines if line["level"] == "error" and "unexpected error" in line["message"]]
    assert all(len(line["request_id"]) == 32 and "Traceback" in line["exception"] for line in errors)


def test_no_audit_event_holds_one(watched: Watched) -> None:
    events = watched.server.manage("shell", "-v0", "-c", AUDIT)
    assert events.count("token:access:refused") > 5
    assert leaked(watched, without_claims(events)) == []


def without_claims(events: str) -> str:
    """A client's name and requested scopes are recorded unchanged: they are no secrets."""
    kept = [{**event, "client_id": "", "resource": ""} for event in json.loads(events.splitlines()[-1])]
    return json.dumps(kept)


def test_no_metric_holds_one(watched: Watched) -> None:
    headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
    shown = watched.server.ask("GET", f"{watched.server.origin}/metrics", headers=headers)
    assert "gatehouse_refusals_total" in shown.text
    assert leaked(watched, shown.text) == []


def test_no_refusal_and_no_error_page_holds_one(watched: Watched) -> None:
    assert {answer.status_code for answer in watched.refusals} >= {400, 401, 403, 404, 405, 413, 500}
    for answer in watched.refusals:
        assert leaked(watched, answer.text + str(answer.headers)) == [], answer.url
        assert "Traceback" not in answer.text


def test_a_private_key_in_a_configuration_is_refused_in_silence(watched: Watched, tmp_path: Path) -> None:
    key = watched.secret()
    jwk = json.dumps({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": key})
    file = tmp_path / "private.yaml"
    file.write_text(
        f"clients: [{{client_id: x, grant_types: [client_credentials], token_endpoint_auth_method: private_key_jwt,"
        f" jwks: {{keys: [{jwk}]}}}}]"
    )
    with pytest.raises(RuntimeError) as refused:
        watched.server.manage("apply", str(file))
    assert leaked(watched, str(refused.value)) == []


def test_the_key_that_signs_is_nowhere_in_the_clear(watched: Watched) -> None:
    from authz.protocol.jwks import public_jwk

    assert public_jwk(world.agent_key().public_key(), alg="ES256").keys().isdisjoint({"d", "p", "q"})
    published = watched.server.ask("GET", watched.server.url("jwks")).json()["keys"]
    assert all(key.keys().isdisjoint({"d", "p", "q", "dp", "dq", "qi", "k"}) for key in published)
