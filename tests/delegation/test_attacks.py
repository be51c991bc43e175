"""Attack 53: what a token must not be exchanged for. Each refusal is recorded with its reason."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from authz import keys
from authz.authorizations import cut_off
from authz.conf import conf
from authz.models import AuditEvent, Authorization
from tests.delegation.chain import (
    ARCHIVE,
    JWT,
    NOTES,
    SEARCH,
    TO_SEARCH,
    Chains,
    configure,
    rule,
)
from tests.support import world
from tests.support.world import claims
from tests.xaa.company import CHAT

Ask = Callable[[Chains], Any]


def forged(token: str, typ: str = "at+jwt", **changes: Any) -> str:
    """Signed by this server's own key: what no attacker has, so that the checks behind the signature are seen."""
    made = claims(token) | changes
    given = {name: value for name, value in made.items() if value is not None}
    return keys.sign(given, typ=typ, alg="RS256", now=time.time())


def tampered(token: str) -> str:
    head, body, signature = token.split(".")
    return f"{head}.{body}.{'A' * len(signature)}"


def with_act(chains: Chains, act: Any) -> Any:
    """Search presents its token with another `act` than it was issued with."""
    return chains.pass_on(forged(chains.second(), act=act), "search-server", ARCHIVE)


def person_dropped(chains: Chains) -> Any:
    second = chains.second()
    return chains.pass_on(forged(second, sub="notes-server"), "search-server", ARCHIVE)


def after_cut_off(chains: Chains) -> Any:
    token = chains.first()
    target = cut_off.target("authorization", claims(token)["authorization"])
    from datetime import UTC, datetime

    cut_off.cut_off(
        target,
        kind="authorization",
        identifier=claims(token)["authorization"],
        reason="",
        by="alice",
        now=datetime.now(UTC),
    )
    return chains.pass_on(token)


def of_other_document(chains: Chains) -> Any:
    return chains.pass_on(chains.login()["id_token"])


ISSUER = {"iss": "http://127.0.0.1:8000/o"}
NOT_EXCHANGED, NOT_FOR_THIS = "invalid_request", "invalid_target"

# attack · how · the error on the wire · the reason in the audit
ATTACKS: list[tuple[str, Ask, str, str]] = [
    (
        "a server presents another server's token",
        lambda chains: chains.pass_on(chains.first(), "search-server", ARCHIVE),
        NOT_EXCHANGED,
        "exchange_not_audience",
    ),
    (
        "the agent itself exchanges its token",
        lambda chains: chains.pass_on(chains.first(), basic=("web-app", world.SECRET)),
        "unauthorized_client",
        "grant_type_not_registered",
    ),
    (
        "a public client knows the id",
        lambda chains: chains.pass_on(chains.second(), basic=None, client_id="public-agent", to=ARCHIVE),
        "unauthorized_client",
        "client_is_public",
    ),
    (
        "a token with a broken signature",
        lambda chains: chains.pass_on(tampered(chains.first())),
        NOT_EXCHANGED,
        "exchange_token",
    ),
    ("an ID token as an access token", of_other_document, NOT_EXCHANGED, "exchange_token"),
    (
        "an expired token",
        lambda chains: chains.pass_on(forged(chains.first(), exp=int(time.time()) - 1)),
        NOT_EXCHANGED,
        "exchange_token",
    ),
    ("after the cut-off", after_cut_off, NOT_EXCHANGED, "exchange_ended"),
    (
        "an act that names another server",
        lambda chains: with_act(chains, {"iss": conf.issuer, "sub": "archive-server"}),
        NOT_EXCHANGED,
        "exchange_act",
    ),
    (
        "an act that is trimmed",
        lambda chains: with_act(chains, {"iss": conf.issuer, "sub": "notes-server"}),
        NOT_EXCHANGED,
        "exchange_act",
    ),
    ("an act that is left out", lambda chains: with_act(chains, None), NOT_EXCHANGED, "exchange_act"),
    ("an act that is no object", lambda chains: with_act(chains, "notes-server"), NOT_EXCHANGED, "exchange_act"),
    (
        "back to where it came from",
        lambda chains: chains.pass_on(chains.second(), "search-server", world.NOTES),
        NOT_FOR_THIS,
        "exchange_circle",
    ),
    (
        "to itself",
        lambda chains: chains.pass_on(chains.first(), to=world.NOTES),
        NOT_FOR_THIS,
        "exchange_circle",
    ),
    ("past a server", lambda chains: chains.pass_on(chains.first(), to=ARCHIVE), NOT_FOR_THIS, "exchange_not_mapped"),
    (
        "more than the token has",
        lambda chains: chains.pass_on(chains.first(), scope="search:index"),
        "invalid_scope",
        "scope_not_granted",
    ),
    (
        "a scope that no mapping names",
        lambda chains: chains.pass_on(chains.first("mcp:read mcp:write"), scope="search:purge"),
        "invalid_scope",
        "scope_not_granted",
    ),
    (
        "a resource that is not known",
        lambda chains: chains.pass_on(chains.first(), to="https://evil.example.com/mcp"),
        NOT_FOR_THIS,
        "resource_unknown",
    ),
    ("no resource", lambda chains: chains.pass_on(chains.first(), to=None), NOT_FOR_THIS, "exchange_target"),
    (
        "two resources",
        lambda chains: chains.pass_on(chains.first(), audience=ARCHIVE),
        NOT_FOR_THIS,
        "exchange_target",
    ),
    (
        "an actor token of another kind",
        lambda chains: chains.pass_on(chains.first(), actor_token="x", actor_token_type="urn:x:y"),
        "invalid_request",
        "actor_token_type",
    ),
    (
        "a kind of actor token without one",
        lambda chains: chains.pass_on(chains.first(), actor_token_type=JWT),
        "invalid_request",
        "actor_token_type",
    ),
    (
        "the assertion of another client's workload",
        lambda chains: chains.pass_on(chains.first(), actor_token=chains.idp.workload(), actor_token_type=JWT),
        "unauthorized_client",
        "client_is_not_a_workload",
    ),
    (
        "a SAML assertion is wanted",
        lambda chains: chains.pass_on(chains.first(), requested_token_type="urn:ietf:params:oauth:token-type:saml2"),
        "invalid_request",
        "requested_token_type",
    ),
    (
        "an ID-JAG for all that is behind another server",
        lambda chains: chains.chat(chains.machine_token(resource=world.NOTES)["access_token"]),
        "invalid_request",
        "exchange_without_person",
    ),
]


@pytest.mark.parametrize(("attack", "ask", "error", "reason"), ATTACKS, ids=[row[0] for row in ATTACKS])
def test_it_is_refused_and_recorded(chains: Chains, attack: str, ask: Ask, error: str, reason: str) -> None:
    response = ask(chains)
    assert response.status_code in {400, 401}, (attack, response.content)
    assert json.loads(response.content)["error"] == error
    event = AuditEvent.objects.latest("id")
    assert (event.event, event.reason) == ("token:access:refused", reason)
    assert not Authorization.objects.filter(client__client_id="search-server").exists()


def test_a_subject_that_is_not_the_authorizations_makes_no_one_else(chains: Chains) -> None:
    third = person_dropped(chains)
    # Who acts for the chain is read from its authorizations, whatever a token says of itself.
    assert claims(json.loads(third.content)["access_token"])["sub"] == str(world.person("bob").subject)


def test_a_rule_that_does_not_speak_of_delegation_allows_none(chains: Chains) -> None:
    broad = rule("Everyone everywhere", "*", "*", None, grant_types=["*"])
    configure(rules=[TO_SEARCH | {"enabled": False}, broad])
    response = chains.pass_on(chains.first())
    assert (response.status_code, json.loads(response.content)["error"]) == (400, NOT_FOR_THIS)
    assert AuditEvent.objects.latest("id").reason == "exchange_denied"


def test_every_agent_of_the_path_is_named_or_nothing_is_allowed(chains: Chains) -> None:
    configure(rules=[rule("Search asks Archive", "search-server", ARCHIVE, ["notes-server"])])
    response = chains.pass_on(chains.second(), "search-server", ARCHIVE)
    assert json.loads(response.content)["error"] == NOT_FOR_THIS


def test_a_denial_of_one_agent_of_the_path_stops_it(chains: Chains) -> None:
    second = chains.second()
    configure(rules=[rule("Never through the desktop app", "*", ARCHIVE, ["desktop-app"], effect="deny")])
    response = chains.pass_on(second, "search-server", ARCHIVE)
    assert json.loads(response.content)["error"] == NOT_FOR_THIS


def test_may_act_names_who_may(chains: Chains) -> None:
    other = "archive-server"
    configure(resources=[NOTES | {"exchange_clients": ["notes-server", other], "may_act": other}])
    token = chains.first()
    assert claims(token)["may_act"] == {"iss": conf.issuer, "sub": other}
    response = chains.pass_on(token)
    assert json.loads(response.content)["error"] == NOT_EXCHANGED
    assert AuditEvent.objects.latest("id").reason == "exchange_not_let"


def test_a_chain_has_only_so_many_hops(chains: Chains, settings: Any) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"DELEGATION_HOPS": 1}
    response = chains.pass_on(chains.second(), "search-server", ARCHIVE)
    assert json.loads(response.content)["error"] == NOT_EXCHANGED
    assert AuditEvent.objects.latest("id").reason == "exchange_hops"


def test_faults_of_the_subject_token_are_one_answer(chains: Chains) -> None:
    """Attack 24: who tries tokens must not learn which are live, and whose they are."""
    token = chains.first()
    answers = {
        world.without_reference(chains.pass_on(tampered(token))),
        world.without_reference(chains.pass_on(token, "search-server", ARCHIVE)),
    }
    assert len(answers) == 1
    assert CHAT
    assert SEARCH
