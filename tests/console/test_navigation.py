"""The navigation: few entries in groups named by task, one icon a meaning, and pages of one entry as tabs."""

import re
from collections import Counter
from pathlib import Path

import pytest
from django.template import Context, Template
from django.urls import reverse

from authz.console.navigation import GROUPS, MAX_ENTRIES, Place, arranged, tabs
from authz.templatetags.icons import ICONS, icon
from tests.console.conftest import Page

ROOT = Path(__file__).resolve().parents[2]

SYMBOLS = re.findall(r'<symbol id="([a-z]+)"', (ROOT / "authz/static/gatehouse/icons.svg").read_text())
HOME = (Place("", "Home", "home"), "/admin/", 0)
RULES = (Place("Allow", "Rules", "rule"), "/admin/rule/", 0)
SIMULATOR = (Place("Allow", "Rules", "rule", tab="Simulator"), "/admin/simulator/", 2)
AGENTS = (Place("Connect", "Agents", "agent"), "/admin/agent/", 3)


def test_an_administrator_sees_at_most_fifteen_entries_in_five_groups(signed_in: Page) -> None:
    groups = signed_in("administrator").get(reverse("admin:index")).context["navigation"]

    assert [group.title for group in groups] == list(GROUPS)
    assert sum(len(group.items) for group in groups) <= MAX_ENTRIES


def test_no_icon_of_the_navigation_is_there_twice(signed_in: Page) -> None:
    groups = signed_in("administrator").get(reverse("admin:index")).context["navigation"]
    icons = Counter(item.icon for group in groups for item in group.items)

    assert set(icons.values()) == {1}
    assert set(icons) <= set(ICONS)


def test_every_symbol_has_one_meaning() -> None:
    assert sorted(SYMBOLS) == sorted(ICONS)
    assert len(set(ICONS.values())) == len(ICONS)


def test_no_template_draws_an_icon_by_hand() -> None:
    by_hand = [path.name for path in (ROOT / "templates").rglob("*.html") if "icons.svg" in path.read_text()]

    assert by_hand == []


def test_an_icon_is_hidden_from_screen_readers() -> None:
    drawn = Template('{% load icons %}{% icon "warning" %}').render(Context())

    assert 'aria-hidden="true"' in drawn
    assert "#warning" in drawn


def test_an_unknown_icon_is_an_error() -> None:
    with pytest.raises(KeyError):
        icon("unknown")


def test_pages_of_one_entry_are_tabs_and_their_counts_add_up() -> None:
    groups = arranged([AGENTS, HOME, RULES, SIMULATOR], "/admin/simulator/", "/admin/")

    assert [group.title for group in groups] == ["", "Connect", "Allow"]
    rules = groups[2].items[0]
    assert (rules.url, rules.count, rules.current) == ("/admin/rule/", 2, True)
    assert [(tab.title, tab.current) for tab in tabs(groups, "/admin/simulator/")] == [
        ("Rules", False), ("Simulator", True)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "current"), [("/admin/", "Home"), ("/admin/rule/7/change/", "Rules"), ("/admin/elsewhere/", "")]
)
def test_the_entry_of_the_page_is_marked(path: str, current: str) -> None:
    groups = arranged([HOME, RULES, AGENTS], path, "/admin/")

    assert [item.title for group in groups for item in group.items if item.current] == ([current] if current else [])


def test_a_page_of_one_row_has_no_tabs() -> None:
    assert tabs(arranged([RULES, SIMULATOR], "/admin/rule/7/change/", "/admin/"), "/admin/rule/7/change/") == ()


@pytest.mark.parametrize("hidden", ["Trusted issuers", "End access", "Audit", "Signing keys"])
def test_an_entry_that_a_person_may_not_see_is_left_out(signed_in: Page, hidden: str) -> None:
    groups = signed_in("developer").get(reverse("admin:index")).context["navigation"]

    assert hidden not in [item.title for group in groups for item in group.items]
