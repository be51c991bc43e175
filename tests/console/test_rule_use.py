"""The list of rules says how often each decides, and switches several on or off at once."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client as Browser

from authz.audit import counts
from authz.console.rules import use
from authz.models import AuditEvent, EventCount, Rule, RuleChange
from tests.console.conftest import Page
from tests.support.world import NOTES, SECRET, World, hidden_fields

LIST = "/console/authz/rule/"
MACHINES, PEOPLE = "Agents read notes", "Engineers use agents on Notes"


def used(*names: str) -> list[tuple[int, bool]]:
    found = use.by_name(Rule.objects.filter(name__in=names))
    return [(found[name].times, bool(found[name].last)) for name in names]


def test_a_rule_that_decides_is_counted_at_once(gatehouse: World) -> None:
    assert used(MACHINES, PEOPLE) == [(0, False), (0, False)]
    for _ in range(3):
        gatehouse.machine_token()
    assert used(MACHINES, PEOPLE) == [(3, True), (0, False)]


def test_what_was_counted_stays_counted(gatehouse: World, monkeypatch: pytest.MonkeyPatch) -> None:
    gatehouse.machine_token()
    monkeypatch.setattr("authz.audit.queries.DISORDER", timedelta(minutes=-1))  # so that young events count
    counts.run()
    assert EventCount.objects.filter(dimension="rule", value=MACHINES).count() == 2  # its hour and its day
    assert used(MACHINES) == [(1, True)]


def test_a_rule_of_long_ago_was_used_last_then(gatehouse: World) -> None:
    then = datetime.now(UTC) - timedelta(days=90)
    EventCount.objects.create(dimension="rule", slot=counts.slot(then, counts.DAY), value=MACHINES, n=7)
    found = use.by_name(Rule.objects.filter(name=MACHINES))[MACHINES]
    assert found == use.Use(0, f"{then:%Y-%m-%d}")


def test_the_list_says_never_of_a_rule_that_decided_nothing(signed_in: Page, gatehouse: World) -> None:
    gatehouse.machine_token()
    page = signed_in("auditor").get(LIST).content.decode()
    assert f'<span class="">1</span><span class="sub">last {datetime.now(UTC):%Y-%m-%d}</span>' in page
    assert '<span class="soft">never</span>' in page


# --- What stands first


def listed(signed_in: Page, **asked: str) -> list[str]:
    return [row.name for row in signed_in("administrator").get(LIST, asked).context["cl"].result_list]


def test_what_restricts_stands_first_and_what_is_disabled_last(signed_in: Page, gatehouse: World) -> None:
    allowed = Rule.objects.get(name=MACHINES)
    for name, effect, enabled in (
        ("B denial", "deny", True),
        ("Z denial", "deny", True),
        ("A question", "require_approval", True),
        ("Off", "deny", False),
    ):
        Rule.objects.create(name=name, effect=effect, enabled=enabled, definition=allowed.definition)
    found = listed(signed_in)
    assert found[:3] == ["B denial", "Z denial", "A question"]
    assert found[-1] == "Off"
    assert found[3:-1] == sorted(found[3:-1]) and MACHINES in found[3:-1]


def test_the_list_is_sorted_by_use(signed_in: Page, gatehouse: World) -> None:
    today, former = datetime.now(UTC), datetime.now(UTC) - timedelta(days=60)
    for name, day, n in ((MACHINES, today, 5), (PEOPLE, former, 90)):
        EventCount.objects.create(dimension="rule", slot=counts.slot(day, counts.DAY), value=name, n=n)
    assert listed(signed_in, o="-4")[0] == MACHINES
    assert listed(signed_in, o="4")[-1] == MACHINES


# --- Several at once


def confirm(browser: Browser, action: str, *names: str, **changes: str) -> str:
    chosen = {"action": action, "_selected_action": [row.pk for row in Rule.objects.filter(name__in=names)]}
    page = browser.post(LIST, chosen)
    fields = hidden_fields(page) | {**chosen, "post": "yes"} | changes
    return browser.post(LIST, fields, follow=True).content.decode()


def test_several_rules_are_disabled_at_once_and_the_next_request_is_refused(signed_in: Page, gatehouse: World) -> None:
    browser = signed_in("administrator")
    before = RuleChange.objects.count()
    page = confirm(browser, "disable_selected", MACHINES, PEOPLE)
    assert "2 rules are disabled." in page
    assert set(Rule.objects.values_list("enabled", flat=True)) == {False}
    assert gatehouse.token(grant_type="client_credentials", basic=("nightly-report", SECRET)).status_code == 400
    made = RuleChange.objects.order_by("-id")[: RuleChange.objects.count() - before]
    assert {(change.author, change.how) for change in made} == {("alice", "console")}
    events = AuditEvent.objects.filter(event="configuration:object:changed", detail__kind="rule")
    assert [event.detail["enabled"] for event in events] == [False, False]


def test_they_are_enabled_again(signed_in: Page, gatehouse: World) -> None:
    browser = signed_in("administrator")
    confirm(browser, "disable_selected", MACHINES)
    assert "1 rule is enabled." in confirm(browser, "enable_selected", MACHINES, PEOPLE)
    assert gatehouse.machine_token()["access_token"]


def test_the_page_shows_the_effect_on_past_requests_and_changes_nothing(signed_in: Page, gatehouse: World) -> None:
    gatehouse.machine_token(resource=NOTES)
    row = Rule.objects.get(name=MACHINES)
    page = signed_in("administrator").post(LIST, {"action": "disable_selected", "_selected_action": [row.pk]})
    assert "Disable 1 rule?" in page.content.decode()
    assert "loses" in page.content.decode()
    assert Rule.objects.get(name=MACHINES).enabled


def test_a_page_that_has_become_untrue_is_shown_again(signed_in: Page, gatehouse: World) -> None:
    browser = signed_in("administrator")
    page = confirm(browser, "disable_selected", MACHINES, shown="0" * 64)
    assert "Nothing was done" in page
    assert Rule.objects.get(name=MACHINES).enabled


@pytest.mark.parametrize("role", ["approver", "auditor", "developer"])
def test_only_administrators_switch_rules(signed_in: Page, role: str) -> None:
    confirm(signed_in(role), "disable_selected", MACHINES)
    assert Rule.objects.get(name=MACHINES).enabled
