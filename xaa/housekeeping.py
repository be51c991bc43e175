"""Sign-ins whose browser session is over are forgotten (a periodic task). They could mint nothing any more."""

from datetime import UTC, datetime

from authz import housekeeping
from authz.models import BrowserSession
from xaa.models import Session

EVERY = 3600.0


def run() -> None:
    alive = BrowserSession.objects.filter(expire_date__gt=datetime.now(UTC))
    housekeeping.remove(Session.objects.exclude(digest__in=alive.values("digest")))
