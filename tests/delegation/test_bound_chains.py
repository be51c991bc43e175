"""Chains of bound tokens (RFC 9449 beside RFC 8693): each hop has a key of its own, and no exchange makes a bound token
one that anyone can use.
"""

import json
import time
from typing import Any

import pytest

from authz.models import AuditEvent, Authorization, ProtectedResource
from tests.delegation.chain import ACCESS_TOKEN, ARCHIVE, SEARCH, SECRETS, TO_SEARCH, Chains, configure, got
from tests.support.dpop import DpopKey
from tests.support.world import NOTES, REDIRECT, VERIFIER, basic_header, claims
from tests.xaa.company import CHAT, CHAT_MCP, TOKEN_EXCHANGE
from xaa import id_jag

BOB, NOTES_SERVER, SEARCH_SERVER, THIEF = DpopKey(), DpopKey(), DpopKey(), DpopKey()


def bound(chains: Chains) -> str:
    """Bob's token for Notes, bound to the key of the desktop app."""
    code = chains.authorize(client_id="desktop-app", scope="mcp:read")["code"]
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER, "client_id": "desktop-app"}
    return got(chains.post("token", form | {"redirect_uri": REDIRECT}, dpop=BOB.proof()))


def exchange(
    chains: Chains, token: str, dpop: str | None, by: str = "notes-server", to: str = SEARCH, **changes: Any
) -> Any:
    form = {
        "grant_type": TOKEN_EXCHANGE,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN,
        "resource": to,
    }
    headers = {"authorization": basic_header(by, SECRETS.get(by, "")), **({} if dpop is None else {"dpop": dpop})}
    return chains.post("token", form | changes, **headers)


def reason() -> tuple[str, str]:
    event = AuditEvent.objects.filter(event="token:access:refused").latest("pk")
    return str(event.reason), str(event.detail.get("detail", ""))


def test_each_hop_is_bound_to_the_key_of_its_own_client(chains: Chains) -> None:
    first = bound(chains)
    second = exchange(chains, first, NOTES_SERVER.proof())
    assert json.loads(second.content)["token_type"] == "DPoP"
    third = got(exchange(chains, got(second), SEARCH_SERVER.proof(), "search-server", ARCHIVE))
    keys = [claims(token)["cnf"]["jkt"] for token in (first, got(second), third)]
    assert keys == [BOB.jkt, NOTES_SERVER.jkt, SEARCH_SERVER.jkt]
    for token, server, key in ((got(second), "search-server", NOTES_SERVER), (third, "archive-server", SEARCH_SERVER)):
        said = chains.introspect(token, basic=(server, SECRETS[server]))
        assert (said["token_type"], said["cnf"]) == ("DPoP", {"jkt": key.jkt})


def test_a_bound_token_is_not_exchanged_for_one_that_anyone_can_use(chains: Chains) -> None:
    """Attack: the downgrade by exchange, at each hop, and by an ID-JAG."""
    first = bound(chains)
    jag = {"requested_token_type": id_jag.TOKEN_TYPE, "audience": CHAT}
    for answer in (exchange(chains, first, None), exchange(chains, first, None, to=CHAT_MCP, **jag)):
        assert (answer.status_code, json.loads(answer.content)["error"]) == (400, "invalid_dpop_proof")
        assert reason() == ("dpop_proof_missing", "subject token")
    second = got(exchange(chains, first, NOTES_SERVER.proof()))
    assert exchange(chains, second, None, "search-server", ARCHIVE).status_code == 400
    assert Authorization.objects.filter(client__client_id="search-server").count() == 0
    across = got(exchange(chains, first, NOTES_SERVER.proof(), to=CHAT_MCP, **jag))
    assert claims(across)["cnf"] == {"jkt": NOTES_SERVER.jkt}
    # An unbound token may still become a bound one, and what is under it is bound from there on.
    second = got(exchange(chains, chains.first(), NOTES_SERVER.proof()))
    assert exchange(chains, second, None, "search-server", ARCHIVE).status_code == 400
    assert exchange(chains, second, SEARCH_SERVER.proof(), "search-server", ARCHIVE).status_code == 200


def test_a_thief_of_a_bound_token_exchanges_nothing(chains: Chains) -> None:
    first = bound(chains)
    # With a key of the thief's own, as another server that may exchange its own callers' tokens.
    answer = exchange(chains, first, THIEF.proof(), "search-server", ARCHIVE)
    assert (answer.status_code, reason()[0]) == (400, "exchange_not_audience")
    # As the agent that it was issued for, which authenticates by nothing.
    form = {"grant_type": TOKEN_EXCHANGE, "subject_token": first, "subject_token_type": ACCESS_TOKEN}
    answer = chains.post("token", form | {"client_id": "desktop-app", "resource": SEARCH}, dpop=BOB.proof())
    assert (answer.status_code, json.loads(answer.content)["error"]) == (400, "unauthorized_client")


@pytest.mark.parametrize(
    ("dpop", "said"),
    [
        # The proof that Notes was shown beside the token: for another address, with another key.
        (lambda token: BOB.proof(NOTES, token=token), "dpop_proof_address"),
        (lambda token: NOTES_SERVER.proof(method="GET"), "dpop_proof_method"),
        (lambda token: NOTES_SERVER.proof(iat=int(time.time()) - 400), "dpop_proof_time"),
        (lambda token: NOTES_SERVER.proof(key=THIEF.key), "dpop_proof_signature"),
        (lambda token: f"{NOTES_SERVER.proof()}, {NOTES_SERVER.proof()}", "dpop_proof_several"),
        (lambda token: "", "dpop_proof_malformed"),
    ],
    ids=["the caller's proof", "another method", "too old", "another client's key", "two proofs", "an empty one"],
)
def test_a_proof_that_does_not_hold_is_no_proof(chains: Chains, dpop: Any, said: str) -> None:
    first = bound(chains)
    answer = exchange(chains, first, dpop(first))
    assert (answer.status_code, reason()[0]) == (400, said)


def test_a_proof_serves_one_exchange(chains: Chains) -> None:
    first, proof = bound(chains), NOTES_SERVER.proof()
    assert exchange(chains, first, proof).status_code == 200
    assert exchange(chains, first, proof).status_code == 400
    assert reason()[0] == "dpop_proof_replayed"


def test_a_demand_at_one_hop_holds_for_what_rests_on_it(chains: Chains) -> None:
    """A server, or a rule, that begins to demand keys takes from then on neither an unbound token nor what rests on
    one."""
    second = chains.second()
    third = chains.third(second)
    assert chains.is_live(third, "archive-server")
    ProtectedResource.objects.filter(identifier=NOTES).update(dpop_bound_access_tokens_required=True)
    assert not chains.is_live(third, "archive-server")
    ProtectedResource.objects.filter(identifier=NOTES).update(dpop_bound_access_tokens_required=False)
    assert chains.is_live(third, "archive-server")
    configure(rules=[TO_SEARCH | {"proof_of_possession": True}])
    assert not chains.is_live(second, "search-server")
    assert not chains.is_live(third, "archive-server")
    answer = exchange(chains, chains.first(), None)
    assert (answer.status_code, reason()) == (400, ("dpop_proof_missing", "rule"))


def test_a_new_key_takes_no_new_authorization(chains: Chains) -> None:
    """A gateway that changes its key at each exchange makes one row, and each token has its own key."""
    first = bound(chains)
    tokens = [claims(got(exchange(chains, first, key.proof()))) for key in (NOTES_SERVER, SEARCH_SERVER)]
    assert tokens[0]["authorization"] == tokens[1]["authorization"]
    assert [one["cnf"]["jkt"] for one in tokens] == [NOTES_SERVER.jkt, SEARCH_SERVER.jkt]
