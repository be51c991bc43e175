"""Conditions by extensions in the console's form of a rule: shown, validated, saved, and in its history."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client as Browser
from django.urls import reverse

from authz.configuration import apply
from authz.database import configuration_cache
from authz.models import Rule
from tests.console.conftest import Page
from tests.console.rule_forms import NOTES_RULE
from tests.extensions.test_conditions import CONSENT, SOURCE
from tests.support.extension_packages import forget, installing

pytestmark = pytest.mark.django_db
RULE = {**NOTES_RULE, "name": "Notes with a consent"}
WRITTEN = f'{CONSENT} {{"kind": "written"}}'


@pytest.fixture
def switched_on(signed_in: Page, tmp_path: Path) -> Iterator[Browser]:
    with installing(tmp_path) as install:
        install(CONSENT, SOURCE % "return True")
        apply(json.dumps({"extensions": {CONSENT: {"enabled": True}}}))
        configuration_cache.begin()
        yield signed_in("administrator")


def save(browser: Browser, extensions: str, **changes: str) -> str:
    """The page after the form was posted, for the rule of this name or a new one."""
    row = Rule.objects.filter(name=RULE["name"]).first()
    address = reverse("admin:authz_rule_change", args=[row.pk]) if row else reverse("admin:authz_rule_add")
    form = {**RULE, "extensions": extensions, **changes}
    page: str = browser.post(address, form, follow=True).content.decode()
    return page


def said() -> object:
    return Rule.objects.get(name=RULE["name"]).definition.get("conditions", {}).get("extensions")


def test_it_is_written_shown_changed_and_in_the_history(switched_on: Browser) -> None:
    page = switched_on.get(reverse("admin:authz_rule_add")).content.decode()
    assert f"There are {CONSENT} (kind)." in page
    save(switched_on, WRITTEN)
    assert said() == {CONSENT: {"kind": "written"}}
    row = Rule.objects.get(name=RULE["name"])
    shown = switched_on.get(reverse("admin:authz_rule_change", args=[row.pk])).content.decode()
    assert "com.example/patient-consent {&quot;kind&quot;: &quot;written&quot;}</textarea>" in shown
    save(switched_on, f'{CONSENT}  {{"kind": "oral"}}')
    assert said() == {CONSENT: {"kind": "oral"}}
    history = switched_on.get(reverse("admin:authz_rule_history", args=[row.pk]), follow=True).content.decode()
    assert "&quot;written&quot;" in history
    assert "&quot;oral&quot;" in history
    save(switched_on, "")
    assert said() is None


WRONG = {
    "an unknown one": ("com.example/patient-consents", "did you mean com.example/patient-consent?"),
    "no JSON": (f"{CONSENT} written", "is no JSON object"),
    "a list": (f"{CONSENT} []", "is no JSON object"),
    "a key twice": (f'{CONSENT} {{"kind": "oral", "kind": "written"}}', "is no JSON object"),
    "what it does not take": (f'{CONSENT} {{"kind": "shouted"}}', "is not one of"),
    "what it does not know": (f'{CONSENT} {{"kinds": "oral"}}', "kinds: is not known"),
    "the same twice": (f"{WRITTEN}\n{WRITTEN}", "is named twice"),
    "markup": ("<b>x</b>", "&lt;b&gt;x&lt;/b&gt;"),
}


@pytest.mark.parametrize(("typed", "says"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_meant_is_refused(switched_on: Browser, typed: str, says: str) -> None:
    page = save(switched_on, typed)
    assert says in page
    assert "<b>x</b>" not in page
    assert not Rule.objects.filter(name=RULE["name"]).exists()


def test_one_whose_extension_is_gone_stays_and_can_be_switched_off(switched_on: Browser) -> None:
    save(switched_on, WRITTEN)
    apply(json.dumps({"extensions": {}}))
    forget()
    configuration_cache.begin()
    save(switched_on, WRITTEN, enabled="")
    row = Rule.objects.get(name=RULE["name"])
    assert (row.enabled, said()) == (False, {CONSENT: {"kind": "written"}})
    # It can be taken out, and no other one put in.
    assert "which is not switched on" in save(switched_on, f'{CONSENT} {{"kind": "oral"}}')
    save(switched_on, "")
    assert said() is None
