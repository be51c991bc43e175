"""Step-up and approvals are of the chain's person; a workload proves who it is; another domain hears of the chain."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from authz import keys
from authz.approvals import voting
from authz.models import AccessRequest, AuditEvent, Authorization, Client
from authz.protocol import jwts
from tests.delegation.chain import (
    ACCESS_TOKEN,
    ARCHIVE,
    JWT,
    SEARCH,
    TO_ARCHIVE,
    TO_SEARCH,
    Chains,
    configure,
    got,
    rule,
)
from tests.support import world
from tests.support.world import claims, person
from tests.xaa.company import CHAT, CHAT_MCP, JWT_BEARER, TOKEN_EXCHANGE, refused
from xaa import id_jag
from xaa.models import TrustedIssuer

FIRST = "Ask a human first"


def asks_first(**changes: Any) -> None:
    configure(rules=[rule(FIRST, "*", SEARCH, None, effect="require_approval") | changes])


def approve(row: AccessRequest) -> None:
    now = datetime.now(UTC)
    voting.approve(row, by=person("alice"), scopes=row.scopes, expires=now + timedelta(hours=1), comment="", now=now)


def test_an_exchange_waits_for_an_approval_of_its_person_and_its_path(chains: Chains) -> None:
    asks_first()
    first = chains.first()
    assert refused(chains.pass_on(first)) == (400, "authorization_pending")
    row = AccessRequest.objects.get()
    assert (row.user, row.client.client_id, row.resource) == (person("bob"), "notes-server", SEARCH)
    assert row.context["path"] == ["desktop-app"]
    approve(row)
    second = chains.second(first)
    assert chains.is_live(second, "search-server")
    # Attack: what was approved for one path is no answer for another one.
    configure(rules=[TO_SEARCH | {"through": ["*"]}])
    Client.objects.filter(client_id="web-app").update(status="approved")
    other = chains.signed_in_tokens  # another assistant of the same person
    code = chains.authorize(client_id="web-app")["code"]
    response = chains.token(
        basic=("web-app", world.SECRET),
        grant_type="authorization_code",
        code=code,
        redirect_uri=world.REDIRECT,
        code_verifier=world.VERIFIER,
    )
    assert refused(chains.pass_on(got(response))) == (400, "authorization_pending")
    assert AccessRequest.objects.count() == 2
    assert other
    # The approval's end is the hop's.
    AccessRequest.objects.update(expires=datetime.now(UTC) - timedelta(seconds=1))
    assert not chains.is_live(second, "search-server")


def test_a_server_may_wait_with_a_deferral_code(chains: Chains) -> None:
    asks_first()
    first = chains.first()
    waits = chains.pass_on(first, completion_mode="deferred")
    code = json.loads(waits.content)["deferral_code"]
    approve(AccessRequest.objects.get())
    basic = ("notes-server", world.SERVER_SECRET)
    deferred = "urn:ietf:params:oauth:grant-type:deferred"
    assert claims(got(chains.token(basic=basic, grant_type=deferred, deferral_code=code)))["aud"] == SEARCH
    assert refused(chains.token(basic=basic, grant_type=deferred, deferral_code=code))[0] == 400


def test_a_step_up_is_asked_of_the_person_at_the_root(chains: Chains) -> None:
    configure(rules=[TO_SEARCH | {"conditions": {"acr": ["gold"]}}])
    response = chains.pass_on(chains.first())
    assert refused(response) == (400, "insufficient_user_authentication")
    assert json.loads(response.content)["acr_values"] == "gold"


def test_a_sign_in_that_is_too_old_for_an_earlier_hop_goes_no_further(
    chains: Chains, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(rules=[TO_SEARCH | {"conditions": {"max_auth_age": 300}}])
    second = chains.second()
    later = time.time() + 400
    monkeypatch.setattr("authz.endpoints.token.now", lambda: later)
    response = chains.pass_on(second, "search-server", ARCHIVE)
    assert refused(response) == (400, "insufficient_user_authentication")
    assert json.loads(response.content)["max_age"] == 300


def test_lifetimes_never_grow(chains: Chains, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(rules=[TO_SEARCH | {"max_lifetime": 100}, TO_ARCHIVE])
    first = chains.first()
    second = chains.second(first)
    assert claims(second)["exp"] - claims(second)["iat"] == 100
    later = time.time() + 60
    monkeypatch.setattr("authz.endpoints.token.now", lambda: later)
    third = claims(chains.third(second))
    assert third["exp"] <= claims(second)["exp"]
    assert third["exp"] - third["iat"] <= 41


# --- Workloads ----------------------------------------------------------------------------------------------------


@pytest.fixture
def workload(chains: Chains) -> Chains:
    """Search is a workload without a secret (`wif-workload`), bound to its platform's assertions."""
    Client.objects.filter(client_id="wif-workload").update(grant_types=[JWT_BEARER, TOKEN_EXCHANGE])
    configure(rules=[rule("The workload asks Archive", "kind:workload", ARCHIVE, ["desktop-app", "notes-server"])])
    return chains


def as_workload(chains: Chains, assertion: str, token: str | None = None, **changes: Any) -> Any:
    more = {"basic": None, "actor_token": assertion, "actor_token_type": JWT}
    return chains.pass_on(token or chains.second(), to=ARCHIVE, **(more | changes))


def test_a_workload_exchanges_by_its_platforms_assertion(workload: Chains) -> None:
    token = got(as_workload(workload, workload.idp.workload()))
    assert claims(token)["client_id"] == "wif-workload"
    assert claims(token)["act"]["sub"] == "wif-workload"
    assert workload.is_live(token, "archive-server")
    # Trust that goes takes the hop along.
    issuer = TrustedIssuer.objects.get()
    issuer.workloads.all()[0].delete()
    assert not workload.is_live(token, "archive-server")
    assert Authorization.objects.get(pk=claims(token)["authorization"]).revoked_reason == "workload_withdrawn"


def test_an_actor_token_serves_once(workload: Chains) -> None:
    assertion, second = workload.idp.workload(), workload.second()
    assert as_workload(workload, assertion, second).status_code == 200
    assert refused(as_workload(workload, assertion, second)) == (400, "invalid_grant")
    assert AuditEvent.objects.latest("id").reason == "workload_assertion_used"
    # A refused exchange does not use it up (attack 15).
    fresh = workload.idp.workload()
    assert as_workload(workload, fresh, second, scope="archive:purge").status_code == 400
    assert as_workload(workload, fresh, second).status_code == 200


def test_an_actor_token_is_no_word_for_another_audience_or_kind(workload: Chains) -> None:
    second = workload.second()
    for wrong in (
        workload.idp.workload(aud="https://elsewhere.example"),
        workload.idp.workload(exp=int(time.time()) - 100),
        workload.idp.id_jag(),
        "no token",
    ):
        assert refused(as_workload(workload, wrong, second))[0] in {400, 401}
    assert not Authorization.objects.filter(client__client_id="wif-workload").exists()


# --- Across domains -----------------------------------------------------------------------------------------------


def test_a_chain_goes_on_in_another_domain(chains: Chains) -> None:
    first = chains.first()
    response = json.loads(chains.chat(first).content)
    assert response["issued_token_type"] == id_jag.TOKEN_TYPE
    granted = jwts.verify(response["access_token"], keys.verification_keys(time.time()), typ={id_jag.TYP}).claims
    assert granted["aud"] == CHAT
    assert granted["sub"] == str(person("bob").subject)
    assert granted["client_id"] == "notes-at-chat"
    assert granted["resource"] == CHAT_MCP
    assert granted["scope"] == "chat.read"
    assert [granted["act"]["sub"], granted["act"]["act"]["sub"]] == ["notes-server", "desktop-app"]
    assert granted["exp"] <= claims(first)["exp"]
    event = AuditEvent.objects.get(event="token:id_jag:issued")
    assert event.authorization == claims(first)["authorization"]
    assert event.detail["lineage"]["through"] == ["desktop-app"]


def test_an_id_jag_needs_a_rule_and_a_mapping_of_its_own(chains: Chains) -> None:
    first = chains.first()
    assert refused(chains.chat(first, scope="chat.history")) == (400, "invalid_scope")
    assert refused(chains.chat(first, audience="https://elsewhere.example")) == (400, "invalid_target")
    configure(rules=[rule("Notes asks Chat", "notes-server", CHAT_MCP, None)])
    # The company's own rule for tokens of a sign-in does not speak of what is passed on.
    assert refused(chains.chat(first)) == (400, "invalid_target")


def test_actors_of_another_domain_stay_named(chains: Chains) -> None:
    Client.objects.filter(client_id="agent").update(status="approved")
    configure(rules=[TO_SEARCH | {"through": ["agent"]}])
    chains.idp_link("bob")
    redeemed = chains.redeem_assertion(chains.idp.id_jag(act={"sub": "their-agent"}))
    first = got(redeemed)
    second = claims(got(chains.pass_on(first)))
    assert second["act"]["sub"] == "notes-server"
    assert second["act"]["act"]["sub"] == "agent"
    assert second["act"]["act"]["act"] == {"sub": "their-agent"}
    assert ACCESS_TOKEN
