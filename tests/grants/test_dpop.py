"""Tokens that are bound to a key (RFC 9449 §5, §6, §8, §10), at the token endpoint and at introspection."""

import json
import time
from typing import Any

import pytest
from django.http import HttpResponse
from pytest_django import Settings

from authz.conf import conf
from authz.configuration import apply
from authz.dpop import nonces
from authz.models import AuditEvent, Authorization, Client, ProtectedResource, UsedAssertion
from tests.support.dpop import DpopKey
from tests.support.races import at_once
from tests.support.world import NOTES, SECRET, World, basic_header, claims

NIGHTLY = basic_header("nightly-report", SECRET)
WEB = basic_header("web-app", SECRET)


def body(response: HttpResponse) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(response.content)
    return decoded


def asked(dpop: str | None, **params: Any) -> HttpResponse:
    """A machine's request for a token."""
    headers = {"authorization": NIGHTLY} | ({"dpop": dpop} if dpop is not None else {})
    return World().post("token", {"grant_type": "client_credentials", **params}, **headers)


def refreshed(tokens: dict[str, Any], dpop: str | None, **headers: str) -> HttpResponse:
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    form |= {} if "authorization" in headers else {"client_id": "desktop-app"}
    return World().post("token", form, **headers, **({"dpop": dpop} if dpop is not None else {}))


def signed_in(gatehouse: World, key: DpopKey | None, **changes: Any) -> HttpResponse:
    """The answer to a code that is redeemed with a proof of the key."""
    code = gatehouse.authorize(**changes)["code"]
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER, "client_id": "desktop-app"}
    return gatehouse.post("token", form, **({"dpop": key.proof()} if key else {}))


VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"


def refusal(response: HttpResponse) -> tuple[int, str]:
    return response.status_code, body(response).get("error", "")


def reason() -> str:
    event = AuditEvent.objects.filter(event="token:access:refused").latest("pk")
    return str(event.reason)


def test_a_machines_token_is_bound_to_the_key_that_it_shows(gatehouse: World) -> None:
    """> token_type […] DPoP; cnf […] jkt (RFC 9449 §5, §6.1)"""
    key = DpopKey()
    answer = body(asked(key.proof()))
    assert answer["token_type"] == "DPoP"
    assert claims(answer["access_token"])["cnf"] == {"jkt": key.jkt}
    found = gatehouse.introspect(answer["access_token"])
    assert (found["active"], found["token_type"], found["cnf"]) == (True, "DPoP", {"jkt": key.jkt})
    event = AuditEvent.objects.filter(event="token:access:issued").latest("pk")
    assert event.detail["jkt"] == key.jkt


def test_a_proof_is_used_once(gatehouse: World) -> None:
    proof = DpopKey().proof()
    assert asked(proof).status_code == 200
    assert refusal(asked(proof)) == (400, "invalid_dpop_proof")
    assert reason() == "dpop_proof_replayed"


def test_two_keys_may_have_the_same_jti(gatehouse: World) -> None:
    assert [asked(DpopKey().proof(jti="same")).status_code for _ in range(2)] == [200, 200]


def test_of_many_at_once_with_one_proof_one_gets_a_token(committed_gatehouse: World) -> None:
    proof = DpopKey().proof()
    answers = at_once([lambda: asked(proof) for _ in range(6)])
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 5
    assert AuditEvent.objects.filter(event="token:access:issued").count() == 1


def test_a_refused_request_leaves_nothing_behind(gatehouse: World) -> None:
    """Attack: a stranger fills the table of used proofs."""
    before = UsedAssertion.objects.count()
    proof = DpopKey().proof()
    assert asked(proof, scope="nonsense").status_code == 400
    assert World().post("token", {"grant_type": "refresh_token", "client_id": "desktop-app"}, dpop=proof) is not None
    assert UsedAssertion.objects.count() == before
    assert asked(proof).status_code == 200


def test_a_proof_that_is_wrong_is_not_left_out(gatehouse: World) -> None:
    """Attack: a stripped or spoilt proof turns a bound token into a bearer's."""
    assert refusal(asked("")) == (400, "invalid_dpop_proof")
    assert refusal(asked(DpopKey().proof(f"{conf.origin}/o/par"))) == (400, "invalid_dpop_proof")


class TestDemands:
    def test_of_the_client(self, gatehouse: World) -> None:
        """> the authorization server MUST reject token requests from the client that do not contain the DPoP header"""
        Client.objects.filter(client_id="nightly-report").update(dpop_bound_access_tokens=True)
        assert refusal(asked(None)) == (400, "invalid_dpop_proof")
        assert asked(DpopKey().proof()).status_code == 200

    def test_of_the_resource(self, gatehouse: World) -> None:
        before = body(asked(None))["access_token"]
        assert gatehouse.introspect(before)["active"]
        ProtectedResource.objects.filter(identifier=NOTES).update(dpop_bound_access_tokens_required=True)
        assert refusal(asked(None)) == (400, "invalid_dpop_proof")
        bound = body(asked(DpopKey().proof()))["access_token"]
        # A token from before the demand is none there any more.
        assert [gatehouse.introspect(token)["active"] for token in (before, bound)] == [False, True]

    def test_of_a_rule(self, gatehouse: World) -> None:
        before = body(asked(None))["access_token"]
        apply(RULE)
        assert refusal(asked(None)) == (400, "invalid_dpop_proof")
        assert reason() == "dpop_proof_missing"
        bound = body(asked(DpopKey().proof()))["access_token"]
        assert [gatehouse.introspect(token)["active"] for token in (before, bound)] == [False, True]


RULE = f"""
rules:
  - name: Reports show a key
    effect: allow
    clients: [nightly-report]
    grant_types: [client_credentials]
    resources: ["{NOTES}"]
    scopes: ["mcp:read"]
    proof_of_possession: true
"""


class TestCodes:
    def test_a_code_is_redeemed_with_the_key_that_the_request_named(self, gatehouse: World) -> None:
        key = DpopKey()
        assert body(signed_in(gatehouse, key, dpop_jkt=key.jkt))["token_type"] == "DPoP"

    @pytest.mark.parametrize("key", [None, DpopKey()], ids=["no key", "another key"])
    def test_a_thief_of_the_code_has_not_the_key(self, gatehouse: World, key: DpopKey | None) -> None:
        """> If they do not match, it MUST reject the request. (RFC 9449 §10)"""
        assert refusal(signed_in(gatehouse, key, dpop_jkt=DpopKey().jkt)) == (400, "invalid_grant")
        assert reason() == "dpop_key_of_grant"

    @pytest.mark.parametrize("jkt", ["short", "a" * 44, "ä" * 43, "+" * 43])
    def test_a_dpop_jkt_that_is_no_thumbprint(self, gatehouse: World, jkt: str) -> None:
        assert gatehouse.authorize(dpop_jkt=jkt)["error"] == "invalid_request"


class TestRefresh:
    def test_the_family_of_a_public_client_keeps_its_key(self, gatehouse: World) -> None:
        """> the refresh token MUST be bound to the respective public key (RFC 9449 §5)"""
        key = DpopKey()
        tokens = body(signed_in(gatehouse, key))
        tokens = body(refreshed(tokens, key.proof()))
        assert claims(tokens["access_token"])["cnf"] == {"jkt": key.jkt}
        assert Authorization.objects.get().dpop_jkt == key.jkt

    @pytest.mark.parametrize("key", [None, DpopKey()], ids=["downgrade", "another key"])
    def test_a_thief_of_the_refresh_token_gets_and_ends_nothing(self, gatehouse: World, key: DpopKey | None) -> None:
        owner = DpopKey()
        stolen = body(signed_in(gatehouse, owner))
        refused = refreshed(stolen, key.proof() if key else None)
        assert refusal(refused) == (400, "invalid_grant" if key else "invalid_dpop_proof")
        newer = body(refreshed(stolen, owner.proof()))
        # Nor does an old one that was stolen: without the key it is no replay.
        assert refreshed(stolen, key.proof() if key else None).status_code == 400
        assert refreshed(newer, owner.proof()).status_code == 200

    def test_a_family_without_a_key_is_bound_by_the_first_proof(self, gatehouse: World) -> None:
        key, tokens = DpopKey(), body(signed_in(gatehouse, None))
        tokens = body(refreshed(tokens, key.proof()))
        assert refusal(refreshed(tokens, None)) == (400, "invalid_dpop_proof")
        assert refreshed(tokens, key.proof()).status_code == 200

    def test_a_client_that_authenticates_may_change_its_key_and_not_leave_it_out(self, gatehouse: World) -> None:
        first, second = DpopKey(), DpopKey()
        code = gatehouse.authorize(client_id="web-app")["code"]
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
        tokens = body(gatehouse.post("token", form, authorization=WEB, dpop=first.proof()))
        tokens = body(refreshed(tokens, second.proof(), authorization=WEB))
        assert claims(tokens["access_token"])["cnf"] == {"jkt": second.jkt}
        assert refusal(refreshed(tokens, None, authorization=WEB)) == (400, "invalid_dpop_proof")

    def test_the_same_refresh_with_the_same_proof_is_a_replay(self, gatehouse: World) -> None:
        key = DpopKey()
        tokens, proof = body(signed_in(gatehouse, key)), key.proof()
        assert refreshed(tokens, proof).status_code == 200
        assert refusal(refreshed(tokens, proof)) == (400, "invalid_dpop_proof")
        # Its client lost the answer, and asks again in the right way.
        assert refreshed(tokens, key.proof()).status_code == 200

    def test_of_two_keys_at_once_one_binds_the_family(self, committed_gatehouse: World) -> None:
        tokens = body(signed_in(committed_gatehouse, None))
        keys = [DpopKey() for _ in range(4)]
        answers = at_once([lambda key=key: refreshed(tokens, key.proof()) for key in keys])
        assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
        (winner,) = [key for key, answer in zip(keys, answers, strict=True) if answer.status_code == 200]
        assert Authorization.objects.get().dpop_jkt == winner.jkt


class TestNonces:
    @pytest.fixture(autouse=True)
    def demanded(self, settings: Settings) -> None:
        settings.GATEHOUSE = settings.GATEHOUSE | {"DPOP_NONCES": True}

    def test_a_client_is_given_one_and_comes_again(self, gatehouse: World) -> None:
        """> "use_dpop_nonce" […] and includes a DPoP-Nonce HTTP header in the response (RFC 9449 §8)"""
        key = DpopKey()
        first = asked(key.proof())
        assert refusal(first) == (400, "use_dpop_nonce")
        second = asked(key.proof(nonce=first["DPoP-Nonce"]))
        assert (second.status_code, "DPoP-Nonce" in second) == (200, False)

    def test_an_old_one_is_good_for_a_while_and_a_new_one_comes_with_the_answer(self, gatehouse: World) -> None:
        now = time.time()
        older, old = nonces.newest(now - nonces.PERIOD), nonces.newest(now - 10 * nonces.PERIOD)
        answer = asked(DpopKey().proof(nonce=older))
        assert (answer.status_code, answer["DPoP-Nonce"]) == (200, nonces.newest(time.time()))
        for nonce in (old, "", "invented", "é"):
            assert refusal(asked(DpopKey().proof(nonce=nonce))) == (400, "use_dpop_nonce")

    def test_while_the_secret_key_is_changed_those_of_both_are_good(self, gatehouse: World, settings: Settings) -> None:
        before = nonces.newest(time.time())
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "another-secret-key-0123456789-0123456789-01234"
        assert nonces.newest(time.time()) != before
        nonces.require(nonces.Proof("j", "i", time.time(), before), time.time())

    def test_a_request_without_a_proof_needs_none(self, gatehouse: World) -> None:
        assert body(asked(None))["token_type"] == "Bearer"


def test_pages_of_other_origins_can_read_what_they_need(gatehouse: World) -> None:
    answer = asked(DpopKey().proof())
    assert {"DPoP-Nonce", "WWW-Authenticate"} <= set(answer["Access-Control-Expose-Headers"].split(", "))
    preflight = gatehouse.browser.options("/o/token")
    assert "dpop" in preflight["Access-Control-Allow-Headers"].split(", ")


def test_the_metadata_names_the_algorithms(gatehouse: World) -> None:
    found = gatehouse.browser.get("/.well-known/oauth-authorization-server/o").json()
    assert {"ES256", "PS256", "EdDSA"} <= set(found["dpop_signing_alg_values_supported"])
    assert not [alg for alg in found["dpop_signing_alg_values_supported"] if alg == "none" or alg.startswith("HS")]
