"""Who sees the chain: the console and the API, hop by hop."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management.base import CommandError

from authz.models import AccessRequest
from tests.delegation.chain import ARCHIVE, CONFIGURATION, SEARCH, TO_SEARCH, Chains, configure, rule
from tests.management.test_policy import policy
from tests.support.world import NOTES, World, claims
from tests.xaa.company import CHAT, CHAT_MCP, TOKEN_EXCHANGE


def test_the_console_draws_the_chain_and_what_ends_with_it(chains: Chains) -> None:
    first = chains.first()
    second = chains.second(first)
    third = chains.third(second)
    alice = World()
    alice.sign_in("alice")
    page = alice.browser.get(f"/console/authz/authorization/{claims(third)['authorization']}/change/").content.decode()
    drawn = page[page.index("ame through") :]
    places = [drawn.index(name) for name in ("bob", "Desktop app", "notes-server", "search-server")]
    assert places == sorted(places)
    root = alice.browser.get(f"/console/authz/authorization/{claims(first)['authorization']}/change/").content.decode()
    for token in (second, third):
        assert claims(token)["authorization"] in root[root.index("nds with it") :]


def test_the_event_says_how_it_came_and_by_which_rule(chains: Chains) -> None:
    third = chains.third()
    alice = World()
    alice.sign_in("alice")
    story = alice.browser.get(f"/console/story/?authorization={claims(third)['authorization']}").content.decode()
    assert "search-server" in story


def test_an_approver_reads_the_path_before_deciding(chains: Chains) -> None:
    configure(rules=[rule("Ask a human first", "*", SEARCH, None, effect="require_approval")])
    chains.pass_on(chains.first())
    alice = World()
    alice.sign_in("alice")
    request = AccessRequest.objects.get()
    page = alice.browser.get(f"/console/authz/accessrequest/{request.pk}/decide/").content.decode()
    assert "Passed on by" in page[: page.index("desktop-app")]


# --- Who reaches what ---------------------------------------------------------------------------------------------

WAY = f"{NOTES} → notes-server → {SEARCH}"


def test_the_command_counts_what_is_reached_through_others(chains: Chains) -> None:
    said = policy("reach", "--resource", SEARCH)
    assert f"desktop-app for alice, bob → {NOTES} → notes-server → {SEARCH}\n    search:read search:index: now" in said
    assert f"nightly-report for itself → {WAY}\n    search:read: now" in said
    said = policy("reach", "--client", "desktop-app", "--user", "bob")
    assert f"desktop-app for bob → {WAY} → search-server → {ARCHIVE}\n    archive:read: now" in said
    assert f"→ {CHAT_MCP} behind {CHAT}" in said
    assert WAY not in policy("reach", "--user", "charlie")


def test_it_follows_rules_mappings_hops_and_may_act(chains: Chains, settings: Any) -> None:
    def ways() -> list[tuple[str, list[str]]]:
        found = json.loads(policy("reach", "--client", "desktop-app", "--user", "bob", "--json"))["through"]
        return [(row["resource"], [hop["client_id"] for hop in row["path"]]) for row in found]

    both = [(SEARCH, ["notes-server"]), (ARCHIVE, ["notes-server", "search-server"])]
    assert [way for way in ways() if way[0] != CHAT_MCP] == both
    settings.GATEHOUSE = settings.GATEHOUSE | {"DELEGATION_HOPS": 1}
    assert [way for way in ways() if way[0] != CHAT_MCP] == both[:1]
    settings.GATEHOUSE = settings.GATEHOUSE | {"DELEGATION_HOPS": 3}
    configure(resources=[CONFIGURATION["resources"][0] | {"may_act": "notes-server"}])
    assert both[0] in ways()
    configure(rules=[TO_SEARCH | {"enabled": False}])
    assert both[0] not in ways() and both[1] not in ways()
    # What it says is what an exchange answers.
    assert chains.pass_on(chains.first()).status_code == 400


def test_the_page_and_the_api_say_the_same(chains: Chains) -> None:
    alice = World()
    alice.sign_in("alice")
    query = {"client_id": "desktop-app", "username": "bob", "resource": SEARCH}
    page = alice.browser.get("/console/reach/", query).content.decode()
    shown = page[page.index("Through others") :]
    places = [shown.index(name) for name in ("desktop-app", "Notes", "notes-server", "Notes asks Search", SEARCH)]
    assert places == sorted(places)
    # Nothing directly, and still it is not out of reach.
    assert "Out of reach" not in page
    (row,) = alice.browser.get("/api/v1/policy/reach", query).json()["through"]
    assert row["path"] == [{"resource": NOTES, "client_id": "notes-server", "rules": ["Notes asks Search"]}]
    assert (row["clients"], row["subjects"], row["scopes"]) == (
        ["desktop-app"],
        ["bob"],
        ["search:read", "search:index"],
    )


# --- The simulator ------------------------------------------------------------------------------------------------

EXPLAINED = ("explain", "--client", "search-server", "--user", "bob", "--resource", ARCHIVE)


def test_the_command_says_why_each_hop_is_allowed(chains: Chains) -> None:
    said = policy(*EXPLAINED, "--through", "desktop-app", "notes-server")
    assert f"desktop-app at {NOTES}: mcp:read mcp:write (by “" in said
    assert f"notes-server at {SEARCH}: search:read (by “Notes asks Search”)" in said
    assert f"passed on to {ARCHIVE}: archive:read\n" in said
    assert "Search asks Archive" in said
    found = json.loads(policy(*EXPLAINED, "--through", "desktop-app", "notes-server", "--json"))
    assert (found["effect"], found["scopes"]) == ("allow", ["archive:read"])
    assert [hop["client_id"] for hop in found["path"]] == ["desktop-app", "notes-server"]
    # What an earlier hop does not give is not passed on by a later one.
    configure(rules=[TO_SEARCH | {"scopes": ["search:index"]}])
    found = json.loads(policy(*EXPLAINED, "--through", "desktop-app", "notes-server", "--json"))
    assert (found["effect"], found["passed_on"]) == ("deny", [])
    for wrong in (["unknown"], ["search-server"], ["desktop-app", "desktop-app"]):
        with pytest.raises(CommandError):
            policy(*EXPLAINED, "--through", *wrong)


def test_a_hop_that_is_not_allowed_lets_nothing_through(chains: Chains) -> None:
    configure(rules=[TO_SEARCH | {"enabled": False}])
    found = json.loads(policy(*EXPLAINED, "--through", "desktop-app", "notes-server", "--json"))
    assert (found["effect"], found["path"][1]["effect"], found["passed_on"]) == ("deny", "deny", [])
    found = json.loads(policy(*EXPLAINED, "--through", "desktop-app", "archive-server", "--json"))
    assert "No MCP server is archive-server" in found["path"][0]["problem"]


def test_the_simulator_and_the_api_take_a_path(chains: Chains) -> None:
    alice = World()
    alice.sign_in("alice")
    query = {"client_id": "notes-server", "username": "bob", "resource": SEARCH, "through": "desktop-app"}
    found = alice.browser.get("/api/v1/policy/explain", query).json()
    assert (found["effect"], found["rules"]) == ("allow", ["Notes asks Search"])
    assert (found["path"][0]["client_id"], found["passed_on"]) == ("desktop-app", ["search:index", "search:read"])
    assert alice.browser.get("/api/v1/policy/explain", query | {"through": "unknown"}).status_code == 422
    query["grant_type"] = TOKEN_EXCHANGE
    page = alice.browser.get("/console/simulator/", query).content.decode()
    shown = page[page.index('class="decision') :]
    assert shown.index("desktop-app") < shown.index("Passed on") < shown.index("Notes asks Search")
    direct = alice.browser.get("/api/v1/policy/explain", {**query, "through": ""}).json()
    assert direct["effect"] == "deny" and direct["path"] == []


def test_an_expectation_may_be_about_a_path(chains: Chains, tmp_path: Path) -> None:
    expected = {"client": "notes-server", "user": "bob", "resource": SEARCH, "expect": "allow"}
    path = {**expected, "through": ["desktop-app"], "granted": ["search:read", "search:index"]}
    other = {**expected, "through": ["web-app"], "expect": "deny"}
    direct = {**expected, "grant_type": TOKEN_EXCHANGE, "expect": "deny"}
    file = tmp_path / "expectations.yaml"
    file.write_text(json.dumps({"expectations": [path, other, direct]}))
    assert "3 expectations met." in policy("test", str(file))
