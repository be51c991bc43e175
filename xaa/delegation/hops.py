"""The authorization of a hop: one for each client, resource and set of scopes under the authorization above it.

It is made at the first exchange and serves those that follow, for a day. Two that are made at once are both under the
same one, and end with it.
"""

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from authz.authorizations import AuthorizationReference, chains, status_lists
from authz.authorizations.status_lists import Entry
from authz.database import raw_sql
from authz.dpop import bound_key
from authz.models import Authorization, Client, ProtectedResource
from authz.models.client import TOKEN_EXCHANGE
from authz.protocol.errors import OAuthError
from xaa.delegation.subject_tokens import Subject
from xaa.liveness import ACTOR_ISSUER
from xaa.reasons import Reason

_FIND = (
    "SELECT id, scopes, lineage, status_list, status_index FROM authz_authorization WHERE parent_id = %s"
    " AND client_id = %s AND resource_id = %s AND revoked IS NULL AND client_digest = %s AND created > %s"
    " ORDER BY created DESC LIMIT 20"
)
# By hand, as in xaa/redeeming/id_jag_authorization.py.
_COLUMNS = (
    "id", "client_id", "user_id", "resource_id", "grant_type", "scopes", "identity_scopes", "created", "generation",
    "revoked_reason", "auth_time", "acr", "amr", "session_digest", "redirect_uri", "client_digest", "lineage",
    "status_list", "status_index", "parent_id",
)  # fmt: skip
_INSERT = f"INSERT INTO authz_authorization ({', '.join(_COLUMNS)}) VALUES ({', '.join(['%s'] * len(_COLUMNS))})"  # noqa: S608  our own names


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """Who passes what on to where. `workload_issuer` is "" where the client has authenticated by itself."""

    subject: Subject
    client: Client
    resource: ProtectedResource
    scopes: tuple[str, ...]
    workload_issuer: str = ""

    @property
    def lineage(self) -> dict[str, object]:
        of_actor: dict[str, object] = {ACTOR_ISSUER: self.workload_issuer} if self.workload_issuer else {}
        return of_actor | ({chains.BOUND: True} if bound_key(self.subject.token.claims) else {})


@dataclass(frozen=True, slots=True)
class Planned:
    """The authorization of a hop; `is_made` where it is there."""

    reference: AuthorizationReference
    is_made: bool


def plan(hop: Hop, now: float) -> Planned:
    """The authorization that the token will name, so that it can be signed before. Changes none."""
    since = raw_sql.timestamp(datetime.fromtimestamp(now, UTC) - chains.SERVES)
    key = (raw_sql.uuid(hop.subject.token.authorization.pk), hop.client.pk, hop.resource.pk, hop.client.consent_digest)
    for pk, scopes, lineage, number, index in raw_sql.every(_FIND, (*key, since)):
        serves = set(hop.scopes) <= set(json.loads(scopes)) and json.loads(lineage) == hop.lineage
        # One that is older than the resource's wish for a status list is followed by one that has a place.
        if serves and (number is not None or not hop.resource.status_list):
            status = Entry(number, index) if number is not None and hop.resource.status_list else None
            return Planned(AuthorizationReference(pk if isinstance(pk, UUID) else UUID(pk), status), is_made=True)
    kind = status_lists.Kind.BRIEF
    return Planned(
        AuthorizationReference(uuid.uuid4(), status_lists.allot(kind) if hop.resource.status_list else None),
        is_made=False,
    )


def take(planned: Planned, hop: Hop, now: float) -> None:
    """Make the planned authorization, or hold it. Inside `unit_of_work()`. Raises OAuthError where it, or the one above
    it, has ended: who ends it in this moment is first, or waits and ends this as well."""
    held = planned.reference.id if planned.is_made else hop.subject.token.authorization.pk
    if not chains.hold(held):
        raise OAuthError(Reason.EXCHANGE_ENDED, detail="in this moment")
    if not planned.is_made:
        raw_sql.write(_INSERT, _values(planned.reference, hop, now))


def _values(reference: AuthorizationReference, hop: Hop, now: float) -> tuple[object, ...]:
    above: Authorization = hop.subject.token.authorization
    return (
        raw_sql.uuid(reference.id),
        hop.client.pk,
        above.user_id,
        hop.resource.pk,
        TOKEN_EXCHANGE,
        json.dumps(hop.scopes),
        "[]",
        raw_sql.timestamp(datetime.fromtimestamp(now, UTC)),
        0,
        "",
        above.auth_time,
        above.acr,
        json.dumps(above.amr),
        # So that what ends a browser's session ends this with it, even if it were not under the root.
        above.session_digest,
        "",
        hop.client.consent_digest,
        json.dumps(hop.lineage),
        reference.status.number if reference.status else None,
        reference.status.index if reference.status else None,
        raw_sql.uuid(above.pk),
    )
