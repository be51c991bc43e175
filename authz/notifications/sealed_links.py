"""Links that only the mail has: in the outbox they are ciphertext, until the mail has gone (invariant 9).

A reader of the outbox, of a backup or of the console's list of deliveries could use a link that stands there in clear.
"""

from authz.keys import secrets_at_rest
from authz.models import Notification

_PURPOSE = "links in mails at rest"


def seal(row: Notification, url: str) -> None:
    """Saves nothing."""
    row.sealed = secrets_at_rest.encrypt(url.encode(), purpose=_PURPOSE, about=str(row.pk))


def opened(row: Notification) -> str:
    """What the mail ends with: the link after an empty line; empty if it has none. Raises `WrongKeyError`."""
    if not row.sealed:
        return ""
    return f"\n\n{secrets_at_rest.decrypt(bytes(row.sealed), purpose=_PURPOSE, about=str(row.pk)).decode()}"


def _moved(row: Notification) -> bytes | None:
    return secrets_at_rest.moved(bytes(row.sealed), purpose=_PURPOSE, about=str(row.pk)) if row.sealed else None


AT_REST = secrets_at_rest.AtRest(Notification, "sealed", _moved)
