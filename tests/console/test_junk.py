"""Junk is a 4xx: every page of the console and of the account, with junk for each part of its address, in its query and
in each field of its forms. Nothing of it is a 5xx, and no key of no row shows a page.
"""

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import quote, unquote, urlsplit

import pytest
from django.test import Client as Browser
from django.urls import resolve

from tests.console.conftest import Page
from tests.support import everything, pages
from tests.support.rotation import part

# Percent-encoded, as they stand in an address.
KEYS = (
    "x",
    "0",
    "-1",
    "1.5",
    "9" * 30,
    "9" * 5000,
    "%00",
    "a%00b",
    "%ff%fe",
    "%ed%a0%80",
    "%27",
    "_5F",
    "..",
    "%F0%9F%92%A9",
    "é" * 300,
)
VALUES = (
    "",
    "x",
    "-1",
    "1.5",
    "1e9",
    "9" * 30,
    "9" * 5000,
    "%ff%fe",
    "%ed%a0%80",
    "%27%22",
    "%F0%9F%92%A9",
    "a" * 3000,
    "NaN",
    "0x10",
    "%C2%B2",
    "%EF%BC%91",
)
# Page → what it reads of its address, beside what a list declares (tests/console/test_lists.py).
READ = {
    "admin:index": ("period",),
    "admin:story": ("authorization", "client_id", "subject"),
    "admin:suggest": ("of", "of=people&q"),
    "admin:simulator": ("client_id", "client_id=nightly-report&resource", "client_id=nightly-report&username"),
    "admin:who_reaches": ("resource", "client_id", "username"),
    "admin:reach_matrix": ("agent", "server", "for", "o", "p", "c"),
    "admin:authz_rule_history_of_all": ("rule", "before"),
    "admin:authz_rule_restore": ("rule", "days"),
    "admin:authz_rule_delete": ("days",),
    "admin:cimd_document_inspect": ("document",),
    "admin:authz_client_changelist": ("p", "o", "q", "status__exact", "kind", "attention", "_to_field", "_popup"),
    "admin:authz_user_changelist": ("groups__id__exact", "is_active__exact", "role__isnull"),
    "admin:authz_auditevent_changelist": ("q", "event", "reason", "time__gte", "time__lt", "id__lte", "resource"),
    "admin:authz_accessrequest_changelist": ("waits", "_changelist_filters"),
    "admin:authz_client_change": ("_to_field", "_popup", "_changelist_filters"),
    "admin:authz_client_add": ("owner", "grant_types", "client_jwks", "_to_field"),
    "admin:authz_user_add": ("groups", "role"),
    "admin:authz_rule_add": ("groups", "scopes", "not_before"),
    "admin:xaa_subjectlink_add": ("issuer", "user"),
}
# What each value but a number makes a 400.
REFUSED = (("admin:index", "period"), ("admin:suggest", "of"), ("admin:authz_rule_delete", "days"))


def addresses() -> dict[str, str]:
    """name → the first address of each page."""
    return {name: found[0] for name, found in pages.pages(everything.first).items()}


def with_junk(path: str) -> Iterator[str]:
    """The address with each of its arguments replaced by each kind of junk."""
    for value in resolve(unquote(path)).kwargs.values():
        for written in {quote(str(value), safe=""), quote(str(value)), str(value)}:
            if f"/{written}/" in path:
                yield from (path.replace(f"/{written}/", f"/{junk}/", 1) for junk in KEYS)
                break


@pytest.fixture
def browser(signed_in: Page) -> Browser:
    found = signed_in("administrator")
    everything.fill()
    return found


def broken(answers: dict[str, int]) -> dict[str, int]:
    return {what[:200]: status for what, status in answers.items() if status >= 500}


def test_a_key_of_no_row_is_a_4xx_or_leads_back(browser: Browser) -> None:
    browser.raise_request_exception = False
    answers = {}
    for name, path in addresses().items():
        for junk in with_junk(path):
            answers[f"{name} {junk}"] = browser.get(junk).status_code

    assert len(answers) > 400
    assert broken(answers) == {}
    shown = [what for what, status in answers.items() if status == 200]
    # What is named by words, such as a target of the switch, may be a word.
    assert [what[:150] for what in shown] == []


@pytest.mark.parametrize("value", VALUES, ids=[value[:12] for value in VALUES])
def test_no_value_in_a_query_breaks_a_page(browser: Browser, value: str) -> None:
    """Each parameter gets every fourth value, and those whose refusal is checked below get all."""
    browser.raise_request_exception = False
    known = addresses() | {"admin:suggest": "/console/suggest/"}
    read = [(name, parameter) for name, parameters in READ.items() for parameter in parameters]
    answers = {
        f"{name} {parameter}": browser.get(f"{known[name]}?{parameter}={value}").status_code
        for name, parameter in {*part(read, VALUES.index(value), 4), *REFUSED}
    }
    answers["switch"] = browser.get(f"/console/switch/client/?id={value}").status_code
    answers["proof"] = browser.get(f"/console/authz/auditdestination/proof/{value}").status_code
    answers["export"] = browser.get(f"/console/authz/auditevent/export.{value}").status_code
    answers["export of"] = browser.get(f"/console/authz/auditevent/export.csv?time__gte={value}").status_code

    assert broken(answers) == {}
    assert {answers[name] for name in ("proof", "export")} <= {404}
    if value and value != "\u00b2":
        assert {answers[f"{name} {parameter}"] for name, parameter in REFUSED} == {400}


QUERIES = ("%00=1", "q=%00", "x=%00", "q=a%00b", "%ff=1", "q=%", "q=%zz", "&&&", "=", "q=1&q=2", "a=1&" * 1500)


@pytest.mark.parametrize("query", QUERIES, ids=[query[:12] for query in QUERIES])
def test_no_query_breaks_a_page(browser: Browser, query: str) -> None:
    """What no page reads is the same for all: each is asked to every sixth page, and each page gets some."""
    browser.raise_request_exception = False
    asked = part(list(addresses().items()), QUERIES.index(query), 6)
    assert broken({name: browser.get(f"{path}?{query}").status_code for name, path in asked}) == {}


@pytest.mark.parametrize("role", ["administrator", "auditor", "none"])
@pytest.mark.parametrize("page", ["authz/auditevent/1/history/", "authz/protectedresource/1/change/", "authz/user/"])
def test_a_refusal_with_more_fields_than_django_reads_is_no_crash(signed_in: Page, role: str, page: str) -> None:
    """Such as where the page of the refusal looks into the address itself."""
    browser = signed_in(role)
    browser.raise_request_exception = False
    assert browser.get(f"/console/{page}?{'a=1&' * 1500}").status_code in {302, 400, 403, 404}


JUNK_FIELDS = ("\0", "9" * 5000, "x", "[" * 3000, "-1", "\N{PILE OF POO}" * 3000)
_fields: dict[str, list[str]] = {}


def fields_of(browser: Browser, name: str, path: str) -> list[str]:
    """The fields of a page's forms; read once, as a page has the same for each kind of junk."""
    if name not in _fields:
        html = browser.get(path).content.decode()
        # Of rows below others, only the frame's own numbers are kept: Django counts by them.
        found = re.findall(r'<(?:input|textarea|select|button)[^>]*?\sname="([^"]+)"', html)
        is_posted = "post" in html.lower() and name not in {"account_logout", "admin:logout"}
        _fields[name] = [unescape(field) for field in dict.fromkeys(found)] if is_posted else []
    return _fields[name]


@pytest.mark.parametrize("value", JUNK_FIELDS, ids=[repr(value[:6]) for value in JUNK_FIELDS])
def test_no_field_of_a_form_breaks_a_page(browser: Browser, value: str) -> None:
    """Each page gets two of the values."""
    browser.raise_request_exception = False
    answers = {}
    for name, path in part(list(addresses().items()), JUNK_FIELDS.index(value), 3):
        fields = fields_of(browser, name, path)
        numbers = dict.fromkeys((field for field in fields if field.endswith(("TOTAL_FORMS", "INITIAL_FORMS"))), "1")
        for managed in (False, True) if numbers else (False,) if fields else ():
            given = dict.fromkeys(fields, value) | (numbers if managed else {})
            answers[f"{name} {managed}"] = browser.post(path, {**given, "action": value}).status_code
            assert "_auth_user_id" in browser.session, f"{name} ended the session"

    assert len(answers) > 15
    assert broken(answers) == {}


@pytest.mark.parametrize("path", ["cimd/document/x/change/", "cimd/document/inspect/?document=x"])
@pytest.mark.parametrize("role", ["administrator", "approver", "auditor", "developer", "none"])
def test_the_addresses_that_were_met_first(signed_in: Page, path: str, role: str) -> None:
    everything.fill() if role == "administrator" else None
    assert signed_in(role).get(f"/console/{path}").status_code in {302, 400, 403, 404}
    assert urlsplit(path).path
