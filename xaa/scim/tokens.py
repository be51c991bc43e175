"""SCIM tokens: made once, shown once, kept as digests, good for one directory until they expire or are withdrawn."""

import hashlib
import secrets
from datetime import datetime, timedelta

from authz import audit
from authz.database.transactions import unit_of_work
from xaa.models import Directory, DirectoryToken
from xaa.scim.events import ScimEvent

PREFIX = "ghscim_"
USUAL_DAYS, MOST_DAYS = 180, 730


def make(directory: Directory, *, days: int, by: str, now: datetime) -> str:
    """A new token; earlier ones stay good, so that it can be put into place before they are withdrawn."""
    token = PREFIX + secrets.token_urlsafe(32)
    digest = hashlib.sha256(token.encode()).hexdigest()
    with unit_of_work():
        row = DirectoryToken.objects.create(
            directory=directory, digest=digest, created=now, expires=now + timedelta(days=days), by=by[:255]
        )
        detail = {"directory": directory.name, "token": row.pk, "expires": row.expires.isoformat(), "by": by}
        audit.record(ScimEvent.TOKEN_MADE, detail=detail)
    return token


def withdraw(row: DirectoryToken, *, by: str, now: datetime) -> bool:
    """Whether it was good until now. From the next request on it is not."""
    with unit_of_work():
        if not DirectoryToken.objects.filter(pk=row.pk, withdrawn=None).update(withdrawn=now):
            return False
        detail = {"directory": row.directory.name, "token": row.pk, "by": by}
        audit.record(ScimEvent.TOKEN_WITHDRAWN, detail=detail)
    return True
