"""A client's authorization for itself: one live one for each resource and grant type, without a person.

Its scopes are the union of what was issued under it; each token carries its own. Ending one moves the generation
(authz/models/triggers.py), so it may be remembered until then.
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import QuerySet

from authz.authorizations import AuthorizationReference, end, reference, status_lists
from authz.database import configuration_cache
from authz.database.transactions import unit_of_work
from authz.models import Authorization, Client, ProtectedResource
from authz.protocol.errors import OAuthError, Reason


@dataclass(frozen=True, slots=True)
class MachineGrant:
    """What a client is granted for itself: these scopes at one resource, by one grant type."""

    client: Client
    resource: ProtectedResource
    grant_type: str
    scopes: tuple[str, ...]

    def key(self) -> tuple[object, ...]:
        """Its name in the configuration cache."""
        return "machine authorization", self.client.pk, self.resource.pk, self.grant_type, self.scopes

    def live(self) -> QuerySet[Authorization]:
        return Authorization.objects.filter(
            client=self.client,
            resource=self.resource,
            grant_type=self.grant_type,
            user=None,
            parent=None,
            revoked=None,
        )

    def is_of_this_client(self, row: Authorization) -> bool:
        """Whether the client is still the one that the authorization was made for (cimd/changes.py)."""
        return row.client_digest == self.client.consent_digest


class NotMadeError(Exception):
    """No live authorization covers the grant; making or widening one writes."""


class OvertakenError(Exception):
    """Another request made another authorization first. What was done in the transaction is to be rolled back."""


def find(grant: MachineGrant) -> AuthorizationReference:
    """The live authorization that covers the grant; writes nothing for it. Raises `NotMadeError`."""
    return configuration_cache.cached(grant.key(), lambda: _found(grant))


def find_or_make(grant: MachineGrant) -> AuthorizationReference:
    """The live authorization that covers the grant, made or widened the first time."""
    return configuration_cache.cached(grant.key(), lambda: _found_or_made(grant))


def plan(grant: MachineGrant) -> AuthorizationReference:
    """The authorization that `make` will find or make, so that a token can be signed before. Changes none."""
    row = grant.live().first()
    if row is not None and grant.is_of_this_client(row):
        return reference(row, grant.resource)
    status = status_lists.allot(status_lists.Kind.MACHINE) if grant.resource.status_list else None
    return AuthorizationReference(uuid.uuid4(), status)


def make(planned: AuthorizationReference, grant: MachineGrant) -> None:
    """Make or widen the planned authorization. Call it inside `unit_of_work()`, after the claim of the assertion.

    Raises `OvertakenError`.
    """
    if _made(planned, grant).pk != planned.id:
        raise OvertakenError


def _found(grant: MachineGrant) -> AuthorizationReference:
    row = grant.live().first()
    if row is None or not grant.is_of_this_client(row) or not set(grant.scopes) <= set(row.scopes):
        raise NotMadeError
    return reference(row, grant.resource)


def _found_or_made(grant: MachineGrant) -> AuthorizationReference:
    with unit_of_work():
        row = _made(AuthorizationReference(uuid.uuid4(), None), grant)
    return reference(row, grant.resource)


def _made(planned: AuthorizationReference, grant: MachineGrant) -> Authorization:
    """The row: the live one, widened where it has to be, or one with the planned id."""
    live = grant.live().select_for_update()
    row = live.first()
    if row is not None and not grant.is_of_this_client(row):
        # What was granted to the client as it was before ends.
        end(live, reason="client changed", now=datetime.now(UTC))
        row = None
    if row is None:
        return _insert(planned, grant)
    together = list(dict.fromkeys([*row.scopes, *grant.scopes]))
    if together != row.scopes:
        live.update(scopes=together)
    return row


def _insert(planned: AuthorizationReference, grant: MachineGrant) -> Authorization:
    made = Authorization(
        id=planned.id,
        client=grant.client,
        resource=grant.resource,
        grant_type=grant.grant_type,
        scopes=list(grant.scopes),
        created=datetime.now(UTC),
        client_digest=grant.client.consent_digest,
        lineage={"document": grant.client.metadata_digest} if grant.client.metadata_digest else {},
        status_list=planned.status.number if planned.status else None,
        status_index=planned.status.index if planned.status else None,
    )
    # Another request may be first (a unique index decides): then its row is the one.
    Authorization.objects.bulk_create([made], ignore_conflicts=True)
    live = grant.live().first()
    if live is None:  # … and was ended in the same moment
        raise OAuthError(Reason.UNAVAILABLE)
    return live
