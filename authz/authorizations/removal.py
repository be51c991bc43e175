"""Removes an agent, a person or an MCP server: one that has had an authorization is ended and stays, hidden.

If its row went, its authorizations would go along, and a status list would say VALID again of tokens that are still
alive; and the audit would name a subject without an account. So the row stays and nothing of it works: whatever
rested on it ends, each with its event, and secrets, sessions and links go. What never had anything is removed.

An identifier is not given to another person or client. A client_id or a resource that a file names again
is the same row, as a new registration; nothing of before is live under it. A user name may be used again: the new
account has a subject of its own (docs/decisions/0041-ended-not-removed.md).
"""

import secrets
from datetime import UTC, datetime
from typing import Any

from django.contrib.admin.models import LogEntry
from django.db import models
from django.db.models import F, Q

from authz import audit, authorizations
from authz.models import (
    AccessRequest,
    AccessVote,
    AuditEvent,
    Authorization,
    AuthorizationCode,
    Client,
    Consent,
    ProtectedResource,
    User,
)

REASON = "removed"
Row = Client | User | ProtectedResource


def remove(row: Row) -> bool:
    """Remove or end it, in the caller's transaction; whether the row is gone."""
    if isinstance(row, User):
        _leave_agents(row)
    if not has_stood(row):
        row.delete()
        return True
    now = datetime.now(UTC)
    under = _under(row)
    detail = {
        "authorizations": authorizations.end(Authorization.objects.filter(under), reason=REASON, now=now),
        "consents": Consent.objects.filter(under).delete()[0],
        "codes": AuthorizationCode.objects.filter(under, used=None, expires__gt=now).update(expires=F("created")),
        "access_requests": close_requests(row),
    }
    _let_go(row)
    _end(row, now)
    audit.record(
        audit.Event.ENDED,
        client_id=row.client_id if isinstance(row, Client) else "",
        subject=str(row.subject) if isinstance(row, User) else "",
        resource=row.identifier if isinstance(row, ProtectedResource) else "",
        detail={"object": str(row._meta.verbose_name), **detail},
    )
    return False


def _leave_agents(row: User) -> None:
    """Their agents remember that they had an owner (authz/approvals/succession.py)."""
    # The person before the agents, as a succession locks them.
    User.all_objects.select_for_update().filter(pk=row.pk).first()
    row.owned_clients.update(owner=None, lost_owner=row.username)
    row.successor_of.update(successor=None)


def has_stood(row: Row) -> bool:
    """Whether anything rests on it, or ever did as far as the audit reaches."""
    for relation in row._meta.related_objects:
        if relation.on_delete is models.PROTECT:
            rows = relation.related_model._default_manager.filter(**{relation.field.name: row})  # type: ignore[union-attr]
            if rows.exists():
                return True
    issued = AuditEvent.objects.filter(event__in=_GIVEN)
    if isinstance(row, Client):
        return bool(issued.filter(client_id=row.client_id).exists())
    return isinstance(row, User) and bool(issued.filter(subject=str(row.subject)).exists())


_GIVEN = (audit.Event.TOKEN_ISSUED.value, audit.Event.CODE_ISSUED.value, audit.Event.TOKEN_REVOKED.value)


def _under(row: Row) -> Q:
    match row:
        case Client():
            return Q(client=row)
        case User():
            return Q(user=row)
    return Q(resource=row)


def close_requests(row: Row) -> int:
    """What waits for an answer, and answers that would let it in when it comes back; how many. In the caller's
    transaction."""
    status = AccessRequest.Status
    about = Q(resource=row.identifier) if isinstance(row, ProtectedResource) else _under(row)
    open_ones = AccessRequest.objects.filter(about, status__in=(status.OPEN, status.APPROVED))
    if isinstance(row, User):
        AccessVote.objects.filter(by=row, request__status=status.OPEN).delete()
    return open_ones.update(status=status.EXPIRED)


def _let_go(row: Row) -> None:
    """What would go with the row goes, with its own signals; but for what tells of the past."""
    for relation in row._meta.related_objects:
        model: Any = relation.related_model
        if relation.on_delete is not models.CASCADE or model is LogEntry or getattr(model, "TELLS_OF_THE_PAST", False):
            continue
        model._default_manager.filter(**{relation.field.name: row}).delete()


def _end(row: Row, now: datetime) -> None:
    """The row as it stays."""
    match row:
        case Client():
            _end_client(row, now)
        case User():
            _end_person(row, now)
        case ProtectedResource():
            row.introspection_clients.clear()
            row.decision_clients.clear()
            row.claims_clients.clear()
            row.exchange_clients.clear()
            row.may_act, row.scope_mappings = "", []
            row.owners.clear()
            row.ended, row.is_active, row.is_default, row.owner = now, False, False, None
            row.save()


def _end_client(row: Client, now: datetime) -> None:
    row.introspects.clear()
    row.decides_at.clear()
    row.claims_at.clear()
    row.exchanges_at.clear()
    row.ended, row.status, row.owner, row.successor = now, Client.Status.RETIRED, None, None
    row.lost_owner, row.owner_left = "", None
    row.secret_digest, row.client_jwks, row.client_jwks_uri = "", None, ""
    # Consents and grants hold for one value of it: nothing of before agrees with what comes back.
    row.consent_digest = secrets.token_hex(32)
    row.save()


def _end_person(row: User, now: datetime) -> None:
    row.owned_resources.update(owner=None)
    row.co_owned_resources.clear()
    row.groups.clear()
    row.user_permissions.clear()
    row.ended, row.is_active, row.role, row.email = now, False, User.Role.NONE, ""
    # The name is free again; the next account with this name is another one.
    row.username = f"{row.username[:130]} (ended {row.subject.hex[:8]})"
    row.set_unusable_password()
    row.save()
