"""A request of any permitted length outlives its detours, and one that comes by POST arrives like one by GET."""

import base64
import zlib
from collections.abc import Callable
from html import unescape
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
from django.core import mail
from django.test import Client as Browser

from authz.conf import conf
from authz.models import AuditEvent, Consent
from authz.protocol import packed_query
from authz.protocol.errors import OAuthError, Reason
from authz.sign_in import account_mails
from authz.sign_in.account_adapter import AccountAdapter
from tests.support.world import REDIRECT, World, hidden_fields, redirect_parameters

NEW = "another-password-of-bob"
FORM = "application/x-www-form-urlencoded"
AUTHORIZE = f"{conf.issuer_path}/authorize"
LONG: dict[str, dict[str, str]] = {
    "a short request": {"state": "xyz"},
    "a state of 2,048 characters": {"state": "s" * 2048},
    "one that can't be compressed": {"state": base64.b64encode(bytes(n * n % 251 for n in range(1500))).decode()},
    "one of odd characters": {"state": "%&=?#+/ " * 256},
    "one of letters that need two bytes": {"state": "ä" * 2048},
    "one of signs that need four bytes": {"state": "🔑" * 2048},
    "80 scope names": {"scope": " ".join(["mcp:read", *(f"tool:{n:03}:a-rather-long-name-of-it" for n in range(80))])},
    "100 scope names": {"scope": " ".join(["mcp:read", *(f"scope:{n}" for n in range(99))])},
    "an unknown parameter": {"x-vendor": "v" * 4000},
    "just below Django's limit": {"state": "s" * 1700},
    "just above it": {"state": "s" * 1900},
    "all of it": {"state": "s" * 2048, "acr_values": "", "ui_locales": "de " * 500, "claims": '{"id_token":{}}' * 60},
}


def state_of(changes: dict[str, str]) -> str:
    return changes.get("state", "xyz")


def consent(gatehouse: World, page: Any) -> dict[str, str]:
    """Press “Allow” on a page, at the address that its form names."""
    assert page.status_code == 200, (page.status_code, page.headers)
    action = page.content.decode().partition('<form method="post" action="')[2].partition('"')[0].replace("&amp;", "&")
    answer = gatehouse.browser.post(action, hidden_fields(page) | {"allow": "true"})
    assert answer.status_code == 302, answer.content
    assert answer["Location"].startswith(REDIRECT)
    return redirect_parameters(answer)


def by_login(gatehouse: World, url: str) -> Any:
    asked = gatehouse.browser.get(url)
    assert urlsplit(asked["Location"]).path == "/accounts/login/"
    form = hidden_fields(gatehouse.browser.get(asked["Location"])) | {"login": "bob", "password": "bob-password"}
    back = gatehouse.browser.post("/accounts/login/", form)
    return gatehouse.browser.get(back["Location"])


def by_another_person(gatehouse: World, url: str) -> Any:
    """“Not alice? Sign out” on the page of another person's session."""
    gatehouse.sign_in("alice")
    link = linked(gatehouse.browser.get(url), "Sign out")
    form = hidden_fields(gatehouse.browser.get(link))
    back = gatehouse.browser.post("/accounts/logout/", form)
    return by_login(gatehouse, back["Location"])


def linked(page: Any, text: str) -> str:
    """Where a page's link of this text leads: the last one, since the head of every page has some, too."""
    before, found, _ = page.content.decode().rpartition(f">{text}</a>")
    assert found, page.content
    return unescape(before.rpartition('href="')[2].removesuffix('"'))


def by_a_forgotten_password(gatehouse: World, url: str) -> Any:
    """From the sign-in page to the mail, by its link to another password, and to the sign-in page again."""
    sign_in = gatehouse.browser.get(gatehouse.browser.get(url)["Location"])
    ask = gatehouse.browser.get(linked(sign_in, "Forgot your password?"))
    sent = gatehouse.browser.post(
        "/accounts/password/reset/", hidden_fields(ask) | {"email": "bob@example.com"}, follow=True
    )
    assert b"Look into your mailbox" in sent.content
    choose = gatehouse.browser.get(mailed_link(), follow=True)
    saved = gatehouse.browser.post(choose.redirect_chain[-1][0], {"password1": NEW, "password2": NEW}, follow=True)
    assert b"Your password is changed" in saved.content
    again = gatehouse.browser.get(linked(saved, "Sign in"))
    form = hidden_fields(again) | {"login": "bob", "password": NEW}
    return gatehouse.browser.get(gatehouse.browser.post("/accounts/login/", form)["Location"])


def mailed_link() -> str:
    account_mails.wait()
    link = next(word for word in str(mail.outbox[-1].body).split() if "/password/reset/key/" in word)
    assert "next" not in link
    return link.removeprefix(conf.origin)


def by_reauthentication(gatehouse: World, url: str) -> Any:
    gatehouse.sign_in("bob")
    asked = gatehouse.browser.get(f"{url}&prompt=login")
    assert urlsplit(asked["Location"]).path == "/accounts/reauthenticate/"
    form = hidden_fields(gatehouse.browser.get(asked["Location"])) | {"password": "bob-password"}
    back = gatehouse.browser.post(asked["Location"], form)
    return gatehouse.browser.get(back["Location"])


@pytest.mark.parametrize("detour", [by_login, by_another_person, by_a_forgotten_password, by_reauthentication])
@pytest.mark.parametrize("changes", LONG.values(), ids=LONG)
def test_a_request_outlives_its_detour(
    gatehouse: World, changes: dict[str, str], detour: Callable[[World, str], Any]
) -> None:
    page = detour(gatehouse, gatehouse.authorize_url(**changes))
    assert b"Your agents</h1>" not in page.content
    assert consent(gatehouse, page)["state"] == state_of(changes)


def test_a_mailed_link_leads_another_browser_to_no_request(gatehouse: World) -> None:
    """Attack: a person who requests another person's mail cannot choose where its link leads."""
    stranger = Browser()
    address = f"/accounts/password/reset/?{urlencode({'next': gatehouse.authorize_url()})}"
    stranger.post(address, {"email": "bob@example.com"})
    choose = gatehouse.browser.get(mailed_link(), follow=True)
    saved = gatehouse.browser.post(choose.redirect_chain[-1][0], {"password1": NEW, "password2": NEW}, follow=True)
    assert linked(saved, "Sign in") == "/accounts/login/"


@pytest.mark.parametrize(
    "address", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "\\\\evil.example", ""]
)
def test_a_forgotten_password_leads_nowhere_else(gatehouse: World, address: str) -> None:
    asked = gatehouse.browser.post(
        f"/accounts/password/reset/?{urlencode({'next': address})}", {"email": "bob@example.com"}
    )
    assert asked["Location"] == "/accounts/password/reset/done/"
    choose = gatehouse.browser.get(mailed_link(), follow=True)
    saved = gatehouse.browser.post(choose.redirect_chain[-1][0], {"password1": NEW, "password2": NEW})
    assert saved["Location"] == "/accounts/password/reset/key/done/"


def test_a_mail_for_another_person_keeps_the_request(gatehouse: World) -> None:
    """The link signs a signed-in person out, and makes a new session."""
    url = gatehouse.authorize_url()
    gatehouse.browser.post(f"/accounts/password/reset/?{urlencode({'next': url})}", {"email": "bob@example.com"})
    gatehouse.sign_in("alice")
    choose = gatehouse.browser.get(mailed_link(), follow=True)
    saved = gatehouse.browser.post(choose.redirect_chain[-1][0], {"password1": NEW, "password2": NEW}, follow=True)
    assert linked(saved, "Sign in") == f"/accounts/login/?{urlencode({'next': url})}"


def test_a_link_that_is_too_old_asks_for_another_one_with_the_request(gatehouse: World) -> None:
    url = gatehouse.authorize_url()
    gatehouse.browser.post(f"/accounts/password/reset/?{urlencode({'next': url})}", {"email": "bob@example.com"})
    used = mailed_link()
    broken = gatehouse.browser.get(used[:-3] + "xx/", follow=True)
    assert linked(broken, "Ask for a new link") == f"/accounts/password/reset/?{urlencode({'next': url})}"


def test_what_is_too_long_is_refused_with_a_page_and_an_event(gatehouse: World) -> None:
    noise = base64.b64encode(bytes(hash((n, "x")) % 256 for n in range(30_000))).decode()
    for user in (None, "bob"):
        if user:
            gatehouse.sign_in(user)
        answer = gatehouse.browser.get(gatehouse.authorize_url(vendor=noise))
        assert (answer.status_code, b"too long" in answer.content) == (400, True)
        event = AuditEvent.objects.filter(event="authorize:request:refused").latest("id")
        assert (event.reason, event.client_id) == ("request_too_long", "desktop-app")


@pytest.mark.parametrize(
    "junk",
    [
        "continue=", "continue=%%%", "continue=AAAA", "continue=" + "A" * 20_000, "continue=é",
        "continue=" + base64.urlsafe_b64encode(zlib.compress(b"a" * 100_000)).decode(),
        "continue=" + base64.urlsafe_b64encode(zlib.compress(b"client_id=x")[:-3]).decode(),
        "continue=" + base64.urlsafe_b64encode(zlib.compress(b"client_id=x") + b"more").decode(),
        "continue=" + base64.urlsafe_b64encode(zlib.compress(b"continue=AAAA")).decode(),
        "continue=" + base64.urlsafe_b64encode(zlib.compress(b"client_id=%zz")).decode(),
    ],
)  # fmt: skip
def test_a_packed_request_that_was_not_packed_here_is_refused(gatehouse: World, junk: str) -> None:
    assert gatehouse.browser.get(f"{AUTHORIZE}?{junk}").status_code == 400


@pytest.mark.parametrize("query", [b"", b"a=b", b"a=" + b"b" * 1498, b"a=" + b"b" * 1499, b"%C3%A4" * 4000])
def test_packing_keeps_every_byte(query: bytes) -> None:
    short = packed_query.packed(query)
    assert packed_query.unpacked(short) == query
    assert len(short) <= max(len(query), 1500)


def test_packing_has_an_end() -> None:
    with pytest.raises(OAuthError) as error:
        packed_query.packed(bytes(hash((n, "y")) % 256 for n in range(20_000)))
    assert error.value.reason is Reason.REQUEST_TOO_LONG


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (f"{AUTHORIZE}?{'a' * 3000}", True),
        (f"{AUTHORIZE}?a=b", True),
        (f"{AUTHORIZE}?a=\\b" + "a" * 3000, False),
        (f"{AUTHORIZE}?a=\n" + "a" * 3000, False),
        (f"//evil.example{AUTHORIZE}?" + "a" * 3000, False),
        (f"/{AUTHORIZE}?" + "a" * 3000, False),
        (f"\\{AUTHORIZE}?" + "a" * 3000, False),
        ("https://evil.example/" + "a" * 3000, False),
        (f"https://evil.example{AUTHORIZE}?a=b", False),
        (f"javascript:{AUTHORIZE}?" + "a" * 3000, False),
        (f" {AUTHORIZE}?" + "a" * 3000, False),
        ("/account/?" + "a" * 3000, False),
    ],
)
def test_only_our_own_requests_may_be_long(address: str, expected: bool) -> None:
    assert AccountAdapter().is_safe_url(address) is expected


# --- By POST ---------------------------------------------------------------------------------------------------------


def split(url: str) -> tuple[str, dict[str, str]]:
    parts = urlsplit(url)
    return parts.path, dict(parse_qsl(parts.query))


def in_the_body(browser: Browser, url: str, **headers: str) -> Any:
    path, form = split(url)
    return browser.post(path, urlencode(form), content_type=FORM, headers=headers)


def in_the_query(browser: Browser, url: str, **headers: str) -> Any:
    return browser.post(url, "", content_type=FORM, headers=headers)


def in_both(browser: Browser, url: str, **headers: str) -> Any:
    path, form = split(url)
    first = {name: form.pop(name) for name in ("client_id", "redirect_uri") if name in form}
    return browser.post(f"{path}?{urlencode(first)}", urlencode(form), content_type=FORM, headers=headers)


def as_multipart(browser: Browser, url: str, **headers: str) -> Any:
    path, form = split(url)
    return browser.post(path, form, headers=headers)


WAYS = [in_the_body, in_the_query, in_both, as_multipart]
REQUESTS: list[dict[str, Any]] = [
    {}, {"prompt": "login"}, {"prompt": "none"}, {"prompt": "consent"}, {"prompt": "select_account"},
    {"prompt": "create"}, {"max_age": "0"}, {"response_type": "token"}, {"response_type": None}, {"scope": "nothing"},
    {"client_id": "nobody"}, {"client_id": None}, {"redirect_uri": "https://evil.example/"}, {"request": "x.y.z"},
    {"request_uri": "https://app.example.com/r"}, {"code_challenge": None}, {"claims": "{}"},
    {"login_hint": "bob", "ui_locales": "de", "display": "page", "id_token_hint": "x"}, {"state": "s" * 2049},
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("username", ["", "bob"])
@pytest.mark.parametrize("changes", REQUESTS, ids=str)
def test_a_post_arrives_like_a_get(
    gatehouse: World, changes: dict[str, Any], username: str, way: Callable[..., Any]
) -> None:
    strict = Browser(enforce_csrf_checks=True)
    if username:
        gatehouse.sign_in(username)
        strict.cookies = gatehouse.browser.cookies
    url = gatehouse.authorize_url(**changes)
    by_get, by_post = strict.get(url), way(strict, url)
    assert by_post.status_code == by_get.status_code
    assert _without_order(by_post.get("Location", "")) == _without_order(by_get.get("Location", ""))


def _without_order(location: str) -> tuple[str, list[tuple[str, object]]]:
    """An address, its query and that of the address which it leads back to in one order."""
    parts = urlsplit(location)
    return parts.path, sorted(
        (name, _inner(value) if name == "next" else value) for name, value in parse_qsl(parts.query)
    )


def _inner(address: str) -> tuple[str, list[tuple[str, str]]]:
    parts = urlsplit(address)
    return parts.path, sorted(parse_qsl(packed_query.unpacked(parts.query.encode()).decode()))


def test_a_posted_request_goes_through_sign_in_and_consent(gatehouse: World) -> None:
    asked = in_the_body(gatehouse.browser, gatehouse.authorize_url(state="s" * 2048))
    form = hidden_fields(gatehouse.browser.get(asked["Location"])) | {"login": "bob", "password": "bob-password"}
    back = gatehouse.browser.post("/accounts/login/", form)
    given = consent(gatehouse, gatehouse.browser.get(back["Location"]))
    assert given["state"] == "s" * 2048
    assert gatehouse.redeem(given["code"]).status_code == 200


def test_the_page_of_a_posted_request_is_answered_at_the_requests_address(gatehouse: World) -> None:
    gatehouse.sign_in("bob")
    assert "code" in consent(gatehouse, in_the_body(gatehouse.browser, gatehouse.authorize_url()))


@pytest.mark.parametrize("origin", ["https://app.example.com", "null"])
def test_a_form_of_another_site_comes_again_with_the_session(gatehouse: World, origin: str) -> None:
    """Browsers keep the session's cookie back from it, and would be sent to sign in once more."""
    answer = in_the_body(Browser(), gatehouse.authorize_url(prompt="none"), origin=origin)
    assert answer.status_code == 303
    gatehouse.authorize()
    given = redirect_parameters(gatehouse.browser.get(answer["Location"]))
    assert "code" in given


def test_a_form_of_another_site_that_is_wrong_is_told_at_once(gatehouse: World) -> None:
    answer = in_the_body(Browser(), gatehouse.authorize_url(client_id="nobody"), origin="https://app.example.com")
    assert answer.status_code == 400


@pytest.mark.parametrize("field", ["allow", "deny", "ask", "shown", "csrfmiddlewaretoken"])
@pytest.mark.parametrize("way", [in_the_body, in_both, as_multipart])
def test_no_decision_comes_by_a_clients_post(gatehouse: World, way: Callable[..., Any], field: str) -> None:
    """A page elsewhere can't answer in the person's name, whatever it adds to the form of an authorization request."""
    gatehouse.sign_in("bob")
    strict = Browser(enforce_csrf_checks=True)
    strict.cookies = gatehouse.browser.cookies
    before = Consent.objects.count()
    answer = way(strict, f"{gatehouse.authorize_url()}&{field}=true")
    assert answer.status_code in {400, 403}
    assert "code" not in parse_qs(urlsplit(answer.get("Location", "")).query)
    assert Consent.objects.count() == before


@pytest.mark.parametrize(
    ("body", "content_type", "query"),
    [
        ("client_id=desktop-app&client_id=desktop-app", FORM, ""),
        ("client_id=desktop-app", FORM, "client_id=desktop-app"),
        ('{"client_id": "desktop-app"}', "application/json", ""),
        ("client_id=%zz", FORM, ""),
        ("client_id=desktop%00app", FORM, ""),
        ("client_id=desktop-app", "text/plain", ""),
    ],
)
def test_a_body_that_reads_in_two_ways_is_a_page(gatehouse: World, body: str, content_type: str, query: str) -> None:
    answer = gatehouse.browser.post(f"{AUTHORIZE}?{query}", body, content_type=content_type)
    assert answer.status_code == 400
    assert AuditEvent.objects.filter(event="authorize:request:refused").exists()
