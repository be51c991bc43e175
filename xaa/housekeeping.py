"""Sign-ins whose browser session is over are forgotten (a periodic task). They could mint nothing any more."""

from datetime import UTC, datetime

from django.contrib.sessions.models import Session as BrowserSession

from authz import housekeeping
from xaa.models import Session

EVERY = 3600.0


def run() -> None:
    alive = BrowserSession.objects.filter(expire_date__gt=datetime.now(UTC))
    housekeeping.remove(Session.objects.exclude(session_key__in=alive.values("session_key")))
