"""No name and no reason reaches those who read it with characters that they do not see: every door, one rule."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from authz.approvals import access_requests, voting
from authz.authorizations import cut_off
from authz.configuration import ConfigurationError, apply
from authz.models import AccessRequest, Client, CutOff, ProtectedResource, Scope, User
from authz.protocol.display_names import has_unseen, visible, visible_lines
from tests.console.conftest import Page
from tests.console.test_file_and_form import APP, in_file
from tests.support.world import NOTES, client, person
from xaa.subjects import said_groups

pytestmark = pytest.mark.any_database

UNSEEN = [
    ("Claude\N{RIGHT-TO-LEFT OVERRIDE}gpj", "Claude⟨U+202E⟩gpj"),
    ("Claude\N{ZERO WIDTH SPACE}", "Claude⟨U+200B⟩"),
    ("Cla\N{SOFT HYPHEN}ude", "Cla⟨U+00AD⟩ude"),
    ("\N{HANGUL FILLER}", "⟨U+3164⟩"),
    ("Claude\N{VARIATION SELECTOR-16}", "Claude⟨U+FE0F⟩"),
    ("A\x07B", "A⟨U+0007⟩B"),
    ("Cla\N{WORD JOINER}ude\N{LEFT-TO-RIGHT ISOLATE}", "Cla⟨U+2060⟩ude⟨U+2066⟩"),
    ("Z" + "\N{COMBINING ACUTE ACCENT}" * 6, None),
]
SEEN = ["Café Zoë", "日本語エージェント", "Ürün ajanı", "وكيل", "עוזר", "Nightly report (v2)", "Agent – beta"]
values = pytest.mark.parametrize(("value", "shown"), UNSEEN, ids=[ascii(value)[1:24] for value, _ in UNSEEN])


def configured(section: str, **item: Any) -> None:
    apply(json.dumps({section: [item]}))


@values
def test_what_people_read_is_spelt_out_by_the_file(gatehouse: object, value: str, shown: str | None) -> None:
    shown = shown or visible(value)
    in_file(client_name=value, redirect_uris=["https://a.example/cb"])
    configured(
        "resources", identifier="https://new.example/mcp", name=value, scopes=[{"name": "a:b", "description": value}]
    )
    configured("trusted_issuers", issuer="https://idp.example", name=value, accepts=["id-jag"])

    assert client("from-file").name == shown
    assert ProtectedResource.objects.get(identifier="https://new.example/mcp").name == shown
    assert Scope.objects.get(name="a:b").description == shown
    again = apply(json.dumps({"clients": [{**APP, "client_name": value, "redirect_uris": ["https://a.example/cb"]}]}))
    assert [change for change in again if change.action != "unchanged"] == []


@values
def test_what_people_read_is_spelt_out_by_the_console(signed_in: Page, value: str, shown: str | None) -> None:
    shown = shown or visible(value)
    developer, administrator = signed_in("developer"), signed_in("administrator")
    given = {"name": value, "grant_types": ["client_credentials"], "token_endpoint_auth_method": "client_secret_basic"}
    developer.post("/console/authz/client/add/", {**given, "client_id": "of-erin"})
    scopes = {
        "scopes-TOTAL_FORMS": "1",
        "scopes-INITIAL_FORMS": "0",
        "scopes-0-name": "a:b",
        "scopes-0-sensitivity": "low",
    }
    server = {
        "name": value,
        "identifier": "https://new.example/mcp",
        "access_token_lifetime": "600",
        "pending_answer": "always",
    }
    administrator.post(
        "/console/authz/protectedresource/add/",
        {**server, "access_token_signing_alg": "RS256", **scopes, "scopes-0-description": value},
    )

    assert client("of-erin").name == shown
    assert ProtectedResource.objects.get(identifier="https://new.example/mcp").name == shown
    assert Scope.objects.get(name="a:b").description == shown
    page = signed_in("approver").get(f"/console/authz/client/{client('of-erin').pk}/change/").content.decode()
    assert not has_unseen(page.replace("\n", "").replace("\t", ""))


@values
def test_what_people_read_is_spelt_out_by_the_api(signed_in: Page, value: str, shown: str | None) -> None:
    browser = signed_in("developer")
    given = {**APP, "client_name": value, "redirect_uris": ["https://a.example/cb"]}
    answer = browser.post("/api/v1/agents", json.dumps(given), content_type="application/json")

    assert answer.status_code == 201, answer.content
    assert answer.json()["client_name"] == (shown or visible(value)) == client("from-file").name


@values
def test_reasons_and_comments_are_spelt_out(gatehouse: object, value: str, shown: str | None) -> None:
    shown, now = shown or visible(value), datetime.now(UTC)
    row = AccessRequest.objects.create(
        digest="x", client=client("desktop-app"), user=person("bob"), resource=NOTES, grant_type="authorization_code",
        scopes=["mcp:read"], first_asked=now, last_asked=now,
    )  # fmt: skip
    access_requests.add_justification(row, by=person("bob"), reason=value, now=now)
    assert AccessRequest.objects.get(pk=row.pk).reason == shown
    voting.deny(row, by=person("alice"), comment=f"{value}\n{value}\0", now=now)
    assert AccessRequest.objects.get(pk=row.pk).comment == f"{shown}\n{visible(value + chr(0))}"
    found = cut_off.target("client", "desktop-app")
    cut_off.cut_off(found, kind="client", identifier="desktop-app", reason=value, by="alice", now=now)
    assert CutOff.objects.get().reason == shown


KEYS: dict[str, Callable[[str], None]] = {
    "group": lambda value: configured("users", username="zoe", groups=[value]),
    "user name": lambda value: configured("users", username=value),
    "tag": lambda value: configured("clients", **APP, redirect_uris=["https://a.example/cb"], tags=[value]),
    "environment": lambda value: configured(
        "clients", **APP, redirect_uris=["https://a.example/cb"], environment=value
    ),
    "webhook": lambda value: configured("webhooks", name=value, url="https://a.example/hook"),
    "rule": lambda value: configured(
        "rules", name=value, effect="deny", clients=["*"], grant_types=["*"], resources=["*"], scopes=["*"]
    ),
}


@values
@pytest.mark.parametrize("door", KEYS)
def test_a_name_that_others_refer_to_is_refused(gatehouse: object, door: str, value: str, shown: str | None) -> None:
    with pytest.raises(ConfigurationError):
        KEYS[door](value)


@pytest.mark.parametrize("value", SEEN)
def test_what_can_be_seen_stays_as_it_is(signed_in: Page, value: str) -> None:
    assert visible(value) == visible_lines(value) == value
    in_file(client_name=value, tags=[value], environment=value, redirect_uris=["https://a.example/cb"])
    row = client("from-file")
    assert (row.name, row.tags, row.environment) == (value, [value], value)
    signed_in("administrator").post("/console/auth/group/add/", {"name": value})
    assert said_groups.read({"g": [value]}, "g") == (value,)


@values
def test_the_other_doors_of_names_that_others_refer_to(signed_in: Page, value: str, shown: str | None) -> None:
    browser = signed_in("administrator")
    pending = Client.objects.get(client_id="pending-agent")
    assert browser.post("/console/auth/group/add/", {"name": value}).status_code == 200
    approval = {"owner": "charlie", "environment": value, "until": "2027-01-01"}
    assert browser.post(f"/console/authz/client/{pending.pk}/switch/approved/", approval).status_code == 200
    with pytest.raises(CommandError):
        call_command("agents", "approve", "pending-agent", "--by", "alice", "--environment", value)
    assert said_groups.read({"g": [value, "plain"]}, "g") == tuple(sorted({shown or visible(value), "plain"}))
    assert User.objects.filter(groups__name=value).count() == 0
