"""What is over is removed (a periodic task): sign-ins whose browser session has ended, and answers to ID-JAGs whose
window for a repeated request has passed."""

from authz.database import clocks
from authz.models import BrowserSession
from authz.operations import housekeeping
from xaa.models import Redemption, Session

EVERY = 3600.0
NEEDS_TRUE_CLOCK = True


def run() -> bool:
    now = clocks.earliest()
    alive = BrowserSession.objects.filter(expire_date__gt=now)
    over = Session.objects.exclude(digest__in=alive.values("digest"))
    return housekeeping.remove([over, Redemption.objects.filter(until__lt=now)])
