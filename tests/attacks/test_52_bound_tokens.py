"""Attack 52: access tokens that are bound to a key, at each door of this server, with all that a thief may have.

The doors are /userinfo, the management API, the MCP server, SCIM, signals and the check of a gateway. Each refusal is
401 with a challenge of the scheme DPoP, and in the audit.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client as Browser
from pytest_django import Settings

from authz.conf import conf
from authz.configuration import apply
from authz.configuration.api_resource import identifier as api_identifier
from authz.configuration.mcp_resource import identifier as mcp_identifier
from authz.dpop import nonces
from authz.models import AuditEvent, ProtectedResource
from tests.api.conftest import registered_api
from tests.decision_point.conftest import SERVER, call, configure
from tests.mcp.conftest import Agent
from tests.mcp.conftest import configure as configure_mcp
from tests.support import rows
from tests.support.dpop import DpopKey
from tests.support.processes import RunningGatehouse
from tests.support.races import at_once
from tests.support.world import NOTES, REDIRECT, SECRET, VERIFIER, World, basic_header

OWNER, THIEF = DpopKey(), DpopKey()
SCIM = f"{conf.issuer}/scim/v2"
Send = Callable[[Mapping[str, str]], Any]


@dataclass(frozen=True)
class Door:
    """A place that takes tokens: `send` makes a request with these headers."""

    address: str
    token: str
    send: Send
    method: str = "POST"

    def comes(self, key: DpopKey = OWNER, **changes: Any) -> Any:
        return self.send(key.headers(self.address, self.token, **({"method": self.method} | changes)))


def machine(world: World, client: str, **params: Any) -> str:
    form = {"grant_type": "client_credentials", **params}
    answer = world.post("token", form, authorization=basic_header(client, SECRET), dpop=OWNER.proof())
    return str(json.loads(answer.content)["access_token"])


def person(world: World, client_id: str, **changes: Any) -> str:
    code = world.authorize(client_id=client_id, **changes)["code"]
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER, "client_id": client_id}
    answer = world.post("token", form | {"redirect_uri": REDIRECT}, dpop=OWNER.proof())
    return str(json.loads(answer.content)["access_token"])


def userinfo(world: World) -> Door:
    token = person(world, "desktop-app", scope="openid", resource=None)
    return Door(conf.endpoint("userinfo"), token, lambda headers: world.post("userinfo", "", **headers))


def api(world: World) -> Door:
    registered_api()
    token = machine(world, "pipeline", resource=api_identifier(), scope="gatehouse:read")
    send = lambda headers: Browser().get("/api/v1/agents", headers=headers)  # noqa: E731
    return Door(f"{conf.origin}/api/v1/agents", token, send, "GET")


def mcp(world: World) -> Door:
    configure_mcp()
    token = machine(world, "robot", resource=mcp_identifier())

    def send(headers: Mapping[str, str]) -> Any:
        given = {"Authorization": headers.get("authorization"), "DPoP": headers.get("dpop")}
        return Agent("").send("tools/list", **given)

    return Door(conf.endpoint("mcp"), token, send)


def scim(world: World) -> Door:
    apply(f"""
clients:
  - {{client_id: provisioner, status: approved, grant_types: [client_credentials], client_secret: {SECRET}}}
resources: [{{identifier: "{SCIM}", name: SCIM, scopes: [{{name: "scim:read"}}]}}]
rules:
  - name: The provisioner provisions
    effect: allow
    clients: [provisioner]
    grant_types: [client_credentials]
    resources: ["{SCIM}"]
    scopes: ["*"]
directories: [{{name: Okta, client_id: provisioner}}]
""")
    token = machine(world, "provisioner", resource=SCIM)
    send = lambda headers: Browser().get("/o/scim/v2/Users?count=1", headers=headers)  # noqa: E731
    return Door(f"{SCIM}/Users", token, send, "GET")


def signals(world: World) -> Door:
    where = conf.endpoint("ssf")
    apply(f"""
resources: [{{identifier: "{where}", name: Signals, scopes: [{{name: ssf.read}}]}}]
signal_receivers: [{{name: Notes, client_id: nightly-report, resources: ["{NOTES}"]}}]
rules:
  - name: Receivers of signals
    effect: allow
    clients: [nightly-report]
    grant_types: [client_credentials]
    resources: ["{where}"]
    scopes: ["*"]
""")
    token = machine(world, "nightly-report", resource=where)
    send = lambda headers: Browser().get("/o/ssf/streams", headers=headers)  # noqa: E731
    return Door(f"{where}/streams", token, send, "GET")


def gateway(world: World) -> Door:
    configure()
    token = machine(world, "nightly-report", resource=NOTES)
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    own = {"Gatehouse-Authorization": basic_header(*SERVER), "Gatehouse-Resource": NOTES}

    def send(headers: Mapping[str, str]) -> Any:
        path = "/o/access/v1/ext_authz/mcp"
        return Browser().post(path, body, content_type="application/json", headers={**own, **headers})

    return Door(NOTES, token, send)


DOORS = (userinfo, api, mcp, scim, signals, gateway)


@pytest.fixture(params=DOORS, ids=lambda made: made.__name__)
def door(request: pytest.FixtureRequest, gatehouse: World, settings: Settings) -> Iterator[Door]:
    settings.GATEHOUSE = django_settings.GATEHOUSE | {"MCP": True}
    made: Callable[[World], Door] = request.param
    found: list[Door] = []
    rows.make(lambda: found.append(made(gatehouse)))
    yield found[0]


# `age`: of the proof, in seconds.
REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("another key", {"key": THIEF}, "invalid_token", "dpop_key_of_token"),
    ("another method", {"method": "PUT"}, "invalid_dpop_proof", "dpop_proof_method"),
    ("another address", {"htu": "https://evil.example/mcp"}, "invalid_dpop_proof", "dpop_proof_address"),
    ("too old", {"age": 400}, "invalid_dpop_proof", "dpop_proof_time"),
    ("of the future", {"age": -400}, "invalid_dpop_proof", "dpop_proof_time"),
    ("no ath", {"ath": None}, "invalid_dpop_proof", "dpop_proof_token"),
    ("ath of another token", {"ath": "A" * 43}, "invalid_dpop_proof", "dpop_proof_token"),
    ("another typ", {"header": {"typ": "JWT"}}, "invalid_dpop_proof", "dpop_proof_typ"),
]


def is_refused(answer: Any, code: str, reason: str) -> None:
    assert answer.status_code == 401, answer.content
    assert answer["WWW-Authenticate"].startswith("DPoP ")
    assert f'error="{code}"' in answer["WWW-Authenticate"] and 'algs="' in answer["WWW-Authenticate"]
    assert AuditEvent.objects.latest("pk").reason == reason


def test_its_owner_comes_in_and_no_one_else_does(door: Door) -> None:
    assert door.comes().status_code == 200
    proof = OWNER.proof(door.address, method=door.method, token=door.token)
    given = {"authorization": f"DPoP {door.token}", "dpop": proof}
    for name, changes, code, reason in REFUSED:
        changed = {"key": OWNER, "iat": int(time.time()) - changes.get("age", 0), **changes}
        changed.pop("age", None)
        is_refused(door.comes(changed.pop("key"), **changed), code, reason)
        assert name
    # > MUST reject a DPoP-bound access token received as a bearer token (RFC 9449 §7.2)
    is_refused(door.send({**given, "authorization": f"Bearer {door.token}"}), "invalid_token", "dpop_token_as_bearer")
    is_refused(door.send({"authorization": f"DPoP {door.token}"}), "invalid_dpop_proof", "dpop_proof_missing")
    is_refused(door.send({**given, "dpop": f"{proof},{proof}"}), "invalid_dpop_proof", "dpop_proof_several")
    # None of those has used the proof up; then it is good once.
    assert door.send(given).status_code == 200
    is_refused(door.send(given), "invalid_dpop_proof", "dpop_proof_replayed")


def test_it_gives_nonces_where_they_are_demanded(
    door: Door, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"DPOP_NONCES": True}
    first = door.comes()
    if door.address == NOTES:
        # The nonces of an MCP server behind a gateway are that server's own.
        assert first.status_code == 200
        return
    is_refused(first, "use_dpop_nonce", "dpop_nonce")
    answer = door.comes(nonce=first["DPoP-Nonce"])
    assert answer.status_code == 200 and "DPoP-Nonce" not in answer
    # > The authorization server can supply the new nonce in the same way that the initial one was supplied (§8.2)
    monkeypatch.setattr(nonces, "newest", lambda now: "of the next minute")
    answer = door.comes(nonce=first["DPoP-Nonce"])
    assert (answer.status_code, answer["DPoP-Nonce"]) == (200, "of the next minute")
    # Nothing that a stranger sends is told the next one.
    assert "DPoP-Nonce" not in door.send({"dpop": OWNER.proof(door.address, method=door.method)})


def test_one_proof_at_two_processes_at_once(server: RunningGatehouse) -> None:
    """> servers can store […] the jti value of each DPoP proof (RFC 9449 §11.1): one memory for all processes."""
    proof = OWNER.proof(server.url("token"))
    form, basic = {"grant_type": "client_credentials", "resource": NOTES}, ("nightly-report", SECRET)

    def ask() -> int:
        headers = {"DPoP": proof}
        return server.ask("POST", server.url("token"), data=form, auth=basic, headers=headers).status_code

    assert sorted(at_once([ask] * 8)) == [200] + [400] * 7
    assert ask() == 400


def test_a_bearers_token_with_the_scheme_dpop_is_bound_to_no_key(gatehouse: World) -> None:
    registered_api()
    form = {"grant_type": "client_credentials", "resource": api_identifier(), "scope": "gatehouse:read"}
    answer = gatehouse.post("token", form, authorization=basic_header("pipeline", SECRET))
    token = json.loads(answer.content)["access_token"]
    headers = OWNER.headers(f"{conf.origin}/api/v1/agents", token, method="GET")
    is_refused(gatehouse.browser.get("/api/v1/agents", headers=headers), "invalid_token", "dpop_key_of_token")


class TestDecisions:
    """A server or gateway that asks about calls by AuthZEN has checked the proof, and says whose it was."""

    @pytest.fixture
    def token(self, gatehouse: World) -> str:
        return gateway(gatehouse).token

    @pytest.mark.parametrize(
        ("context", "decision"),
        [
            ({"dpop": {"jkt": OWNER.jkt}}, True),
            ({"dpop": {"jkt": THIEF.jkt}}, False),
            ({"dpop": {}}, False),
            ({"dpop": OWNER.jkt}, False),
            ({}, False),
        ],
        ids=["its key", "another key", "no key", "not an object", "a server that does not check proofs"],
    )
    def test_it_is_live_with_its_key(
        self, gatehouse: World, token: str, context: dict[str, Any], decision: bool
    ) -> None:
        body = {**call(token, "search", {}), "context": context}
        given = {"authorization": basic_header(*SERVER)}
        answer = gatehouse.browser.post("/o/access/v1/evaluation", body, content_type="application/json", headers=given)
        assert answer.json()["decision"] is decision
        assert decision or answer.json()["context"]["reason"] == "token_not_live"

    def test_a_rule_about_calls_may_demand_a_key(self, gatehouse: World, token: str) -> None:
        apply(f"""
rules:
  - name: Deleting needs a key
    effect: allow
    clients: [nightly-report]
    grant_types: [client_credentials]
    resources: ["{NOTES}"]
    scopes: ["mcp:read"]
    tools: [delete_*]
    proof_of_possession: true
""")
        bearers = gatehouse.machine_token()["access_token"]
        given = {"authorization": basic_header(*SERVER)}
        for jwt, key, reason in ((token, OWNER.jkt, None), (bearers, "", "call_without_key")):
            body = {**call(jwt, "delete_all", {}), "context": {"dpop": {"jkt": key}}}
            found = gatehouse.browser.post(
                "/o/access/v1/evaluation", body, content_type="application/json", headers=given
            ).json()
            assert (found["decision"], found["context"].get("reason")) == (reason is None, reason)


def test_a_resource_that_demands_keys_says_so(gatehouse: World) -> None:
    registered_api()
    where = "/.well-known/oauth-protected-resource/api"
    assert gatehouse.browser.get(where).json()["dpop_bound_access_tokens_required"] is False
    ProtectedResource.objects.filter(identifier=api_identifier()).update(dpop_bound_access_tokens_required=True)
    found = gatehouse.browser.get(where).json()
    assert found["dpop_bound_access_tokens_required"] is True
    assert "ES256" in found["dpop_signing_alg_values_supported"]
    challenge = Browser().get("/api/v1/me")["WWW-Authenticate"]
    assert challenge.startswith("DPoP resource_metadata=") and "algs=" in challenge
