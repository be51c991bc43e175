"""What is over is removed (a periodic task): sign-ins whose browser session has ended, answers to ID-JAGs whose window
for a repeated request has passed, and receipts of ID-JAGs that are half a year old."""

from datetime import timedelta

from authz.database import clocks
from authz.models import BrowserSession
from authz.operations import housekeeping
from xaa.models import IdJagReceipt, Redemption, Session

EVERY = 3600.0
NEEDS_TRUE_CLOCK = True
# Longer than an authorization is kept that has ended (authz/operations/housekeeping.py).
KEPT_RECEIPT = timedelta(days=180)


def run() -> bool:
    now = clocks.earliest()
    alive = BrowserSession.objects.filter(expire_date__gt=now)
    over = Session.objects.exclude(digest__in=alive.values("digest"))
    receipts = IdJagReceipt.objects.filter(last__lt=now - KEPT_RECEIPT)
    return housekeeping.remove([over, Redemption.objects.filter(until__lt=now), receipts])
