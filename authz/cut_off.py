"""The switch: all access of an agent, a person, an authorization, a session, an MCP server, an issuer, or of everybody
ends at once.

One transaction stops issuing and ends what stands. From its commit on nothing is issued, no refresh succeeds, and
introspection calls every token under it inactive; what a request that began before it still got is judged by that, too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Any
from uuid import UUID

from django.apps import apps
from django.contrib.sessions.models import Session
from django.db.models import Q, QuerySet

from authz import audit, authorizations
from authz.models import Authorization, AuthorizationCode, Client, Consent, ProtectedResource, User
from authz.sign_in import session_digest
from authz.transactions import settled

REASON = "cut_off"


class NothingToCut(Exception):
    """There is no such agent, person, …; in words for who tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is to be cut off.

    stops            what keeps it from getting more, in words.
    stop             does that, inside the transaction.
    authorizations   those that end with it.
    consents, codes  what is forgotten, so that it doesn't come back by itself.
    """

    name: str
    stops: str
    stop: Callable[[], object]
    authorizations: QuerySet[Authorization]
    consents: QuerySet[Consent] | None = None
    codes: QuerySet[AuthorizationCode] | None = None
    client_id: str = ""
    subject: str = ""
    resource: str = ""


def target(kind: str, identifier: str) -> Target:
    """Raises `NothingToCut`."""
    found = _kinds()[kind](identifier)
    if found is None:
        raise NothingToCut(f"There is no {kind} {identifier!r}.")
    return found


def kinds() -> tuple[str, ...]:
    return tuple(_kinds())


def preview(found: Target, now: datetime) -> int:
    """How many live authorizations would end."""
    return _live(found, now).count()


def cut_off(found: Target, *, kind: str, reason: str, by: str, now: datetime) -> int:
    """Stop and end it; returns how many live authorizations ended."""
    with settled():
        live = _live(found, now).count()
        found.stop()
        authorizations.end(found.authorizations, reason=REASON, now=now)
        if found.codes is not None:
            # Its unused codes are worth nothing any more.
            found.codes.filter(used=None, expires__gt=now).update(expires=now)
        if found.consents is not None:
            found.consents.delete()
        audit.record(
            audit.Event.ACCESS_CUT_OFF,
            client_id=found.client_id,
            subject=found.subject,
            resource=found.resource,
            detail={"kind": kind, "name": found.name, "ended": live, "because": reason[:500], "by": by},
        )
    return live


def _live(found: Target, now: datetime) -> QuerySet[Authorization]:
    return found.authorizations.filter(revoked=None).filter(Q(expires=None) | Q(expires__gt=now))


# --- What can be cut off --------------------------------------------------------------------------------------------


def _client(identifier: str) -> Target | None:
    client = Client.objects.filter(client_id=identifier).first()
    if client is None:
        return None
    still = Client.objects.filter(pk=client.pk).exclude(status=Client.Status.RETIRED)
    return Target(
        name=client.client_id,
        stops="It is suspended, and what people allowed it is forgotten.",
        stop=lambda: still.update(status=Client.Status.SUSPENDED),
        authorizations=Authorization.objects.filter(client=client),
        consents=Consent.objects.filter(client=client),
        codes=AuthorizationCode.objects.filter(client=client),
        client_id=client.client_id,
    )


def _person(identifier: str) -> Target | None:
    user = User.objects.filter(username=identifier).first()
    if user is None:
        return None
    return Target(
        name=user.username,
        stops="The account is switched off, and what it allowed to agents is forgotten.",
        stop=lambda: User.objects.filter(pk=user.pk).update(is_active=False),
        authorizations=Authorization.objects.filter(user=user),
        consents=Consent.objects.filter(user=user),
        codes=AuthorizationCode.objects.filter(user=user),
        subject=str(user.subject),
    )


def _authorization(identifier: str) -> Target | None:
    try:
        row = Authorization.objects.select_related("client", "user", "resource").get(pk=UUID(identifier))
    except (ValueError, Authorization.DoesNotExist):
        return None
    forgotten = Consent.objects.filter(user=row.user, client=row.client, resource=row.resource) if row.user else None
    return Target(
        name=str(row.pk),
        stops="What was allowed in it is forgotten; the agent may ask again.",
        stop=lambda: None,
        authorizations=Authorization.objects.filter(pk=row.pk),
        consents=forgotten,
        client_id=row.client.client_id,
        subject=str(row.user.subject) if row.user else "",
        resource=row.resource.identifier if row.resource else "",
    )


def _session(identifier: str) -> Target | None:
    """By its digest, as authorizations and the audit name it."""
    grants = Authorization.objects.filter(session_digest=identifier)
    browser = [
        key for key in Session.objects.values_list("session_key", flat=True) if session_digest(key) == identifier
    ]
    if not identifier or not (browser or grants.exists()):
        return None
    return Target(
        name=identifier,
        stops="The browser is signed out.",
        stop=lambda: Session.objects.filter(session_key__in=browser).delete(),
        authorizations=grants,
        codes=AuthorizationCode.objects.filter(session_digest=identifier),
    )


def _resource(identifier: str) -> Target | None:
    resource = ProtectedResource.objects.filter(identifier=identifier).first()
    if resource is None:
        return None
    return Target(
        name=resource.identifier,
        stops="It is switched off, so nobody gets a token for it.",
        stop=lambda: ProtectedResource.objects.filter(pk=resource.pk).update(is_active=False),
        authorizations=Authorization.objects.filter(resource=resource),
        codes=AuthorizationCode.objects.filter(resource=resource),
        resource=resource.identifier,
    )


def _everything(_: str) -> Target:
    able = Client.objects.filter(status__in=(Client.Status.APPROVED, Client.Status.PENDING))
    return Target(
        name="everything",
        stops="Every agent is suspended, and has to be approved again.",
        stop=lambda: able.update(status=Client.Status.SUSPENDED),
        authorizations=Authorization.objects.all(),
        codes=AuthorizationCode.objects.all(),
    )


def _kinds() -> dict[str, Callable[[str], Target | None]]:
    """The core's, and those of rooms: an app's `CUT_OFF_KINDS` names a function for each kind of its own."""
    found: dict[str, Callable[[str], Target | None]] = {
        "client": _client,
        "person": _person,
        "authorization": _authorization,
        "session": _session,
        "resource": _resource,
    }
    for app in apps.get_app_configs():
        for kind, dotted in getattr(app, "CUT_OFF_KINDS", {}).items():
            module, _, name = dotted.rpartition(".")
            function: Any = getattr(import_module(module), name)
            found[kind] = function
    return {**found, "everything": _everything}
