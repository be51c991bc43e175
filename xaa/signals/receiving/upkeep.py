"""Streams that have been silent for a day are asked for a verification event, and old events go (a scheduled task)."""

from datetime import UTC, datetime, timedelta

from django.db.models import Q

from authz.database import clocks, configuration_cache
from authz.operations import housekeeping
from xaa.models import ReceivedSignal, SignalSource
from xaa.signals.receiving import keys, transmitter
from xaa.signals.receiving.inbox import note
from xaa.signals.receiving.transmitter import TransmitterError

EVERY = 3600.0
NEEDS_TRUE_CLOCK = True
SILENCE = timedelta(days=1)
# Longer than an event may be old (set_claims.py): the order of events is known from these rows.
KEPT = timedelta(days=30)
# Streams that are asked in one run: each may take some seconds to answer.
MOST = 20


def run() -> bool:
    configuration_cache.begin()
    now = datetime.now(UTC)
    for source in silent(now)[:MOST]:
        try:
            transmitter.verify(source, now=now)
        except TransmitterError as error:
            note(source, f"It was asked for a verification event: {error}")
    over = ReceivedSignal.objects.filter(received__lt=clocks.earliest() - KEPT)
    return housekeeping.remove([over.exclude(outcome=ReceivedSignal.Outcome.WAITING)])


def silent(now: datetime) -> list[SignalSource]:
    """Those that this server manages there, and that have neither come nor been asked lately."""
    then = now - SILENCE
    rows = SignalSource.objects.filter(enabled=True, issuer__enabled=True).exclude(state=None)
    quiet = Q(state__last=None) | Q(state__last__lt=then)
    unasked = Q(state__asked=None) | Q(state__asked__lt=then)
    found = rows.exclude(state__stream_id="").filter(quiet, unasked).select_related("issuer", "state")
    return [row for row in found.order_by("state__asked", "pk") if keys.has_credentials(row)]
