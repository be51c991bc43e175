"""The audit trail: one enum of events, one function that records.

What is issued is recorded in the transaction that issues it (invariant 4). An event is `source:subject:action`. Details
never hold a secret, a code or a token; a token is identified by its `jti` and its authorization.
docs/audit.md lists all events, and a test checks it against the code.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from django.db import Error as DatabaseFailure

from authz.database import raw_sql
from authz.protocol import compact_json
from authz.protocol.errors import OAuthError, RefusalReason


class Event(StrEnum):
    """The core's events. Apps have enums of their own."""

    TOKEN_ISSUED = "token:access:issued"  # noqa: S105  not a secret
    TOKEN_DEFERRED = "token:deferral:issued"  # noqa: S105
    DEFERRAL_REDEEMED = "token:deferral:redeemed"
    DEFERRAL_ENDED = "token:deferral:ended"
    TOKEN_REFUSED = "token:access:refused"  # noqa: S105
    TOKEN_INTROSPECTED = "token:access:introspected"  # noqa: S105
    TOKEN_REVOKED = "token:authorization:revoked"  # noqa: S105
    TOKEN_DISALLOWED = "token:authorization:disallowed"  # noqa: S105
    ROTATION_RECOVERED = "token:authorization:rotation_recovered"
    FAMILY_REVOKED = "token:authorization:family_revoked"
    INTROSPECTION_REFUSED = "token:introspection:refused"
    REVOCATION_REFUSED = "token:revocation:refused"
    CODE_ISSUED = "authorize:code:issued"
    AUTHORIZATION_REFUSED = "authorize:request:refused"
    REQUEST_PUSHED = "authorize:request:pushed"
    PUSH_REFUSED = "authorize:request:push_refused"
    CONSENT_GIVEN = "authorize:consent:given"
    CONSENT_DENIED = "authorize:consent:denied"
    ACCESS_REQUESTED = "policy:access_request:opened"
    ACCESS_EXPLAINED = "policy:access_request:explained"
    ACCESS_SECONDED = "policy:access_request:seconded"
    ACCESS_APPROVED = "policy:access_request:approved"
    ACCESS_DENIED = "policy:access_request:denied"
    ACCESS_CANCELLED = "policy:access_request:cancelled"
    ACCESS_CUT_OFF = "policy:access:cut_off"
    ACCESS_REINSTATED = "policy:access:reinstated"
    REINSTATING_REFUSED = "policy:access:undo_refused"
    CALL_ALLOWED = "access:call:allowed"
    CALL_DENIED = "access:call:denied"
    CALL_HELD = "access:call:held"
    CALL_REPORTED = "access:call:reported"
    CALLS_SEARCHED = "access:calls:searched"
    DECISION_REFUSED = "access:decision:refused"
    SIGNED_IN = "person:session:started"
    SIGN_IN_FAILED = "person:session:refused"
    SIGNED_OUT = "person:session:ended"
    FACTOR_ACCEPTED = "person:factor:accepted"
    PASSWORD_CHANGED = "person:password:changed"  # noqa: S105
    PERSON_INVITED = "person:invitation:made"
    INVITATION_USED = "person:invitation:used"
    INVITATION_VOIDED = "person:invitation:voided"
    INVITATION_REFUSED = "person:invitation:refused"
    EMERGENCY_MADE = "person:emergency_account:made"
    EMERGENCY_RENEWED = "person:emergency_account:renewed"
    EMERGENCY_REMOVED = "person:emergency_account:removed"
    EMERGENCY_SIGNED_IN = "person:emergency_account:signed_in"
    FACTOR_ADDED = "person:factor:added"
    FACTOR_REMOVED = "person:factor:removed"
    RECOVERY_CODE_USED = "person:recovery_code:used"
    FACTORS_RESET = "person:factor:reset"
    PAGE_REFUSED = "person:page:refused"
    KEY_PUBLISHED = "key:signing:published"
    KEY_PROMOTED = "key:signing:promoted"
    KEY_RETIRED = "key:signing:retired"
    KEY_REMOVED = "key:signing:removed"
    SECRETS_REENCRYPTED = "key:secrets:reencrypted"
    REFUSALS_LEFT_OUT = "audit:refusals:left_out"
    CHECKPOINT_KEY_PUBLISHED = "key:checkpoint:published"
    AUDIT_ARCHIVED = "audit:events:archived"
    RESTORED = "operation:backup:restored"
    CONSENT_WITHDRAWN = "authorize:consent:withdrawn"
    ENDED = "configuration:object:ended"
    CONFIGURATION_CREATED = "configuration:object:created"
    CONFIGURATION_CHANGED = "configuration:object:changed"
    CONFIGURATION_REMOVED = "configuration:object:removed"
    PLAN_MADE = "configuration:plan:made"
    PLAN_APPROVED = "configuration:plan:approved"
    PLAN_DECLINED = "configuration:plan:declined"
    PLAN_APPLIED = "configuration:plan:applied"
    PLAN_REFUSED = "configuration:plan:refused"


class Named(Protocol):
    """An event: a member of an enum of events, or one that an extension reports."""

    @property
    def value(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from: the client's address, the correlation id, the endpoint, and the confidential client
    that has authenticated ("" until then). And its subject matter, as far as that is known: a person, an MCP server, an
    authorization ("" until then). Refusals are recorded with all of them.
    """

    address: str = ""
    request_id: str = ""
    endpoint: str = ""
    proven_client_id: str = ""
    subject: str = ""
    resource: str = ""
    authorization: str = ""


_origin: ContextVar[Origin] = ContextVar("origin", default=Origin())  # noqa: B039  immutable


@contextmanager
def origin(address: str, request_id: str, endpoint: str = "") -> Iterator[None]:
    """Events inside are recorded with this origin."""
    token = _origin.set(Origin(address, request_id, endpoint))
    try:
        yield
    finally:
        _origin.reset(token)


def proven(client_id: str) -> None:
    """From here on the request is known to be from this client."""
    where = _origin.get()
    # By position: dataclasses.replace() takes three times as long, and each token comes here twice.
    _origin.set(
        Origin(
            where.address,
            where.request_id,
            where.endpoint,
            client_id,
            where.subject,
            where.resource,
            where.authorization,
        )
    )


def concerns(*, subject: UUID | str = "", resource: str = "", authorization: UUID | str = "") -> None:
    """From here on the request is known to be about this, and refusals name it. Arguments that are not given do not
    change.
    """
    where = _origin.get()
    _origin.set(
        Origin(
            where.address,
            where.request_id,
            where.endpoint,
            where.proven_client_id,
            str(subject) or where.subject,
            resource or where.resource,
            str(authorization) or where.authorization,
        )
    )


def current_origin() -> Origin:
    return _origin.get()


_json = compact_json.writer()

# Written by hand, because the ORM's query building costs ten times as much as the statement (measured: `make bench`).
_INSERT = (
    "INSERT INTO authz_auditevent"
    # PostgreSQL reserves the word AUTHORIZATION, so it is quoted.
    ' (time, event, reason, client_id, subject, resource, "authorization", address, request_id, detail)'
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
)
_INSERT_CLAIMED = f"{_INSERT.replace(' VALUES (', ' SELECT ').removesuffix(')')} FROM claimed"  # noqa: S608  constants


# Seconds for which `/readyz` reports a failed write, unless an event was written since.
FAILED_SECONDS = 5.0
_LOCK_NOT_AVAILABLE = "55P03"
_failed: float | None = None


def record(
    event: Named,
    *,
    reason: RefusalReason | None = None,
    client_id: str = "",
    subject: str = "",
    resource: str = "",
    authorization: UUID | str | None = None,
    detail: Mapping[str, object] | None = None,
    claim: raw_sql.Statement | None = None,
) -> bool:
    """Append one event. Raises `DatabaseError` if it cannot be written; then nothing that rests on it may be issued.

    Values that a client may have sent (`client_id`, `resource`) are truncated to the column's length, so that no value
    can make the record fail.

    `claim` is an UPDATE of one row that decides among racers, for PostgreSQL: it goes into the same statement. False:
    it changed no row, and nothing is recorded.
    """
    values = _row(event, reason, Described(client_id, subject, resource, authorization, detail or {}))
    if claim is None:
        return _written(_INSERT, values)
    update, parameters = claim
    return _written(f"WITH claimed AS ({update} RETURNING 1) {_INSERT_CLAIMED}", (*parameters, *values))


@dataclass(frozen=True, slots=True)
class Described:
    """What an event is about: the columns that a caller gives."""

    client_id: str
    subject: str
    resource: str
    authorization: UUID | str | None
    detail: Mapping[str, object]


def record_all(event: StrEnum, described: Sequence[Described]) -> None:
    """Append many events of one kind by one statement. Raises `DatabaseError` if they cannot be written."""
    if described:
        rows = [_row(event, None, one) for one in described]
        more = f", ({', '.join(['%s'] * len(rows[0]))})" * (len(rows) - 1)
        _written(f"{_INSERT}{more}", [value for row in rows for value in row], len(rows))


def _row(event: Named, reason: RefusalReason | None, about: Described) -> tuple[object, ...]:
    where = _origin.get()
    return (
        raw_sql.timestamp(datetime.now(UTC)),
        event.value,
        reason.value if reason is not None else "",
        _storable(about.client_id, 1024),
        _storable(about.subject, 255),
        _storable(about.resource, 1024),
        str(about.authorization) if about.authorization is not None else "",
        _storable(where.address, 45),  # an IPv6 address may have a zone of any length
        where.request_id,
        _json(about.detail),
    )


def _written(insert: str, values: Sequence[object], count: int = 1) -> bool:
    global _failed  # noqa: PLW0603  one per process is the idea
    try:
        rows = raw_sql.write(insert, values)
    except DatabaseFailure as failure:
        # A lock on a row or a table does not mean that the next event cannot be written.
        if getattr(failure.__cause__, "sqlstate", "") != _LOCK_NOT_AVAILABLE:
            _failed = time.monotonic()
        raise
    _failed = None
    return rows == count


def failed_lately() -> bool:
    """Whether the last event of this process could not be written, at most some seconds ago."""
    return _failed is not None and time.monotonic() - _failed < FAILED_SECONDS


def record_refusal(
    event: StrEnum, error: OAuthError, *, client_id: str = "", resource: str = "", **detail: str
) -> None:
    """Append a refusal with its precise reason."""
    if error.detail:
        detail["detail"] = error.detail
    record(event, reason=error.reason, client_id=client_id, resource=resource, detail=detail)


def _storable(text: str, length: int) -> str:
    # PostgreSQL refuses NUL in text.
    return text[:length].replace("\0", "\N{SYMBOL FOR NULL}") if text else ""
