"""An outage writes one traceback a kind and minute, and counts the rest."""

import io
import logging
import threading
from collections.abc import Iterator

import pytest
from django.db import OperationalError
from django.test import Client as Browser

from authz.database import configuration_cache, raw_sql
from authz.limits import refusal_sampling
from authz.operations import log_repeats, logs, periodic
from authz.operations.log_repeats import KINDS, PLAIN_LINES, WINDOW_SECONDS, Repeats
from authz.serving import worker_reports
from authz.telemetry import metrics
from tests.support import world

pytestmark = pytest.mark.any_database
TRACEBACK = "Traceback (most recent call last)"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the server's own handler would write."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logs.PlainFormatter("{levelname} {name} {message}", style="{"))
    handler.addFilter(log_repeats.RepeatFilter())
    log_repeats.reset()
    logging.getLogger().addHandler(handler)
    yield written
    logging.getLogger().removeHandler(handler)
    log_repeats.reset()


def away(*_: object, **__: object) -> None:
    raise OperationalError("could not write to file: No space left on device " + "x" * 500)


def token(browser: Browser) -> None:
    assert browser.post("/o/token", {"grant_type": "client_credentials"}).status_code == 503


def page(browser: Browser) -> None:
    assert browser.get("/o/authorize?client_id=desktop-app").status_code == 503


def introspection(browser: Browser) -> None:
    assert browser.post("/o/introspect", {"token": "x"}).status_code == 503


def interface(browser: Browser) -> None:
    assert browser.get("/api/v1/me", headers={"authorization": "Bearer x"}).status_code in {401, 503}


def beat(browser: Browser) -> None:
    worker_reports.once(remembers=True)


def clock_process(browser: Browser) -> None:
    periodic.run_and_survive()


@pytest.mark.django_db
@pytest.mark.parametrize("fails", [token, page, introspection, interface, beat, clock_process])
def test_a_thousand_failures_write_little(
    gatehouse: world.World, log: io.StringIO, monkeypatch: pytest.MonkeyPatch, fails: object
) -> None:
    browser = gatehouse.browser
    browser.raise_request_exception = False
    for module, name in ((configuration_cache, "_generation"), (raw_sql, "_execute"), (periodic, "run_due")):
        monkeypatch.setattr(module, name, away)
    monkeypatch.setattr(metrics, "publish", lambda: None)
    for _ in range(1000):
        fails(browser)  # type: ignore[operator]
    text = log.getvalue()
    # The places of one request may be several: what was to be done, and what was to be recorded of it.
    assert text.count(TRACEBACK) <= 6
    assert len(text.encode()) < 96 * 1024


def test_what_is_left_out_is_counted_with_the_next_one(log: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(log_repeats, "_repeats", Repeats(clock))
    logger = logging.getLogger("tests")

    def fail() -> None:
        try:
            away()
        except OperationalError:
            logger.exception("it failed")

    for _ in range(1000):
        fail()
    assert log.getvalue().count("it failed") == 1
    clock.now += WINDOW_SECONDS
    fail()
    assert "it failed (999 more like this before)" in log.getvalue()
    assert log.getvalue().count(TRACEBACK) == 2


def test_what_does_not_come_again_is_counted_by_itself(log: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(log_repeats, "_repeats", Repeats(clock))
    for _ in range(30):
        try:
            away()
        except OperationalError:
            logging.getLogger("tests").exception("it failed")
    log_repeats.tell()
    assert "left out" not in log.getvalue()
    clock.now += WINDOW_SECONDS
    log_repeats.tell()
    assert "29 more lines like that of" in log.getvalue()
    assert "OperationalError raised at" in log.getvalue()
    log_repeats.tell()
    assert log.getvalue().count("left out") == 1


@pytest.mark.parametrize(
    ("many", "level", "written"),
    [
        (5, logging.WARNING, 5),
        (PLAIN_LINES, logging.ERROR, PLAIN_LINES),
        (PLAIN_LINES + 1, logging.ERROR, PLAIN_LINES),
        (1000, logging.WARNING, PLAIN_LINES),
        (1000, logging.CRITICAL, PLAIN_LINES),
        (100, logging.INFO, 100),
    ],
)
def test_lines_without_a_traceback_are_bounded_too(log: io.StringIO, many: int, level: int, written: int) -> None:
    logging.getLogger("tests").setLevel(logging.INFO)
    for number in range(many):
        logging.getLogger("tests").log(level, "no answer from %s", number)
    assert log.getvalue().count("no answer from") == written


def test_failures_of_different_kinds_are_told_apart(log: io.StringIO) -> None:
    logger = logging.getLogger("tests")
    for make in (ValueError, KeyError, OperationalError, RuntimeError, TypeError, OSError):
        for _ in range(3):
            try:
                raise make("x")
            except Exception:
                logger.exception("it failed")
    try:
        raise OperationalError("x") from ValueError("another cause")
    except OperationalError:
        logger.exception("it failed")
    assert log.getvalue().count("it failed") == 7


def test_kinds_do_not_fill_the_memory() -> None:
    repeats = Repeats(Clock())
    for line in range(KINDS * 3):
        assert repeats.admit(("file.py", line, "", ""), 1) == 0
    assert len(repeats._seen) == KINDS


def test_threads_count_together() -> None:
    repeats = Repeats(Clock())
    kind = ("file.py", 1, "ValueError", "")
    admitted: list[int | None] = []
    threads = [
        threading.Thread(target=lambda: admitted.extend(repeats.admit(kind, 1) for _ in range(500))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each for each in admitted if each is not None] == [0]
    assert repeats._seen[kind].left_out == 3999


def test_the_server_logs_by_it() -> None:
    for style in ("plain", "json"):
        configuration = logs.configuration(style)
        assert configuration["handlers"]["console"]["filters"] == ["repeats"]  # type: ignore[index]
    assert refusal_sampling.log.name == "authz.limits.refusal_sampling"
