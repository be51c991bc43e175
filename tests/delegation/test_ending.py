"""Whatever ends or narrows one part of a chain ends all that rests on it, at once and everywhere."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from authz.authorizations import chains as chains_of_rows
from authz.authorizations import cut_off, status_lists
from authz.models import AuditEvent, Authorization, Client, ProtectedResource, Rule, User
from authz.operations import housekeeping
from tests.authorizations.status_list_reader import status
from tests.decision_point.conftest import call
from tests.delegation.chain import (
    ARCHIVE,
    ARCHIVE_SERVER,
    NOTES,
    SEARCH,
    SEARCH_SERVER,
    SECRETS,
    Chains,
    configure,
    rule,
)
from tests.support import world
from tests.support.world import claims

NOW = datetime.now(UTC)


def ended(kind: str, identifier: str) -> None:
    cut_off.cut_off(cut_off.target(kind, identifier), kind=kind, identifier=identifier, reason="", by="alice", now=NOW)


def rule_off(name: str) -> None:
    Rule.objects.filter(name=name).update(enabled=False)


# what happens · which tokens are over: the first, the second, the third
ENDS: list[tuple[str, Callable[[str], object], tuple[bool, bool, bool]]] = [
    ("the root is cut off", lambda first: ended("authorization", claims(first)["authorization"]), (True, True, True)),
    ("the person is cut off", lambda _: ended("person", "bob"), (True, True, True)),
    ("the assistant is cut off", lambda _: ended("client", "desktop-app"), (True, True, True)),
    ("the server in the middle is cut off", lambda _: ended("client", "notes-server"), (False, True, True)),
    ("the last server is cut off", lambda _: ended("client", "search-server"), (False, False, True)),
    ("the first MCP server is cut off", lambda _: ended("resource", world.NOTES), (True, True, True)),
    ("the MCP server in the middle is cut off", lambda _: ended("resource", SEARCH), (False, True, True)),
    (
        "the person is disabled in the database",
        lambda _: User.objects.filter(username="bob").update(is_active=False),
        (True, True, True),
    ),
    (
        "the assistant is suspended in the database",
        lambda _: Client.objects.filter(client_id="desktop-app").update(status="suspended"),
        (True, True, True),
    ),
    (
        "the assistant's keys or addresses change",
        lambda _: Client.objects.filter(client_id="desktop-app").update(consent_digest="another"),
        (True, True, True),
    ),
    (
        "the MCP server in the middle is disabled in the database",
        lambda _: ProtectedResource.objects.filter(identifier=SEARCH).update(is_active=False),
        (False, True, True),
    ),
    ("the root's rule goes", lambda _: rule_off("Engineers use agents on Notes"), (True, True, True)),
    ("the rule in the middle goes", lambda _: rule_off("Notes asks Search"), (False, True, True)),
    ("the last rule goes", lambda _: rule_off("Search asks Archive"), (False, False, True)),
    (
        "a rule denies the first scope",
        lambda _: configure(rules=[rule("No", "desktop-app", world.NOTES, None, effect="deny", grant_types=["*"])]),
        (True, True, True),
    ),
    ("the first mapping goes", lambda _: configure(resources=[NOTES | {"scope_mappings": []}]), (False, True, True)),
    (
        "the last mapping goes",
        lambda _: configure(resources=[SEARCH_SERVER | {"scope_mappings": []}]),
        (False, False, True),
    ),
    (
        "the person leaves the group",
        lambda _: User.objects.get(username="bob").groups.clear(),
        (True, True, True),
    ),
]


@pytest.mark.parametrize(("what", "happens", "over"), ENDS, ids=[row[0] for row in ENDS])
def test_all_below_it_is_over_and_nothing_above(
    chains: Chains, what: str, happens: Callable[[str], object], over: tuple[bool, bool, bool]
) -> None:
    first = chains.first()
    second = chains.second(first)
    third = chains.third(second)
    at = (("notes-server", first), ("search-server", second), ("archive-server", third))
    assert [chains.is_live(token, server) for server, token in at] == [True, True, True]
    happens(first)
    # A server that is cut off can't ask; then its tokens are no good to it either.
    Client.objects.filter(client_id__in=[server for server, _ in at]).update(status="approved")
    seen = [not chains.is_live(token, server) for server, token in at]
    assert seen == list(over), what
    # What is over can't be exchanged either.
    if over[1]:
        assert chains.pass_on(second, "search-server", ARCHIVE).status_code == 400


def test_ending_is_recorded_hop_by_hop_and_shown_before(chains: Chains) -> None:
    first = chains.first()
    third = claims(chains.third(chains.second(first)))
    root = claims(first)["authorization"]
    target = cut_off.target("authorization", root)
    assert cut_off.preview(target, NOW).counts["authorizations"] == 3
    ended("authorization", root)
    events = AuditEvent.objects.filter(event="token:authorization:revoked").order_by("id")
    assert {event.client_id for event in events} == {"desktop-app", "notes-server", "search-server"}
    assert {event.detail["because"] for event in events} == {"cut_off"}
    assert Authorization.objects.get(pk=third["authorization"]).revoked is not None


def test_a_hop_ends_alone_and_what_is_beside_it_stays(chains: Chains) -> None:
    first = chains.first()
    second = chains.second(first)
    third = chains.third(second)
    chains.post("revoke", {"token": second}, authorization=world.basic_header("notes-server", SECRETS["notes-server"]))
    assert chains.is_live(first, "notes-server")
    assert not chains.is_live(second, "search-server")
    assert not chains.is_live(third, "archive-server")
    # The next exchange is another hop.
    assert chains.is_live(chains.second(first), "search-server")


def test_a_replayed_refresh_token_ends_the_chain(chains: Chains, settings: object) -> None:
    tokens = chains.signed_in_tokens(scope="mcp:read offline_access")
    second = chains.second(tokens["access_token"])
    assert chains.refresh(tokens["refresh_token"]).status_code == 200
    assert chains.is_live(second, "search-server")
    settings.GATEHOUSE = settings.GATEHOUSE | {"REFRESH_REUSE_WINDOW": 0}  # type: ignore[attr-defined]
    assert chains.refresh(tokens["refresh_token"]).status_code == 400
    assert not chains.is_live(second, "search-server")


def test_a_status_list_says_so_too(chains: Chains, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_lists, "LOOK_INTERVAL", 0.0)
    configure(resources=[ARCHIVE_SERVER | {"status_list": True}])
    second = chains.second()
    third = chains.third(second)
    assert [status(chains, second), status(chains, third)] == [0, 0]
    # Only in the row of the root's client: no event ends the hops.
    Client.objects.filter(client_id="desktop-app").update(status="suspended")
    assert [status(chains, second), status(chains, third)] == [1, 1]


def test_a_decision_on_a_call_knows_the_chain(chains: Chains) -> None:
    configure(resources=[ARCHIVE_SERVER | {"decision_clients": ["archive-server"]}])
    first = chains.first()
    third = chains.third(chains.second(first))
    caller = ("archive-server", SECRETS["archive-server"])

    def decided(token: str) -> bool:
        answer = chains.browser.post(
            "/o/access/v1/evaluation",
            call(token, "find", {}),
            content_type="application/json",
            headers={"authorization": world.basic_header(*caller)},
        )
        found: bool = answer.json()["decision"]
        return found

    assert decided(third) is True
    event = AuditEvent.objects.filter(event="access:call:allowed").latest("id")
    assert [actor["client_id"] for actor in event.detail["ask"]["through"]] == ["desktop-app", "notes-server"]
    # A rule about a tool may speak of the way a call came.
    no = rule("Not through the desktop app", "*", ARCHIVE, ["desktop-app"], effect="deny", tools=["find"])
    configure(rules=[no | {"grant_types": ["*"]}])
    assert decided(third) is False
    configure(rules=[no | {"enabled": False}])
    assert decided(third) is True
    ended("authorization", claims(first)["authorization"])
    assert decided(third) is False


def test_a_hop_whose_parent_is_gone_is_not_live(chains: Chains) -> None:
    second = chains.second()
    Authorization.objects.filter(pk=claims(second)["authorization"]).update(
        parent="00000000-0000-0000-0000-000000000000"
    )
    assert not chains.is_live(second, "search-server")
    dead = chains_of_rows.resting_on(
        status_lists.not_live(NOW.timestamp()), [Authorization.objects.get(pk=claims(second)["authorization"]).pk]
    )
    assert len(dead) == 1


def test_housekeeping_removes_old_hops(chains: Chains) -> None:
    chains.second(chains.machine_token(resource=world.NOTES)["access_token"])
    hops = Authorization.objects.exclude(parent=None)
    hops.update(created=NOW - 2 * housekeeping.KEPT_AUTHORIZATION)
    housekeeping.run()
    assert not hops.exists()
