"""Attack 43: no pattern goes back over outside text, and nothing unverified is matched against one."""

import contextlib
import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.endpoints.status_lists import _ACCEPTS_GZIP
from authz.operations.logs import scrub
from authz.protocol import display_names, host_patterns, http_caching, jwts, patterns, redirect_uris, scopes
from authz.protocol.errors import OAuthError
from cimd import client_identifier
from tests.protocol.test_jwts import encoded
from tests.support.world import World
from tests.xaa import company as organisation
from tests.xaa.company import WORKLOAD_SUBJECT, Company, Idp
from xaa import workloads
from xaa.workloads import Binding

LONG = 200_000


def _matching(pattern: str) -> Callable[[str], object]:
    return lambda text: patterns.matches(pattern, text)


# What reads outside text by a pattern, and a text that is the worst for it, of any length.
def _client_identifier(text: str) -> None:
    with contextlib.suppress(client_identifier.IdentifierError):
        client_identifier.parse(text)


READERS: dict[str, tuple[Callable[[str], object], Callable[[int], str]]] = {
    "workload, dashes": (_matching("sa:*-*-*-prod"), lambda n: "sa:" + "-" * n),
    "workload, letters": (_matching("*a*a*a*a*a*b"), lambda n: "a" * n),
    "workload, two stars": (_matching("*" * 500 + "x"), lambda n: "y" * n),
    "workload, many parts": (_matching("*a" * 500), lambda n: "a" * n),
    "workload, many segments": (_matching("*/" * 400 + "x"), lambda n: "a/" * (n // 2)),
    "workload, a long part": (_matching("*" + "ab" * 500 + "*c"), lambda n: "ab" * (n // 2)),
    "cache-control, spaces": (http_caching.directives, lambda n: "x=1," + " " * n + "é"),
    "cache-control, commas": (http_caching.directives, lambda n: ", " * (n // 2) + "é"),
    "cache-control, a token": (http_caching.directives, lambda n: "a" * n + "é"),
    "cache-control, a string": (http_caching.directives, lambda n: 'a="' + "\\" * n),
    "name, one word": (lambda text: display_names.imitates_a_host(text, "x.example"), lambda n: "a" * n),
    "name, labels": (lambda text: display_names.imitates_a_host(text, "x.example"), lambda n: "1." * (n // 2)),
    "name, dashes": (lambda text: display_names.imitates_a_host(text, "x.example"), lambda n: "-." * (n // 2) + "-"),
    "name, scripts": (display_names.mixes_scripts, lambda n: "a1" * (n // 2)),
    "accept-encoding": (_ACCEPTS_GZIP.search, lambda n: "gzip;q=0." + "0" * n + "x"),
    "accept-encoding, spaces": (_ACCEPTS_GZIP.search, lambda n: "gzip" + " " * n + "x"),
    "log, tokens": (scrub, lambda n: "eyJ" * (n // 3)),
    "log, token after token": (scrub, lambda n: "eyJhbGciOiJ " * (n // 12)),
    "log, keys": (scrub, lambda n: "-----BEGIN " + "A" * n),
    "log, many keys": (scrub, lambda n: "-----BEGIN " * (n // 11)),
    "log, addresses": (scrub, lambda n: "://" * (n // 3)),
    "log, passwords": (scrub, lambda n: "://a:" + ":" * n),
    "log, secrets": (scrub, lambda n: "secret" + " " * n),
    "log, many secrets": (scrub, lambda n: "token: " * (n // 7)),
    "log, digits": (scrub, lambda n: "a" * 22 + "." + "1" * n),
    "redirect URI": (redirect_uris.problem, lambda n: "https://" + "a-" * (n // 2)),
    "redirect URI, labels": (redirect_uris.problem, lambda n: "https://" + "a." * (n // 2) + "/"),
    "client_id": (_client_identifier, lambda n: "https://a.example/" + "%2e/" * (n // 4)),
    "client_id, percent": (_client_identifier, lambda n: "https://a.example/" + "%" * n),
    "scope": (scopes.parse, lambda n: " ".join("a" * (n // 2)) if n < LONG else "a " * (n // 2)),
    "host pattern": (lambda text: host_patterns.matches_host("*.a.example", text), lambda n: "a." * (n // 2)),
}


def _seconds(work: Callable[[str], object], text: str) -> float:
    """Seconds of this thread's processor time, the least of three, so that other processes do not count."""
    taken = []
    for _ in range(3):
        began = time.thread_time()
        with contextlib.suppress(ValueError, OAuthError):  # a refusal is an answer, and its time is what counts
            work(text)
        taken.append(time.thread_time() - began)
    return min(taken)


@pytest.mark.any_database
@pytest.mark.parametrize(("work", "worst"), READERS.values(), ids=READERS)
def test_twice_the_text_takes_at_most_three_times_as_long(
    work: Callable[[str], object], worst: Callable[[int], str]
) -> None:
    short, long = _seconds(work, worst(LONG)), _seconds(work, worst(2 * LONG))
    assert long < 3 * max(short, 0.02)
    assert long < 2.0


def test_a_subject_of_dashes_is_answered_at_once() -> None:
    began = time.thread_time()
    for _ in range(100):
        assert not workloads.matches(Binding("sa:*-*-*-prod", "c"), {"sub": "sa:" + "-" * 2040})
    assert time.thread_time() - began < 1


_PARTS = st.lists(st.sampled_from(["a", "b", "-", "/", ":", "*"]), max_size=8).map("".join)


@pytest.mark.any_database
@given(pattern=_PARTS, text=st.lists(st.sampled_from("ab-/:"), max_size=10).map("".join))
def test_it_says_what_the_regular_expression_would(pattern: str, text: str) -> None:
    body = pattern.removesuffix("*")
    rest = ".+" if body != pattern else ""
    expression = "[^/:]+".join(re.escape(part) for part in body.split("*")) + rest
    assert patterns.matches(pattern, text) is bool(re.fullmatch(expression, text, re.DOTALL))


@pytest.fixture
def company(gatehouse: World, monkeypatch: pytest.MonkeyPatch) -> Company:
    return organisation.with_keys(organisation.build(), monkeypatch)


def _unsigned(company: Company) -> str:
    head, payload, _ = company.idp.workload().split(".")
    return f"{head}.{payload}."


def _of_another_key(company: Company) -> str:
    return Idp().workload()


def _with_another_subject(company: Company) -> str:
    head, _, signature = company.idp.workload().split(".")
    claims = {**jwts.parse(company.idp.workload()).claims, "sub": "sa:" + "-" * 2000}
    return f"{head}.{encoded(claims)}.{signature}"


FORGED = {
    "no signature": _unsigned,
    "another key": _of_another_key,
    "another subject": _with_another_subject,
    "another issuer": lambda company: company.idp.workload(iss="https://other.example"),
    "another kind": lambda company: company.idp.workload(typ="at+jwt"),
    "no issuer": lambda company: company.idp.workload(iss=None),
}


@pytest.mark.parametrize("named", [{}, {"client_id": "wif-workload"}], ids=["names no client", "names its client"])
@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_an_unverified_subject_is_matched_against_no_pattern(
    forged: Callable[[Company], str],
    named: dict[str, str],
    company: Company,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[str] = []

    def watched(pattern: str, text: str) -> bool:
        tried.append(text)
        return False

    monkeypatch.setattr(patterns, "matches", watched)
    answer = company.redeem_assertion(forged(company), basic=None, **named)
    assert answer.status_code in {400, 401}
    assert tried == []
    company.redeem_assertion(company.idp.workload(), basic=None, **named)
    assert tried == [WORKLOAD_SUBJECT] * len(tried)
    assert tried
