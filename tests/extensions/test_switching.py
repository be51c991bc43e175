"""Installed extensions are off, the configuration switches them, and what is wrong with one is said by name."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client as Browser

from authz.configuration import ConfigurationError, apply
from authz.configuration.sections import exported
from authz.database import configuration_cache
from authz.extensions import ExtensionFault, active
from authz.extensions.listing import announced, listed
from authz.models import AuditEvent, ExtensionSwitches
from authz.operations import doctor
from tests.support.extension_packages import PLAIN, Install, forget
from tests.support.world import World, person

pytestmark = pytest.mark.django_db

CONSENT = "com.example/patient-consent"
WITH_SETTINGS = """
TITLE = "Patient consent"
SETTINGS = {
    "type": "object",
    "properties": {"registry": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
    "additionalProperties": False,
}
"""


def configure(**extensions: Any) -> None:
    apply(json.dumps({"extensions": extensions}))
    configuration_cache.begin()


def switch(**settings: Any) -> None:
    configure(**{CONSENT: {"enabled": True, **settings}})


def refused(text: object) -> str:
    with pytest.raises(ConfigurationError) as caught:
        apply(json.dumps(text))
    return " ".join(map(str, caught.value.mistakes()))


def found_by_doctor() -> list[str]:
    return [finding.says for finding in doctor.examine()["extensions"]]


def test_it_is_off_although_it_is_installed_and_its_code_does_not_run(install: Install) -> None:
    install(CONSENT, "raise SystemExit('this must not run')")
    (only,) = listed()
    assert (only.identifier, only.package, only.version, only.state) == (CONSENT, "extension-0", "1.2.3", "off")
    assert announced() == []
    with pytest.raises(ExtensionFault, match="not switched on"):
        active(CONSENT)
    assert not AuditEvent.objects.filter(event="extension:call:failed").exists()


def test_it_is_switched_by_apply_and_exported(install: Install) -> None:
    install(CONSENT, WITH_SETTINGS)
    switch(registry="https://consents.example.com", days=30)
    assert announced() == [CONSENT]
    assert exported()["extensions"] == {
        CONSENT: {"enabled": True, "registry": "https://consents.example.com", "days": 30}
    }
    assert apply(json.dumps({"extensions": exported()["extensions"]})) == []
    assert active(CONSENT).settings() == {"registry": "https://consents.example.com", "days": 30}
    switch()
    event = AuditEvent.objects.filter(event="configuration:object:changed").latest("id")
    assert event.detail["section"] == "extensions"
    assert event.detail["before"][CONSENT]["days"] == 30
    configure(**{CONSENT: {}})
    assert announced() == []


def test_what_does_not_fit_its_schema_is_refused_by_path(install: Install) -> None:
    install(CONSENT, WITH_SETTINGS)
    said = refused({"extensions": {CONSENT: {"enabled": True, "days": 0, "registri": "x"}}})
    assert f"extensions.{CONSENT}.days: 0 is less than the minimum of 1" in said
    assert f"{CONSENT}.registri: is not known; there are registry, days" in said
    assert "true or false" in refused({"extensions": {CONSENT: {"enabled": "yes"}}})
    assert "no identifier" in refused({"extensions": {CONSENT: {"resources": ["nonsense"]}}})


def test_an_id_that_is_not_installed_is_an_error_that_names_it(install: Install) -> None:
    assert "com.example/other: is not a known installed extension; there are none" in refused(
        {"extensions": {"com.example/other": {"enabled": True}}}
    )
    install(CONSENT)
    said = refused({"extensions": {"com.example/patient-consents": {"enabled": True}}})
    assert f"did you mean {CONSENT}?" in said


def test_uninstalled_again_it_is_named_by_what_names_it(install: Install, tmp_path: Any) -> None:
    install(CONSENT)
    switch()
    for path in tmp_path.glob("*.dist-info"):
        path.rename(tmp_path / "gone")
    forget()
    assert announced() == []
    assert [(one.identifier, one.state) for one in listed()] == [(CONSENT, "not installed")]
    assert found_by_doctor() == [f"{CONSENT} is not installed."]
    assert f"{CONSENT}: is not a known installed extension" in refused({"extensions": exported()["extensions"]})
    # Without residue: a file without it is applied, and nothing of it is left.
    configure()
    assert listed() == []
    assert found_by_doctor() == []


def test_attack_two_packages_with_one_id(install: Install) -> None:
    install(CONSENT, package="the-first")
    install(CONSENT, "raise SystemExit('neither is loaded')", package="the-second")
    (only,) = listed()
    assert (only.state, only.because) == ("refused", "is claimed 2 times, by the-first, the-second")
    assert "claimed 2 times" in refused({"extensions": {CONSENT: {"enabled": True}}})
    assert "the-first, the-second" in found_by_doctor()[0]


@pytest.mark.parametrize("identifier", ["io.modelcontextprotocol/tasks", "io.gatehouse/own", "no-domain"])
def test_attack_an_id_of_ours_or_none(install: Install, identifier: str) -> None:
    install(identifier)
    assert listed()[0].state == "refused"
    assert "can’t be loaded" in refused({"extensions": {identifier: {"enabled": True}}})
    assert identifier not in announced()


BROKEN = {
    "it raises at import": ("raise RuntimeError('no such library')", "RuntimeError: no such library"),
    "it exits at import": ("raise SystemExit(3)", "SystemExit"),
    "it has no title": ("SETTINGS = {}", "TITLE"),
    "its settings are no schema": (f"{PLAIN}SETTINGS = {{'type': 'object', 'properties': 3}}", "SETTINGS"),
    "its schema is elsewhere": (
        f"{PLAIN}SETTINGS = {{'type': 'object', '$ref': 'https://attacker.example/s.json'}}",
        "elsewhere",
    ),
    "it shadows the switch": (
        f"{PLAIN}SETTINGS = {{'type': 'object', 'properties': {{'enabled': {{}}}}}}",
        "enabled, which is the server’s",
    ),
    "its condition is no function": (f"{PLAIN}condition = 3", "condition is no function"),
    "its field has no name": (f"{PLAIN}FIELDS = [{{'name': '<b>', 'label': 'x'}}]", "FIELDS[0].name"),
    "its pattern is none": (f"{PLAIN}FIELDS = [{{'name': 'a', 'label': 'x', 'pattern': '('}}]", "regular expression"),
    "its event is another's": (f"{PLAIN}EVENTS = {{'token:access:issued': 'x'}}\ndef events(*a): ...", "EVENTS"),
}


@pytest.mark.parametrize(("source", "says"), BROKEN.values(), ids=BROKEN)
def test_attack_a_module_that_breaks_its_contract(install: Install, source: str, says: str) -> None:
    install(CONSENT, source)
    assert says in refused({"extensions": {CONSENT: {"enabled": True}}})
    # Switched on before it broke: by an upgrade of the package.
    install("com.example/other")
    configure(**{"com.example/other": {"enabled": True}})
    ExtensionSwitches.objects.update(extensions={"com.example/other": {"enabled": True}, CONSENT: {"enabled": True}})
    configuration_cache.begin()
    assert announced() == ["com.example/other"]
    assert [one.state for one in listed()] == ["on", "broken"]
    assert says in found_by_doctor()[0]
    assert says in AuditEvent.objects.filter(event="extension:call:failed").latest("id").detail["problem"]


def test_the_command_lists_them(install: Install) -> None:
    install(CONSENT, WITH_SETTINGS)
    switch(days=3)
    told = StringIO()
    call_command("extensions", "list", stdout=told)
    assert told.getvalue().splitlines() == [
        f"on            {CONSENT}  extension-0 1.2.3",
        "    Patient consent: settings",
    ]
    told = StringIO()
    call_command("extensions", "list", "--json", stdout=told)
    (item,) = json.loads(told.getvalue())["items"]
    assert (item["id"], item["state"], item["settings"]) == (CONSENT, "on", {"days": 3})


def test_the_page_lists_them_and_escapes_what_they_say(install: Install, gatehouse: World) -> None:
    console = Browser()
    console.force_login(person("alice"))
    install(CONSENT, "TITLE = '<script>alert(1)</script>'")
    switch()
    page = console.get("/console/extensions/").content.decode()
    assert CONSENT in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page
