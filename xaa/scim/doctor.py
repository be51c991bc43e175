"""Do the directories still come, and are their tokens good for a while?"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from authz.operations.doctor import ERROR, WARNING, Finding
from xaa.models import Directory
from xaa.scim import state

ABOUT = "directories"
SOON = timedelta(days=14)
# Okta and Entra ask at least every 40 minutes; a day of silence is none of theirs.
SILENCE = timedelta(days=1)


def directories() -> Iterator[Finding]:
    now = datetime.now(UTC)
    for row in Directory.objects.filter(enabled=True).select_related("issuer", "contact"):
        yield from examined(state.of(row, now), now)


def examined(found: state.State, now: datetime) -> Iterator[Finding]:
    name = found.directory.name
    if not found.tokens and not found.directory.client:
        yield Finding(
            ERROR,
            ABOUT,
            f"{name}: no SCIM token of it is good, so people who leave keep their access",
            f"Make one with `manage.py directory token '{name}'`, and enter it in the directory.",
        )
    elif found.tokens and all(one.expires < now + SOON for one in found.tokens):
        last = max(one.expires for one in found.tokens)
        yield Finding(
            WARNING,
            ABOUT,
            f"{name}: its last SCIM token expires on {last:%Y-%m-%d}",
            f"Make a new one with `manage.py directory token '{name}'` before; the old one stays good meanwhile.",
        )
    if found.people and found.last is not None and now - found.last > SILENCE:
        yield Finding(
            WARNING,
            ABOUT,
            f"{name}: it was last here on {found.last:%Y-%m-%d %H:%M} UTC",
            "Look whether provisioning is paused or in quarantine there.",
        )
    if found.failed is not None and found.last is not None and found.failed >= found.last:
        yield Finding(
            WARNING,
            ABOUT,
            f"{name}: its last request was refused: {found.failure}",
            "Look at the provisioning log there, and at directory:request:refused in the audit.",
        )
