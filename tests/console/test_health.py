"""The page that says what `manage.py doctor` says."""

import pytest
from django.urls import reverse
from django.utils.html import escape

from authz.models import PeriodicTask
from authz.operations import doctor
from tests.console.conftest import Page
from tests.support.world import submit

pytestmark = pytest.mark.any_database


def test_it_says_what_doctor_says(signed_in: Page) -> None:
    browser = signed_in("administrator")
    PeriodicTask.objects.all().delete()

    page = submit(browser, reverse("admin:health")).content.decode()

    found = doctor.examine()
    tasks = found["periodic tasks"]
    assert tasks
    for finding in tasks:
        assert escape(finding.says) in page
        assert escape(finding.do) in page
    well = {about for about, findings in found.items() if not findings}
    assert "signing keys" in well
    assert "Signing keys" in page


def test_opening_the_page_examines_nothing(signed_in: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    def examine() -> None:
        raise AssertionError("a GET examines")

    monkeypatch.setattr(doctor, "examine", examine)

    assert "Examine now" in signed_in("administrator").get(reverse("admin:health")).content.decode()


@pytest.mark.parametrize("role", ["approver", "auditor", "developer"])
def test_only_who_configures_this_server_examines_it(signed_in: Page, role: str) -> None:
    browser = signed_in(role)

    assert browser.post(reverse("admin:health")).status_code == 403
    assert "/console/health/" not in browser.get(reverse("admin:index")).content.decode()


def test_home_still_leads_to_the_overview(signed_in: Page) -> None:
    context = signed_in("administrator").get(reverse("admin:health")).context

    assert context["navigation"][0].items[0].url == reverse("admin:index")
    assert [(tab.title, tab.current) for tab in context["tabs"]] == [
        ("Overview", False),
        ("Health", True),
        ("Extensions", False),
    ]
