"""Every page that the URL conf knows, with rows in which a stranger tried everything (attacks 11 and 31)."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext

from authz.conf import conf
from authz.models import Client, User
from tests.console.conftest import Page
from tests.support import everything, pages

# What sets its text apart from its surroundings by itself, whatever directions are in it (HTML, §15.3.3 and §15.3.5).
APART = {"bdi", "textarea", "title", "option"}
BLOCKS = {
    "address", "dd", "details", "div", "dl", "dt", "fieldset", "form", "h1", "h2", "h3", "header", "li", "main", "nav",
    "ol", "p", "pre", "section", "summary", "table", "tbody", "td", "th", "thead", "tr", "ul", "body", "html",
}  # fmt: skip
VOID = {"input", "img", "br", "meta", "link", "hr", "use", "rect", "line", "wbr"}
MOST_QUERIES = 40


@dataclass(frozen=True, slots=True)
class Visit:
    """One page as Alice got it; `queries` is what the database was asked meanwhile."""

    name: str
    path: str
    response: HttpResponse
    queries: list[str]

    @property
    def html(self) -> str:
        return self.response.content.decode()


@pytest.fixture
def alice(signed_in: Page) -> Browser:
    browser = signed_in("administrator")
    everything.fill()
    return browser


def visit_all(browser: Browser) -> list[Visit]:
    visits = []
    for name, paths in pages.pages(everything.first).items():
        for path in paths:
            with CaptureQueriesContext(connection) as captured:
                response = browser.get(path)
            visits.append(Visit(name, path, response, [query["sql"] for query in captured]))
    return visits


_visits: list[Visit] = []


@pytest.fixture
def visits(request: pytest.FixtureRequest) -> list[Visit]:
    """Each page, visited once for all tests."""
    if not _visits:
        _visits.extend(visit_all(request.getfixturevalue("alice")))
    return _visits


def problems_on(visits: Iterable[Visit], problems_of: Callable[[HttpResponse], list[str]]) -> dict[str, list[str]]:
    """path → what is wrong with it, for the pages that have something wrong."""
    found = {}
    for visit in visits:
        if visit.response.status_code not in {200, 302, 403, 404}:
            found[visit.path] = [f"status {visit.response.status_code}"]
        elif visit.response.status_code != 302 and (problems := problems_of(visit.response)):
            found[visit.path] = problems
    return found


def nothing_wrong(found: Mapping[str, object]) -> None:
    assert not found, "\n" + "\n".join(f"{path}: {problem}" for path, problem in found.items())


def test_the_catalogue_knows_every_page(alice: Browser) -> None:
    known = pages.pages(everything.first)

    assert len(known) > 90
    assert "admin:xaa_session_changelist" in known
    assert "account_request" in known


def test_every_page_has_a_strict_policy_and_nothing_inline(visits: list[Visit]) -> None:
    def problems(response: HttpResponse) -> list[str]:
        html = response.content.decode()
        policy = response["Content-Security-Policy"]
        checks = {
            "policy": "unsafe" not in policy and "default-src 'none'" in policy,
            "frames": "frame-ancestors 'none'" in policy and response["X-Frame-Options"] == "DENY",
            "inline": not re.search(r"<style|<[^>]*\sstyle=|<[^>]*\son[a-z]+=(?!\w*alert)|\"javascript:", html),
            "script": not re.search(r"<script(?![^>]*\ssrc=)(?![^>]*type=\"application/json\")", html),
            "origin": not re.search(r'(?:src|action)="(?:https?:)?//', html.replace(conf.origin, "")),
            "csrf": len(re.findall(r'<form[^>]*method="post"', html)) == html.count('name="csrfmiddlewaretoken"'),
        }
        return [name for name, holds in checks.items() if not holds]

    nothing_wrong(problems_on(visits, problems))


class Isolation(HTMLParser):
    """Collects elements that a stranger made, and text of a stranger's that shares its block with anything else."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[list[str]] = [[]]  # of each open block, what stands directly in it
        self.problems: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if any(name.startswith("on") for name, _ in attrs) or ("src", "x") in attrs:
            self.problems.append(f"a stranger's <{tag}>")
        if tag not in VOID:
            self.open.append(tag)
        if tag in BLOCKS:
            self.texts.append([])

    def handle_endtag(self, tag: str) -> None:
        while tag in self.open:
            closed = self.open.pop()
            if closed in BLOCKS:
                self._judge(self.texts.pop())
            if closed == tag:
                return

    def handle_data(self, data: str) -> None:
        if "script" in self.open and "alert" in data:
            self.problems.append("a stranger's script")
        if data.strip() and not APART.intersection(self.open):
            self.texts[-1].append(data.strip())

    def _judge(self, texts: list[str]) -> None:
        if len(texts) > 1 or any(not text.startswith(everything.HOSTILE[:40]) for text in texts):
            self.problems += [f"not set apart: {text[:90]!r}" for text in texts if everything.RIGHT_TO_LEFT in text]


def test_foreign_text_is_escaped_and_set_apart_on_every_page(visits: list[Visit]) -> None:
    def problems(response: HttpResponse) -> list[str]:
        parser = Isolation()
        parser.feed(response.content.decode())
        return parser.problems

    nothing_wrong(problems_on(visits, problems))


def test_a_form_that_comes_from_elsewhere_is_refused_on_every_page(alice: Browser) -> None:
    strict = Browser(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="alice"), backend="authz.sign_in.password_backend.PasswordBackend")
    before = Client.objects.order_by("pk").values_list("status", "secret_digest")[:]

    taken = {
        path: status
        for paths in pages.pages(everything.first).values()
        for path in paths[:1]
        if (status := strict.post(path, {"post": "yes", "decision": "approve", "period": "24h"}).status_code)
        not in {403, 404, 405}
    }

    nothing_wrong(taken)
    assert list(Client.objects.order_by("pk").values_list("status", "secret_digest")) == list(before)


def test_no_page_changes_anything_when_it_is_looked_at(visits: list[Visit]) -> None:
    writes = re.compile(r"^\s*(INSERT|UPDATE|DELETE)", re.IGNORECASE)
    # A person's own session is theirs; the mark of the figures' counting is made once.
    allowed = re.compile(r"authz_browsersession|authz_user\"? SET \"?last_login")
    wrote = {
        visit.path: found
        for visit in visits
        if (found := [sql[:120] for sql in visit.queries if writes.match(sql) and not allowed.search(sql)])
        # A page that is refused is in the audit, and changes nothing else.
        and not (visit.response.status_code == 403 and all("authz_auditevent" in sql for sql in found))
    }

    nothing_wrong(wrote)


def test_every_page_takes_a_bounded_number_of_queries(visits: list[Visit]) -> None:
    nothing_wrong({visit.path: len(visit.queries) for visit in visits if len(visit.queries) > MOST_QUERIES})


def test_every_time_that_is_written_out_says_its_zone(visits: list[Visit]) -> None:
    def problems(response: HttpResponse) -> list[str]:
        text = re.sub(r"<[^>]+>", "", response.content.decode())
        if "Time (UTC)" in text:
            return []
        # Our own way of writing a time, and Django's.
        times = re.finditer(r"\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?|[A-Z][a-z]+\.? \d+, \d{4}, [\w:.]+ ?[\w.]*", text)
        return [found.group() for found in times if not text[found.end() :].startswith(" UTC")]

    nothing_wrong(problems_on(visits, problems))


def test_cancel_leads_back_to_the_previous_page(visits: list[Visit]) -> None:
    seen = {visit.path: visit for visit in visits}
    asks, targets = set(), set()
    for visit in visits:
        if link := re.search(r'<a class="button plain" href="([^"]*)">(?:Cancel|Not now|Keep it)</a>', visit.html):
            asks.add(visit.name)
            assert link[1] != "/console/", visit.path
            targets.add(link[1])
    assert {target: seen[target].response.status_code for target in targets} == dict.fromkeys(targets, 200)

    assert {
        "admin:authz_signingkey_rotate",
        "admin:authz_webhookendpoint_test",
        "admin:authz_notification_again",
    } < asks
