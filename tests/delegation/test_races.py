"""Exchanges and cut-offs at the same moment, on both databases: nothing that lives is left under what has ended."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from authz.authorizations import cut_off
from authz.models import AuditEvent, Authorization, UsedAssertion
from tests.delegation.chain import ARCHIVE, JWT, SEARCH, Chains, configure, rule
from tests.support.races import at_once
from tests.support.world import World, claims
from tests.xaa.company import JWT_BEARER, TOKEN_EXCHANGE


def ended(identifier: str) -> None:
    target = cut_off.target("authorization", identifier)
    now = datetime.now(UTC)
    cut_off.cut_off(target, kind="authorization", identifier=identifier, reason="", by="alice", now=now)


@pytest.mark.parametrize("nth", range(3))
def test_a_cut_off_at_the_root_leaves_no_hop_alive(committed_chains: Chains, nth: int) -> None:
    chains = committed_chains
    first = chains.first()
    second = chains.second(first)
    root = claims(first)["authorization"]

    def pass_on(by: str, token: str, to: str) -> Any:
        return Chains().pass_on(token, by, to)

    calls: list[Any] = [
        lambda: pass_on("search-server", second, ARCHIVE),
        lambda: pass_on("search-server", second, ARCHIVE),
        lambda: pass_on("notes-server", first, SEARCH),
        lambda: ended(root),
    ]
    answers = at_once(calls[nth:] + calls[:nth])
    for answer in answers:
        if answer is not None and answer.status_code == 200:
            token = json.loads(answer.content)["access_token"]
            at = "archive-server" if claims(token)["aud"] == ARCHIVE else "search-server"
            assert not chains.is_live(token, at)
    assert not Authorization.objects.exclude(parent=None).filter(revoked=None).exists()


def test_two_who_end_parts_of_one_chain_both_succeed(committed_chains: Chains) -> None:
    chains = committed_chains
    first = chains.first()
    second = chains.second(first)
    third = chains.third(second)
    at_once([lambda token=token: ended(claims(token)["authorization"]) for token in (first, second, third)])  # type: ignore[misc]
    over = AuditEvent.objects.filter(event="token:authorization:revoked")
    # Each is recorded once, whichever was first.
    assert sorted(over.values_list("authorization", flat=True)) == sorted(
        claims(token)["authorization"] for token in (first, second, third)
    )


def test_an_actor_token_serves_one_of_many_at_once(committed_chains: Chains) -> None:
    chains = committed_chains
    configure(
        clients=[
            {
                "client_id": "wif-workload",
                "status": "approved",
                "grant_types": [JWT_BEARER, TOKEN_EXCHANGE],
                "token_endpoint_auth_method": "none",
            }
        ],
        rules=[rule("The workload asks Archive", "wif-workload", ARCHIVE, ["*"])],
    )
    second, assertion = chains.second(), chains.idp.workload()
    asked = {"to": ARCHIVE, "basic": None, "actor_token": assertion, "actor_token_type": JWT}
    answers = at_once([lambda: Chains().pass_on(second, **asked) for _ in range(4)])
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
    assert UsedAssertion.objects.count() == 1
    assert World
