"""Who reaches what in a browser: sorted, and from a cell to the rule behind it."""

import csv
import io

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import DESK, NOTES, PHONE, Arrive


def agents_in_order(page: Page) -> list[str]:
    """Those of the configuration file; other tests of this server may have added some."""
    agents = page.locator(".matrix tbody th a").all_inner_texts()
    return [agent for agent in agents if agent in {"Desktop app", "Nightly report"}]


@pytest.mark.parametrize(("viewport", "javascript"), [(DESK, True), (PHONE, False)], ids=["desk", "phone"])
def test_an_auditor_sorts_it_and_a_cell_leads_to_its_rule(
    arrive: Arrive, viewport: dict[str, int], javascript: bool
) -> None:
    someone = arrive(viewport=viewport, javascript=javascript)
    page = someone.page
    someone.sign_in("dana")
    someone.open("/console/reach/matrix/")
    assert agents_in_order(page) == ["Desktop app", "Nightly report"]
    assert someone.overflow() <= 0

    someone.open("/console/reach/matrix/?o=https://ledger.example.com/mcp")
    assert agents_in_order(page) == ["Nightly report", "Desktop app"]
    someone.open("/console/reach/matrix/?for=itself")
    if viewport == DESK:
        page.get_by_role("columnheader").get_by_role("link", name="Notes").click()
        expect(page.locator("th[aria-sort=descending]")).to_have_text("Notes")
        page.get_by_role("link", name="most reach").click()
    chips = page.locator(".matrix tbody tr").filter(has_text="Nightly report").locator(".chip")
    expect(chips).to_have_count(2)

    chips.first.click()
    rule = page.get_by_role("link", name="The nightly report reads").first
    expect(rule).to_be_visible()
    rule.click()
    expect(page.get_by_role("heading", name="The nightly report reads")).to_be_visible()
    assert someone.overflow() <= 0


def test_the_export_is_a_table_and_is_in_the_audit(arrive: Arrive) -> None:
    someone = arrive()
    page = someone.page
    someone.sign_in("dana")
    someone.open("/console/reach/matrix/?agent=nightly")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export CSV").click()
    lines = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
    assert {line["client_id"] for line in lines} == {"nightly-report"}
    assert NOTES in {line["identifier"] for line in lines}
    someone.open("/console/authz/auditevent/?event=policy:reach:exported")
    expect(page.get_by_role("link", name="Who reaches what exported").first).to_be_visible()
