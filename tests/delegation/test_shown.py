"""Who sees the chain: the console and the API, hop by hop."""

from authz.models import AccessRequest
from tests.delegation.chain import SEARCH, Chains, configure, rule
from tests.support.world import World, claims


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
