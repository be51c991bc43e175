"""An ID-JAG is good once: for the one resource that a token is for, or once for each resource that it names."""

from authz.database import replay
from authz.models import ProtectedResource
from xaa.id_jag import IdJag


def claim(granted: IdJag, resource: ProtectedResource) -> bool:
    """Claim the ID-JAG for the resource that the token is for. An ID-JAG of several is good once for each of them.

    One that names none is good for one alone: its request chose, and without a limit each further use would widen it.
    """
    source, name = source_of(granted), claimed_as(granted, resource)
    # What an earlier version of this server claimed as a whole stays used.
    if name != granted.jti and replay.is_claimed(source, granted.jti):
        return False
    return replay.claim(source, name, granted.expires)


def is_claimed(granted: IdJag, resource: ProtectedResource) -> bool:
    """Whether the ID-JAG was used for this resource, for looking without touching."""
    source = source_of(granted)
    return replay.is_claimed(source, claimed_as(granted, resource)) or replay.is_claimed(source, granted.jti)


def claimed_as(granted: IdJag, resource: ProtectedResource) -> str:
    # A jti has no more than 255 characters, and no resource's identifier has a line feed.
    return granted.jti if len(granted.resources) < 2 else f"{granted.jti}\n{resource.identifier}"


def source_of(granted: IdJag) -> str:
    return f"assertion:{granted.issuer}"
