"""Polls the sources that are to be polled (RFC 8936): a scheduled task, which one node at a time runs.

A transmitter that always has more, sends the same again and again, or drips, holds nothing but its own turn: each
source has a few polls a turn, each poll its deadline, and all turns of a run a budget. What is left comes in the next.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from authz import audit
from authz.database import configuration_cache
from authz.limits.refusal_sampling import UnrecordedError, record_unauthenticated
from authz.outbound import OutboundError, Role, fetch
from authz.protocol import strict_json
from authz.protocol.errors import OAuthError
from xaa.models import SignalSource, SignalSourceState
from xaa.signals.receiving import inbox, transmitter
from xaa.signals.receiving.events import SignalEvent
from xaa.signals.receiving.transmitter import TransmitterError

EVERY = 2.0
# Seconds between two polls of one source; after failures in a row, more and more.
INTERVAL, LONGEST_INTERVAL = 2.0, 300.0
POLLS_A_TURN = 5
EVENTS_A_POLL = 50
# Seconds of one run.
BUDGET = 20.0


def run() -> bool:
    """Whether a source has more."""
    configuration_cache.begin()
    began, is_more = time.monotonic(), False
    for source in due(time.time()):
        if time.monotonic() - began > BUDGET:
            return True
        is_more |= turn(source, until=began + BUDGET)
    return is_more


def due(now: float) -> list[SignalSource]:
    """The sources to poll, those that have waited longest first."""
    rows = SignalSource.objects.filter(delivery=SignalSource.Delivery.POLL, enabled=True, issuer__enabled=True)
    for row in rows.filter(state=None):
        inbox.state_of(row)
    return list(rows.filter(state__due__lte=now).select_related("issuer", "state").order_by("state__due", "pk"))


@dataclass(slots=True)
class _Turn:
    """What the next poll says of the events of the last one."""

    ack: list[str] = field(default_factory=list)
    errors: dict[str, dict[str, str]] = field(default_factory=dict)

    def request(self, most: int) -> dict[str, Any]:
        # Short polling (RFC 8936 §2.2): a long one would hold the turn of the other sources.
        said: dict[str, Any] = {"maxEvents": most, "returnImmediately": True}
        said |= {"ack": self.ack} if self.ack else {}
        return said | ({"setErrs": self.errors} if self.errors else {})


def turn(source: SignalSource, *, until: float) -> bool:
    """One source's turn; whether it has more. `until` is by the monotonic clock."""
    open_acks = _Turn()
    try:
        is_more = _polls(source, open_acks, until)
        if open_acks.ack or open_acks.errors:
            # With `maxEvents` 0 it acknowledges, and gets nothing (RFC 8936 §2.4).
            _poll(source, open_acks.request(0))
    except (TransmitterError, OutboundError) as error:
        _failed(source, error)
        return False
    moment = datetime.now(UTC)
    this = SignalSourceState.objects.filter(source=source)
    this.update(polled=moment, due=time.time() + (0 if is_more else INTERVAL), failures=0)
    return is_more


def _polls(source: SignalSource, open_acks: _Turn, until: float) -> bool:
    for _ in range(POLLS_A_TURN):
        answer = _poll(source, open_acks.request(EVENTS_A_POLL))
        open_acks.ack, open_acks.errors = [], {}
        sets = answer.get("sets")
        if not isinstance(sets, dict) or not sets:
            return False
        is_news, is_open = _take(source, sets, open_acks)
        if not is_open:
            return False
        if not is_news:
            # It sends again what was acknowledged: asking at once would never end.
            inbox.note(source, "It sends events again that were acknowledged.")
            return False
        if answer.get("moreAvailable") is not True or time.monotonic() > until:
            return answer.get("moreAvailable") is True
    return True


def _take(source: SignalSource, sets: Mapping[str, Any], open_acks: _Turn) -> tuple[bool, bool]:
    """Whether one of the events was new, and whether all could be judged now."""
    is_news = False
    for jti, token in list(sets.items())[:EVENTS_A_POLL]:
        try:
            with audit.origin("", "", "signals"):
                taken = inbox.take(source, token if isinstance(token, str) else "", time.time())
        except OAuthError as error:
            inbox.failed(source, error)
            if error.status >= 500:
                # Nothing is wrong with it: it is not acknowledged, and comes again.
                return is_news, False
            _record(source, error)
            open_acks.errors[jti] = {"err": error.code, "description": error.sentence}
            is_news = True
            continue
        open_acks.ack.append(jti)
        is_news |= taken.outcome != inbox.REPEATED
    return is_news, True


def _record(source: SignalSource, error: OAuthError) -> None:
    error.detail = f"{source.name}: {error.detail}" if error.detail else source.name
    try:
        record_unauthenticated(SignalEvent.NOT_TAKEN, error)
    except UnrecordedError:
        return


def _poll(source: SignalSource, said: Mapping[str, Any]) -> Mapping[str, Any]:
    """Raises `OutboundError`, and `TransmitterError`."""
    url = source.poll_url or inbox.state_of(source).poll_url
    if not url:
        raise TransmitterError("There is no address to poll: name it, or have the stream made.")
    body = json.dumps(said).encode()
    answer = transmitter.authorized(source, lambda given: fetch(Role.SIGNAL_POLL, url, headers=given, body=body))
    try:
        return strict_json.read_object(answer.body) if answer.body.strip() else {}
    except strict_json.StrictJsonError as error:
        raise TransmitterError(f"Its answer cannot be read: {error.sentence}") from None


def _failed(source: SignalSource, error: Exception) -> None:
    this = SignalSourceState.objects.filter(source=source)
    failures = (this.values_list("failures", flat=True).first() or 0) + 1
    again = min(LONGEST_INTERVAL, INTERVAL * 2 ** min(failures, 10))
    why = error.cause.sentence if isinstance(error, OutboundError) else str(error)
    status = f" ({error.status})" if isinstance(error, OutboundError) and error.status else ""
    this.update(failures=failures, due=time.time() + again, failed=datetime.now(UTC), failure=f"{why}{status}"[:255])
