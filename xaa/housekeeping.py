"""Sign-ins whose browser session is over are forgotten (a periodic task). They could mint nothing any more."""

from authz.database import clocks
from authz.models import BrowserSession
from authz.operations import housekeeping
from xaa.models import Session

EVERY = 3600.0
NEEDS_TRUE_CLOCK = True


def run() -> bool:
    alive = BrowserSession.objects.filter(expire_date__gt=clocks.earliest())
    return housekeeping.remove([Session.objects.exclude(digest__in=alive.values("digest"))])
