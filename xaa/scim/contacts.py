"""When a directory was last here, and what last went wrong, for the console and `doctor`. No request fails for it."""

from datetime import timedelta

from django.db import DatabaseError

from xaa.models import DirectoryContact
from xaa.scim.caller import Caller

# A line that people read need not be written with each request.
INTERVAL = timedelta(seconds=30)


def came(caller: Caller) -> None:
    known = DirectoryContact.objects.filter(directory=caller.directory).first()
    if known is None or known.last is None or caller.now - known.last >= INTERVAL:
        _write(caller, last=caller.now)


def failed(caller: Caller, why: str) -> None:
    _write(caller, last=caller.now, failed=caller.now, failure=why[:255])


def _write(caller: Caller, **values: object) -> None:
    try:
        DirectoryContact.objects.update_or_create(directory=caller.directory, defaults=values)
    except DatabaseError:
        return
