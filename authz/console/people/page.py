"""What a person's page shows beside the form."""

from datetime import UTC, datetime
from typing import Any

from django.db.models import Q
from django.http import HttpRequest

from authz import registry
from authz.audit import queries
from authz.console.audit import event_history
from authz.console.people import attention, invite, second_factors
from authz.console.widgets import names, unusual
from authz.models import AuditEvent, Authorization, Client, User
from authz.sign_in import origins, sign_ins
from authz.sign_in.roles import CUT_OFF, SEE_CUT_OFFS
from authz.sign_in.session import session_digest

SHOWN = 12
# What a person does, or an agent for them; others act on a person, too.
_DOES = ("token:access:", "authorize:", "person:session:", "person:factor:accepted", "person:invitation:used")
# So many of a person's latest events are grouped on the page.
RECENT = 100


def context(request: HttpRequest, user: User) -> dict[str, Any]:
    now = datetime.now(UTC)
    live = Authorization.objects.filter(user=user, revoked=None).filter(Q(expires=None) | Q(expires__gt=now))
    authorizations = list(live.select_related("client", "resource").order_by("-created")[: SHOWN + 1])
    agents = list(Client.objects.filter(owner=user).order_by("-id")[: SHOWN + 1])
    sees_events = request.user.has_perm("authz.view_auditevent")
    # In the order of the index; the newest first.
    newest = list(queries.about("subject", str(user.subject)).order_by("-id")[:RECENT]) if sees_events else []
    return {
        "person": user,
        "attention": attention.tasks(request, user, now),
        "groups_from": _groups(user),
        "known_by": origins.known([user.pk]).get(user.pk, ()),
        "authorizations": authorizations[:SHOWN],
        "has_more_authorizations": len(authorizations) > SHOWN,
        "agents": agents[:SHOWN],
        "has_more_agents": len(agents) > SHOWN,
        "sign_ins": sign_ins.of_person(user, now),
        "this_browser": session_digest(request.session.session_key or ""),
        "may_end": request.user.has_perm(CUT_OFF["session"]),
        "may_see_end": request.user.has_perm(SEE_CUT_OFFS),
        "factors": second_factors.of_person(user),
        "may_reset": second_factors.may_reset(request, user),
        "invitation": invite.last_of(user),
        "last_seen": last_seen(user, newest),
        "recent_events": event_history.chapters(newest)[:8],
        **unusual.panel(request, user),
        "server_names": names.of_most_servers(),
        "agent_names": names.of_agents(event.client_id for event in newest),
    }


def last_seen(user: User, newest: list[AuditEvent]) -> datetime | None:
    """When the person last did something, or an agent did for them."""
    done = [event.time for event in newest if event.event.startswith(_DOES)]
    return max((moment for moment in (user.last_login, *done[:1]) if moment is not None), default=None)


def _groups(user: User) -> list[tuple[str, str]]:
    """(group, where the membership comes from), by name."""
    givers: dict[str, list[str]] = {}
    for source in registry.group_sources():
        for name, giver in source.named(user).items():
            givers.setdefault(name, []).append(giver)
    return [(group.name, ", ".join(givers.get(group.name, ()))) for group in _sorted(user)]


def _sorted(user: User) -> list[Any]:
    return sorted(user.groups.all(), key=lambda group: group.name)
