"""One search: each identifier of a token's life, pasted, leads to what it names."""

import base64
import json
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from django.test import Client as Browser
from django.urls import reverse

from authz.configuration import apply
from authz.console.search import forms
from authz.models import AuditEvent, Client, ProtectedResource, Rule, SigningKey
from authz.protocol.timed_ids import made_at, timed_id
from tests.console.conftest import Page
from tests.support.world import NOTES, SECRET, World, claims, person
from xaa.models import SubjectLink, TrustedIssuer

EVENTS = "/console/authz/auditevent/"
ISSUER = """
trusted_issuers:
  - issuer: https://idp.example.com
    name: Corporate IdP
    accepts: [id-jag]
"""


def found(browser: Browser, text: str) -> str:
    """Where a text leads to at once; "" where there is a page of what it may mean."""
    answer = browser.get(f"/console/find/?{urlencode({'q': text})}")
    return answer["Location"] if answer.status_code == 302 else ""


def change(name: str, pk: object) -> str:
    return reverse(f"admin:authz_{name}_change", args=[pk])


def last(event: str) -> AuditEvent:
    return AuditEvent.objects.filter(event=event).latest("id")


def of_token(world: World, token: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Identifiers that a person may paste, and the pages to which they lead."""
    jwt = claims(token["access_token"])
    issued, bob = last("token:access:issued"), person("bob")
    rule = Rule.objects.get(name="Engineers use agents on Notes")
    app = Client.objects.get(client_id="desktop-app")
    server = ProtectedResource.objects.get(identifier=NOTES)
    kid = json.loads(forms_of(token["access_token"]))["kid"]
    why = reverse("admin:replay", args=[issued.pk])
    return {
        "jti": (jwt["jti"], why),
        "jti with its name": (f"jti:{jwt['jti']}", why),
        "jti in quotes": (f'"{jwt["jti"]}"', why),
        "authorization": (jwt["authorization"], change("authorization", jwt["authorization"])),
        "subject": (jwt["sub"], change("user", bob.pk)),
        "user name": ("bob", change("user", bob.pk)),
        "address of mail": ("Bob@example.com", change("user", bob.pk)),
        "client_id": ("desktop-app", change("client", app.pk)),
        "name of the agent": ("Desktop app", change("client", app.pk)),
        "audience": (NOTES, change("protectedresource", server.pk)),
        "audience with a slash": (f"{NOTES}/", ""),
        "request": (issued.request_id, change("auditevent", issued.pk)),
        "rule": (rule.name, change("rule", rule.pk)),
        "kid": (kid, change("signingkey", SigningKey.objects.get(kid=kid).pk)),
        "event": (
            "token:access:issued",
            f"{reverse('admin:authz_auditevent_changelist')}?event=token%3Aaccess%3Aissued",
        ),
        "address": ("127.0.0.1", f"{reverse('admin:authz_auditevent_changelist')}?q=address%3A127.0.0.1"),
    }


def forms_of(jwt: str) -> str:

    head = jwt.split(".", maxsplit=1)[0]
    return base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)).decode()


def test_each_identifier_of_a_token_leads_to_what_it_names(gatehouse: World, signed_in: Page) -> None:
    pasted = of_token(gatehouse, gatehouse.signed_in_tokens())
    browser = signed_in("administrator")
    assert {name: found(browser, text) for name, (text, _) in pasted.items()} == {
        name: url for name, (_, url) in pasted.items()
    }


def test_an_identifier_is_found_as_people_copy_it(gatehouse: World, signed_in: Page) -> None:
    jwt = claims(gatehouse.machine_token()["access_token"])
    issued, browser = last("token:access:issued"), signed_in("administrator")
    why, event = reverse("admin:replay", args=[issued.pk]), change("auditevent", issued.pk)
    agent = change("client", Client.objects.get(client_id="nightly-report").pk)
    copied = {
        f'"jti": "{jwt["jti"]}",': why,
        f"jti={jwt['jti']}": why,
        f"X-Request-Id: {issued.request_id}": event,
        f"Reference {issued.request_id}": event,
        f"http://127.0.0.1:8000/console/find/?q={issued.request_id}": event,
        f'{{"error":"invalid_scope","error_uri":"https://auth.example/console/find/?q={issued.request_id}"}}': event,
        f'{{"time":"2026-12-01T02:50:20+00:00","message":"failed","request_id":"{issued.request_id}"}}': event,
        f"2026-12-01 02:50:20,123 ERROR authz {issued.request_id} a line of more words than eight, all in all": event,
        "client_id=nightly-report": agent,
        "agent: Nightly report": agent,
        "mailto:bob@example.com": change("user", person("bob").pk),
        f"aud={NOTES}": change("protectedresource", ProtectedResource.objects.get(identifier=NOTES).pk),
        str(issued.pk): event,
    }
    assert {text: found(browser, text) for text in copied} == copied


def test_what_happened_at_a_time_is_found(gatehouse: World, signed_in: Page) -> None:
    gatehouse.machine_token()
    issued, browser = last("token:access:issued"), signed_in("auditor")
    day = f"time__gte={issued.time:%Y-%m-%d}T00%3A00%3A00%2B00%3A00&time__lt="
    assert found(browser, f"{issued.time:%Y-%m-%d}").startswith(f"{EVENTS}?{day}")
    for text in (f"nightly-report {issued.time:%Y-%m-%d}", f"{issued.time:%Y-%m-%d} Nightly report"):
        assert found(browser, text).startswith(f"{EVENTS}?q=client%3Anightly-report&{day}")
    assert found(browser, "bob@example.com yesterday").startswith(f"{EVENTS}?q=person%3Abob&time__gte=")
    page = browser.get(found(browser, str(int(issued.time.timestamp())))).content.decode()
    assert change("auditevent", issued.pk) in page


def test_a_developer_finds_no_events_by_their_time(gatehouse: World, signed_in: Page) -> None:
    gatehouse.machine_token()
    browser = signed_in("developer")
    for text in ("today", "nightly-report today", str(last("token:access:issued").pk), "invalid_client"):
        assert EVENTS not in browser.get(f"/console/find/?{urlencode({'q': text})}").content.decode(), text
        assert not found(browser, text), text


def test_the_code_of_an_answer_leads_to_the_reasons_behind_it(gatehouse: World, signed_in: Page) -> None:
    gatehouse.post("token", {"grant_type": "client_credentials", "client_id": "nobody", "client_secret": "x"})
    page = signed_in("auditor").get("/console/find/?q=invalid_client").content.decode()
    assert "q=reason%3Aclient_unknown" in page
    assert "q=reason%3Aclient_assertion_signature" not in page  # it did not occur


def test_a_foreign_subject_and_an_assertion_are_found(gatehouse: World, signed_in: Page) -> None:
    apply(ISSUER)
    issuer = TrustedIssuer.objects.get()
    SubjectLink.objects.create(issuer=issuer, subject="00u1abcd", user=person("bob"))
    event = AuditEvent.objects.create(
        time=datetime.now(UTC), event="token:access:issued", detail={"assertion_jti": "of-the-issuer-17", "jti": "x"}
    )
    browser = signed_in("administrator")
    assert found(browser, "sub: 00u1abcd") == change("user", person("bob").pk)
    assert found(browser, "of-the-issuer-17") == change("auditevent", event.pk)


def test_what_a_rule_allowed_is_found_from_its_page(gatehouse: World, signed_in: Page) -> None:
    gatehouse.machine_token()
    issued, browser = last("token:access:issued"), signed_in("administrator")
    page = browser.get(change("rule", Rule.objects.get(name="Agents read notes").pk)).content.decode()
    assert f"{EVENTS}?rule=Agents+read+notes" in page
    for name, is_there in (("Agents read notes", True), ("Engineers use agents on Notes", False)):
        shown = browser.get(f"{EVENTS}?{urlencode({'rule': name})}").content.decode()
        assert (change("auditevent", issued.pk) in shown) is is_there


def test_a_mistyped_server_is_offered(gatehouse: World, signed_in: Page) -> None:
    page = signed_in("administrator").get(f"/console/find/?{urlencode({'q': f'{NOTES}/'})}").content.decode()
    assert change("protectedresource", ProtectedResource.objects.get(identifier=NOTES).pk) in page


def test_the_reference_of_an_error_page_leads_to_the_refusal(gatehouse: World, signed_in: Page) -> None:
    answer = gatehouse.browser.get(gatehouse.authorize_url(redirect_uri="https://evil.example/"))
    refusal = AuditEvent.objects.exclude(reason="").latest("id")
    assert refusal.request_id in answer.content.decode()
    assert found(signed_in("auditor"), refusal.request_id) == change("auditevent", refusal.pk)


def test_a_request_id_that_came_with_the_request_is_found_too(gatehouse: World, signed_in: Page) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    gatehouse.post("token", {"grant_type": "client_credentials"}, **headers)
    refused = AuditEvent.objects.latest("id")
    assert found(signed_in("auditor"), trace) == change("auditevent", refused.pk)


def test_an_issuer_is_found_by_its_identifier_and_its_name(gatehouse: World, signed_in: Page) -> None:
    apply(ISSUER)
    browser = signed_in("administrator")
    leads = {found(browser, text) for text in ("https://idp.example.com", "https://idp.example.com/", "Corporate IdP")}
    assert len(leads) == 1
    assert "/console/xaa/trustedissuer/" in leads.pop()


def test_a_reason_is_found_and_explained(gatehouse: World, signed_in: Page) -> None:
    assert "q=reason%3Ascope_unknown" in found(signed_in("auditor"), "scope unknown")


def test_words_that_nothing_is_called_by_are_named(gatehouse: World, signed_in: Page) -> None:
    page = signed_in("administrator").get("/console/find/?q=nightly-report+froblicate").content.decode()
    assert "Nothing here is called <bdi><strong>froblicate</strong></bdi>." in page
    assert change("client", Client.objects.get(client_id="nightly-report").pk) in page


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_token_in_the_address_is_not_looked_up(gatehouse: World, signed_in: Page, kind: str) -> None:
    token = gatehouse.signed_in_tokens()[kind]
    page = signed_in("administrator").get(f"/console/find/?{urlencode({'q': token})}").content.decode()
    assert "A token does not belong in an address." in page
    assert token not in page


# --- Who finds what


@pytest.mark.parametrize(
    ("role", "text", "is_found"),
    [
        ("auditor", "bob", True),
        ("developer", "bob", False),
        ("developer", "Notes", True),
        ("developer", "token:access:issued", False),
        ("approver", "Agents read notes", True),
        ("developer", "Agents read notes", False),
    ],
)
def test_only_what_a_role_may_see_is_found(
    gatehouse: World, signed_in: Page, role: str, text: str, is_found: bool
) -> None:
    gatehouse.machine_token()
    assert bool(found(signed_in(role), text)) is is_found


def test_a_developer_finds_no_agents_of_others(gatehouse: World, signed_in: Page) -> None:
    page = signed_in("developer").get("/console/find/?q=nightly-report")
    assert page.status_code == 200
    assert "/console/authz/client/" not in page.content.decode().partition('id="main"')[2]


def test_strangers_are_sent_to_sign_in(gatehouse: World) -> None:
    assert "/console/login/" in Browser().get("/console/find/?q=bob")["Location"]


# --- Forms


@pytest.mark.parametrize(
    ("text", "bare"),
    [(" a ", "a"), ("“a”", "a"), ("<https://x/>", "https://x/"), ("Bearer abc", "abc"), ("a,", "a"), ("'a b'", "a b")],
)
def test_what_is_copied_along_is_left_out(text: str, bare: str) -> None:
    assert forms.bare(text) == bare


@pytest.mark.parametrize(
    ("identifier", "seconds"),
    [
        (timed_id(1_800_000_000.7, bytes(12)), 1_800_000_000),
        ("0af7651916cd43dd8448eb211c80319c", None),  # before there were such identifiers
        ("ffffffff" + "0" * 24, None),
        ("6b49d200", None),
        ("", None),
        ("6B49D200" + "0" * 24, None),
    ],
)
def test_an_identifier_says_when_it_was_made(identifier: str, seconds: int | None) -> None:
    assert made_at(identifier, now=1_800_000_100) == seconds


def test_a_developer_s_secret_is_not_an_identifier() -> None:
    assert not forms.is_hex_id(SECRET)
