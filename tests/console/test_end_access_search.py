"""The page End access: a search over all that can be ended, what was ended lately, and what looks wrong."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest
from django.test import Client as Browser
from django.urls import reverse

from authz.audit import counts
from authz.console import looks_wrong
from authz.models import AuditEvent, Authorization, Client, EventCount, User
from tests.console.conftest import Page
from tests.console.test_end_access import address, cut
from tests.support import world
from tests.support.world import NOTES, World
from xaa.models import TrustedIssuer

OVERVIEW = reverse("admin:switch_overview")


def offered(browser: Browser, text: str) -> list[str]:
    """The addresses behind the buttons of a search."""
    return [one.get("url", "") for one in browser.get(OVERVIEW, {"q": text}).context["found"]]


@pytest.mark.parametrize(
    ("text", "kind", "identifier"),
    [
        ("Desktop", "client", "desktop-app"),
        ("desktop-app", "client", "desktop-app"),
        ("bob", "person", "bob"),
        ("bob@example.com", "person", "bob"),
        (NOTES, "resource", NOTES),
        ("Directory", "issuer", "https://idp.example"),
        ("https://idp.example", "issuer", "https://idp.example"),
    ],
)
def test_all_that_can_be_ended_is_found(signed_in: Page, text: str, kind: str, identifier: str) -> None:
    browser = signed_in("administrator")
    TrustedIssuer.objects.create(issuer="https://idp.example", name="Directory")
    User.objects.filter(username="bob").update(email="bob@example.com")
    assert address(kind, identifier) in [url.replace("%3A", ":").replace("%2F", "/") for url in offered(browser, text)]


def test_a_tokens_jti_and_its_authorization_lead_to_ending_it(gatehouse: World, signed_in: Page) -> None:
    tokens = gatehouse.signed_in_tokens()
    row = Authorization.objects.get()
    browser = signed_in("administrator")
    jti = jwt.decode(tokens["access_token"], options={"verify_signature": False})["jti"]
    for text in (jti, str(row.pk)):
        assert offered(browser, text) == [address("authorization", str(row.pk))]
    cut(browser, "authorization", str(row.pk))
    assert [url for url in offered(browser, jti) if url] == []


def test_a_token_itself_is_not_looked_up(gatehouse: World, signed_in: Page) -> None:
    tokens = gatehouse.signed_in_tokens()
    browser = signed_in("administrator")
    for token in (tokens["access_token"], tokens["refresh_token"]):
        page = browser.get(OVERVIEW, {"q": token})
        assert page.context["found"] is None and token not in page.content.decode()


def test_an_unknown_name_is_said_to_be_none(signed_in: Page) -> None:
    page = signed_in("administrator").get(OVERVIEW, {"q": "ghost-in-no-list"}).content.decode()
    assert "Nothing whose access could be ended" in page and "ghost-in-no-list" in page


def test_an_auditor_is_offered_a_look_and_no_button(signed_in: Page) -> None:
    page = signed_in("auditor").get(OVERVIEW, {"q": "desktop-app"}).content.decode()
    assert "What would end?" in page and "button danger small" not in page.split("Recently ended")[0]


def test_end_everything_comes_last(signed_in: Page) -> None:
    browser = signed_in("administrator")
    cut(browser, "client", "desktop-app", reason="a stolen laptop")
    page = browser.get(OVERVIEW).content.decode()
    order = [page.index(words) for words in ("Whose access?", "Recently ended", "What looks wrong", "End everything<")]
    assert order == sorted(order)
    assert "a stolen laptop" in page and ">Undo<" in page


# --- what looks wrong -------------------------------------------------------------------------------------------------


def told() -> dict[str, str]:
    return {one.name: one.text for one in looks_wrong.found(datetime.now(UTC))}


def test_nothing_wrong_is_said_where_nothing_is(gatehouse: World) -> None:
    Client.objects.update(owner=world.person("alice"))
    assert told() == {}


def test_a_disabled_person_with_live_authorizations(gatehouse: World, signed_in: Page) -> None:
    gatehouse.signed_in_tokens()
    Client.objects.update(owner=world.person("alice"))
    User.objects.filter(username="bob").update(is_active=False)
    assert told() == {"bob": "is disabled, with 1 live authorization that would come back with the account"}
    browser = signed_in("administrator")
    assert f'href="{address("person", "bob")}"' in browser.get(OVERVIEW).content.decode()
    cut(browser, "person", "bob")
    assert told() == {}


def test_an_agent_whose_approval_has_ended_with_live_authorizations(gatehouse: World) -> None:
    gatehouse.signed_in_tokens()
    Client.objects.update(owner=world.person("alice"))
    Client.objects.filter(client_id="desktop-app").update(approved_until=datetime.now(UTC) - timedelta(days=1))
    assert "has no approval any more, with 1 live authorization" in told()["Desktop app"]


def test_agents_without_an_owner(gatehouse: World) -> None:
    Client.objects.update(owner=world.person("alice"))
    Client.objects.filter(client_id__in=["desktop-app", "nightly-report"]).update(owner=None)
    assert told() == {"": "2 approved agents without an active owner"}


@pytest.mark.parametrize(("today", "a_day_before", "is_told"), [(40, 2, True), (19, 0, False), (40, 20, False)])
def test_refusals_far_above_the_usual(gatehouse: World, today: int, a_day_before: int, is_told: bool) -> None:
    Client.objects.update(owner=world.person("alice"))
    now = datetime.now(UTC)
    AuditEvent.objects.bulk_create(
        AuditEvent(time=now, event="token:access:refused", reason="client_secret_wrong", detail={})
        for _ in range(today)
    )
    EventCount.objects.bulk_create(
        EventCount(
            dimension="reason", slot=counts.slot(now - timedelta(days=day), counts.DAY), value="client_secret_wrong",
            n=a_day_before,
        )
        for day in range(2, 9)
    )  # fmt: skip
    expected = {"client secret wrong": f"{today} times in 24 hours, usually {a_day_before} a day"} if is_told else {}
    assert told() == expected
