"""For any sequence of exchanges: scope, lifetime and depth never grow, and nothing is exchanged without a rule."""

import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authz.conf import conf
from authz.models import Rule
from tests.delegation import chain
from tests.delegation.chain import ARCHIVE, SEARCH, Chains, configure, rule
from tests.support.world import NOTES, claims
from tests.xaa.company import CHAT_MCP

# A step: who presents the newest token, where it wants to go, with which scope, and after how many seconds.
SERVERS = {NOTES: "notes-server", SEARCH: "search-server", ARCHIVE: "archive-server"}
steps = st.lists(
    st.tuples(
        st.sampled_from([*SERVERS.values()]),
        st.sampled_from([*SERVERS]),
        st.sampled_from((None, "search:read", "search:index", "archive:read", "mcp:read mcp:write")),
        st.integers(0, 120),
    ),
    max_size=5,
)
# What a scope may become, with all that that may become.
RANK = {"mcp:write": 3, "mcp:read": 3, "search:index": 2, "search:read": 2, "archive:read": 1}
_patient = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def all_allowed(chains: Chains) -> Chains:
    """Every exchange that a mapping names is allowed by a rule, so that the rules are not what bounds it."""
    configure(rules=[rule("All of it", "*", "*", ["*"])])
    return chains


def test_whatever_is_asked_nothing_grows(all_allowed: Chains, monkeypatch: pytest.MonkeyPatch) -> None:
    first = all_allowed.first("mcp:read mcp:write")
    began = time.time()

    @_patient
    @given(steps)
    def ask(asked: list[tuple[str, str, str | None, int]]) -> None:
        token, moment = first, began
        for by, to, scope, later in asked:
            moment += later
            monkeypatch.setattr("authz.endpoints.token.now", lambda at=moment: at)
            before = claims(token)
            response = all_allowed.pass_on(token, by, to, scope=scope)
            if response.status_code != 200:
                continue
            token = response.json()["access_token"]
            after = claims(token)
            assert SERVERS[before["aud"]] == by
            assert after["exp"] <= before["exp"]
            assert after["sub"] == before["sub"]
            assert after["act"]["sub"] == by
            assert depth(after) == depth(before) + (2 if depth(before) == 0 else 1) <= conf.delegation_hops + 1
            allowed = mapped(before)
            assert set(after["scope"].split()) <= allowed
            assert max(RANK[name] for name in after["scope"].split()) < max(
                RANK[name] for name in before["scope"].split()
            )

    ask()


def mapped(before: dict[str, Any]) -> set[str]:
    """By hand, from the configuration."""
    tables = {item["identifier"]: item.get("scope_mappings", []) for item in chain.CONFIGURATION["resources"]}
    held = before["scope"].split()
    return {
        name
        for mapping in tables[before["aud"]]
        for here, there in mapping["scopes"].items()
        if here in held
        for name in there
    }


def depth(found: dict[str, Any]) -> int:
    act, count = found.get("act"), 0
    while act:
        act, count = act.get("act"), count + 1
    return count


@_patient
@given(st.permutations(["Notes asks Search", "Search asks Archive", "Notes asks Chat"]), st.integers(0, 3))
def test_without_its_rule_nothing_is_exchanged_in_any_order(chains: Chains, names: list[str], keep: int) -> None:
    kept = set(names[:keep])
    Rule.objects.filter(name__in=names).update(enabled=True)
    first = chains.first()
    second = chains.second(first)
    for name in names:
        Rule.objects.filter(name=name).update(enabled=name in kept)
    assert (chains.pass_on(first).status_code == 200) is ("Notes asks Search" in kept)
    passes_on = {"Notes asks Search", "Search asks Archive"} <= kept
    assert (chains.pass_on(second, "search-server", ARCHIVE).status_code == 200) is passes_on
    assert (chains.chat(first).status_code == 200) is ("Notes asks Chat" in kept)
    assert CHAT_MCP
