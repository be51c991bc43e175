"""Presets fill what is usual for an identity provider or a platform; what is written explicitly counts."""

import json
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.test import Client as Browser
from django.urls import reverse

from authz.configuration import ConfigurationError, apply, export
from authz.models import User
from tests.cimd.test_console import browser
from tests.xaa.company import JWT_BEARER, Company
from xaa.models import TrustedIssuer
from xaa.trusted_issuers import presets

pytestmark = pytest.mark.any_database

KEYS = "https://keys.example/jwks"


def item(name: str, /, **explicit: Any) -> dict[str, Any]:
    """What an administrator writes: the preset, and the issuer where it is the organisation's own."""
    preset = presets.PRESETS[name]
    written = {"preset": name, **explicit}
    if not preset.is_fixed:
        written.setdefault("issuer", preset.issuer)
    if name == "spiffe":
        written.setdefault("jwks_uri", KEYS)
    return written


def applied(*items: dict[str, Any]) -> list[Any]:
    return apply(json.dumps({"trusted_issuers": list(items)}))


def exported(issuer: str) -> dict[str, Any]:
    return next(one for one in yaml.safe_load(export())["trusted_issuers"] if one["issuer"] == issuer)


@pytest.mark.parametrize("name", presets.PRESETS)
def test_each_preset_applies_and_comes_back_as_explicit_keys(company: Company, name: str) -> None:
    written = item(name)
    applied(written)
    preset = presets.PRESETS[name]
    found = exported(written.get("issuer", preset.issuer))
    assert "preset" not in found
    assert found["name"] == preset.label
    assert {key: found[key] for key in preset.keys} == dict(preset.keys)
    assert apply(export()) == []
    assert applied(written) == []


@pytest.mark.parametrize(
    ("name", "explicit"),
    [
        ("okta", {"accepts": ["id-jag"]}),
        ("okta", {"name": "Work"}),
        ("okta", {"enabled": False}),
        ("entra", {"accepts": []}),
        ("google-workspace", {"issuer": "https://other.example"}),
        ("kubernetes", {"reuse": False}),
        ("kubernetes", {"max_lifetime": 600}),
        ("gitlab", {"issuer": "https://gitlab.acme.example", "reuse": False}),
        ("azure-managed-identity", {"audience": ["api://gatehouse"]}),
        ("spiffe", {"issuer": "spiffe://acme.example", "max_lifetime": 300}),
        ("github-actions", {"accepts": ["workload", "id_token"]}),
        ("keycloak", {"client_ids": {"theirs": "agent"}}),
    ],
)
def test_explicit_keys_count(company: Company, name: str, explicit: dict[str, Any]) -> None:
    written = item(name, **explicit)
    applied(written)
    found = exported(written.get("issuer", presets.PRESETS[name].issuer))
    assert {key: found[key] for key in explicit} == explicit


def test_of_subjects_each_key_counts_by_itself(company: Company) -> None:
    applied(item("okta", subjects={"create": True}))
    assert exported("https://acme.okta.com")["subjects"] == {
        "match": ["sub", "email"],
        "create": True,
        "groups": "groups",
        "tenants": [],
    }


@pytest.mark.parametrize("name", ["oktaa", "OKTA", "none", "aws"])
def test_an_unknown_preset_is_an_error_that_names_the_known(company: Company, name: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"preset: .* is none of okta, entra, google-workspace, .*gatehouse"):
        applied({"preset": name, "issuer": "https://a.example"})


@pytest.mark.parametrize("name", ["", 7, None, ["okta"], {"okta": 1}, True])
def test_a_preset_is_a_text(company: Company, name: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"preset: (must be text|'' is none of|None is none of)"):
        applied({"preset": name, "issuer": "https://a.example"})


def test_an_issuer_of_ones_own_has_to_be_named(company: Company) -> None:
    with pytest.raises(ConfigurationError, match="issuer"):
        applied({"preset": "okta"})


def test_a_preset_trusts_an_issuer_for_no_more_than_it_says(company: Company) -> None:
    for name, preset in presets.PRESETS.items():
        assert preset.keys["accepts"], name
        assert not preset.keys.get("subjects", {}).get("create", False), name
        assert ("workload" in preset.keys["accepts"]) == ("max_lifetime" in preset.keys), name


def test_a_workload_of_a_preset_is_bound_as_usual(company: Company) -> None:
    binding = {"subject": "repo:acme/app:*", "client_id": "wif-workload", "claims": {"environment": "production"}}
    applied(item("github-actions", workloads=[binding]))
    found = exported("https://token.actions.githubusercontent.com")
    assert [one["client_id"] for one in found["workloads"]] == ["wif-workload"]
    assert JWT_BEARER.endswith("jwt-bearer")


# --- the console ------------------------------------------------------------------------------------------------------

ADD = reverse("admin:xaa_trustedissuer_add")


@pytest.fixture
def alice(company: Company) -> Browser:
    return browser("alice", User.Role.ADMINISTRATOR)


def test_the_form_offers_all_of_them_by_links(alice: Browser) -> None:
    page = alice.get(ADD).content.decode()
    for name, preset in presets.PRESETS.items():
        assert f'href="?preset={name}"' in page
        assert preset.label in page


@pytest.mark.parametrize("name", presets.PRESETS)
def test_choosing_fills_the_form(alice: Browser, name: str) -> None:
    preset = presets.PRESETS[name]
    answer = alice.get(f"{ADD}?preset={name}")
    form = answer.context["adminform"].form
    assert form["name"].value() == preset.label
    assert form["issuer"].value() == (preset.issuer if preset.is_fixed else "")
    assert form["accepts"].value() == preset.keys["accepts"]
    if "subjects" in preset.keys:
        assert form["match"].value() == preset.keys["subjects"]["match"]
        assert form["groups_claim"].value() == preset.keys["subjects"]["groups"]
    else:
        assert form["max_lifetime"].value() == preset.keys["max_lifetime"]
        assert form["reuse"].value() == preset.keys["reuse"]
    assert preset.label in answer.content.decode()
    assert not TrustedIssuer.objects.filter(name=preset.label).exists()


def test_an_unknown_choice_is_an_empty_form(alice: Browser) -> None:
    answer = alice.get(f"{ADD}?preset=<script>")
    assert answer.status_code == 200
    assert answer.context["adminform"].form["name"].value() in {None, ""}
    assert b'<script>"' not in answer.content


def test_the_documents_say_when_to_take_each() -> None:
    text = (settings.BASE_DIR / "docs/configuration.md").read_text()
    for name, preset in presets.PRESETS.items():
        assert f"| `{name}` | {preset.situation} | `{preset.issuer}`" in text
