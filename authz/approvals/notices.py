"""Notices about access requests, and who gets them (authz/notifications/__init__.py): those who may decide one, and
those it is for. Plain text for people; identifiers for systems.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from authz.approvals import approvers
from authz.models import AccessRequest, Client, Notification, ProtectedResource, User
from authz.notifications import Kind, plain, tell, told_about

# An agent that asks for one thing after the other fills the queue, but not the approvers' mail boxes.
MOST_AN_HOUR = 10


def path_of(request: AccessRequest) -> str:
    """The request's page."""
    return f"/account/requests/{request.pk}"


_WAITS = {
    False: ("an approval", "An agent asks for access that an approver has to decide."),
    True: ("a rule", "No rule allows what an agent asks for. Accept or reject the draft of the narrowest one."),
}


def opened(request: AccessRequest, now: datetime) -> None:
    """Tell those who may decide it that it waits."""
    lately = AccessRequest.objects.filter(client=request.client, first_asked__gt=now - timedelta(hours=1))
    if lately[: MOST_AN_HOUR + 1].count() > MOST_AN_HOUR:
        return
    what, told = _WAITS[request.needs_rule]
    _tell(
        Kind.ACCESS_REQUESTED,
        approvers.who(request, approvers.TOLD),
        request,
        subject=f"{_agent(request)} waits for {what} at {_server(request)}",
        lines=[told, "", *_facts(request)],
        now=now,
    )


def explained(request: AccessRequest, now: datetime) -> None:
    """Tell those who may decide it why it is needed."""
    _tell(
        Kind.ACCESS_EXPLAINED,
        approvers.who(request, approvers.TOLD),
        request,
        subject=f"Why {_agent(request)} needs access at {_server(request)}",
        lines=[f"{_person(request)} gave a reason:", "", f"  {plain(request.reason, 500)}", "", *_facts(request)],
        now=now,
    )


def approved(request: AccessRequest, now: datetime) -> None:
    _tell(
        Kind.ACCESS_APPROVED,
        _concerned(request),
        request,
        subject=f"{_agent(request)} may use {_server(request)}",
        lines=[
            f"{_deciders(request)} approved {' '.join(request.approved_scopes)}, "
            + ("by a rule." if request.needs_rule else f"until {_when(request.expires)}."),
            "Start again in your application.",
            *_comments(request),
            "",
            *_facts(request),
        ],
        now=now,
    )


def denied(request: AccessRequest, now: datetime) -> None:
    _tell(
        Kind.ACCESS_DENIED,
        _concerned(request),
        request,
        subject=f"{_agent(request)} may not use {_server(request)}",
        lines=[
            f"{_deciders(request)} denied it. The same is refused until {_when(request.expires)}.",
            *_comments(request),
            "",
            *_facts(request),
        ],
        now=now,
    )


def ended(request: AccessRequest, by: User, now: datetime) -> None:
    """Tell the people that it was for that an approval ended before its time."""
    _tell(
        Kind.ACCESS_CANCELLED,
        _concerned(request),
        request,
        subject=f"{_agent(request)} may no longer use {_server(request)}",
        lines=[f"{by.username} ended the approval. What was issued under it is refused.", "", *_facts(request)],
        now=now,
    )


def ends_soon(request: AccessRequest, now: datetime) -> None:
    _tell(
        Kind.ACCESS_ENDS_SOON,
        _concerned(request),
        request,
        subject=f"{_agent(request)} may use {_server(request)} until {_when(request.expires)}",
        lines=[
            f"The approval ends by itself at {_when(request.expires)}. What asks again after that waits again.",
            "",
            *_facts(request),
        ],
        now=now,
    )


def agent_waits(client: Client, person: User, now: datetime) -> list[Notification]:
    """Tell those who may approve agents that a person asks for one that isn't approved yet: once a week for each,
    and not for more than so many an hour, since any client can make up agents (attack 10). Returns who was told."""
    if told := told_of_agent(client, now):
        return told
    about = f"agent:{client.pk}"
    lately = Notification.objects.filter(kind=Kind.AGENT_WAITS.value)
    agents = lately.filter(created__gt=now - timedelta(hours=1)).values("about").distinct()
    if agents.count() >= MOST_AN_HOUR:
        return []
    tell(
        Kind.AGENT_WAITS,
        who_approves_agents(approvers.TOLD),
        subject=f"{plain(client.name or client.host or client.client_id, 40)} waits to be approved as an agent",
        body=f"{person.username} wants to use an agent that isn't approved yet.\n\n"
        f"Agent:      {client.host or client.client_id}\nCalls itself “{plain(client.name)}”",
        link=f"/console/authz/client/{client.pk}/change/",
        about=about,
        data={"client_id": client.client_id, "subject": str(person.subject)},
        now=now,
    )
    return told_about(about, Kind.AGENT_WAITS)


def agent_rejected(client: Client, by: User, reason: str, now: datetime) -> None:
    """Tell an agent's owner that it was not approved, and why."""
    tell(
        Kind.AGENT_REJECTED,
        [client.owner] if client.owner else [],
        subject=f"{plain(client.name or client.client_id, 40)} is not approved as an agent",
        body=f"{by.username} rejected it: {plain(reason)}\n\nAgent:      {plain(client.client_id)}",
        link=f"/console/authz/client/{client.pk}/change/",
        about=f"agent:{client.pk}",
        data={"client_id": client.client_id, "subject": str(by.subject)},
        now=now,
    )


def told_of_agent(client: Client, now: datetime) -> list[Notification]:
    """Who was told within a week that this agent waits."""
    told = told_about(f"agent:{client.pk}", Kind.AGENT_WAITS)
    return [notice for notice in told if notice.created > now - timedelta(days=7)]


def who_approves_agents(most: int = 3) -> list[User]:
    able = User.objects.filter(role__in=(User.Role.ADMINISTRATOR, User.Role.APPROVER), is_active=True)
    return list(able.order_by("role", "username")[:most])


def _tell(
    kind: Kind, people: Iterable[User], request: AccessRequest, *, subject: str, lines: list[str], now: datetime
) -> None:
    tell(
        kind,
        people,
        subject=subject,
        body="\n".join(lines),
        link=path_of(request),
        about=str(request.pk),
        data={
            "access_request": str(request.pk),
            "client_id": request.client.client_id,
            "subject": str(request.user.subject) if request.user else None,
            "resource": request.resource,
            "scopes": request.scopes,
            "rules": request.context.get("rules", []),
            "approved_scopes": request.approved_scopes,
            "expires": request.expires.isoformat() if request.expires else None,
        },
        now=now,
    )


def _concerned(request: AccessRequest) -> list[User]:
    """The person it is for, and who owns the agent."""
    return [person for person in (request.user, request.client.owner) if person is not None]


# --- In words ---------------------------------------------------------------------------------------------------------


def _facts(request: AccessRequest) -> list[str]:
    client = request.client
    calls_itself = f", calls itself “{plain(client.name)}”" if client.name else ""
    call = {"To call": _call(request.call)} if request.call else {}
    said = {
        "Agent": (client.host or client.client_id) + calls_itself,
        "For": _person(request),
        "MCP server": f"{_server(request)} {request.resource}".strip(),
        **call,
        "Scopes": " ".join(request.scopes),
        "Because of": ", ".join(f"“{name}”" for name in request.context.get("rules", ())) or "no rule allows it",
        "From": request.context.get("address") or "an unknown address",
        **({"Through": " → ".join(path)} if (path := request.context.get("path")) else {}),
    }
    return [f"{name + ':':12}{value}" for name, value in said.items()]


def _call(call: Mapping[str, Any]) -> str:
    """The tool alone: a mail is read by more people than an approver's page."""
    return plain(str(call["tool"]), 128)


def _agent(request: AccessRequest) -> str:
    return f"“{plain(request.client.name or request.client.host or request.client.client_id, 40)}”"


def _server(request: AccessRequest) -> str:
    if not request.resource:
        return "this server"
    name = ProtectedResource.objects.filter(identifier=request.resource).values_list("name", flat=True).first()
    return plain(name or request.resource, 60)


def _person(request: AccessRequest) -> str:
    return request.user.username if request.user else "itself"


def _deciders(request: AccessRequest) -> str:
    return " and ".join(vote.by.username for vote in request.votes.select_related("by")) or "An approver"


def _comments(request: AccessRequest) -> list[str]:
    votes = request.votes.select_related("by").exclude(comment="")
    return [f"{vote.by.username} wrote: {plain(vote.comment, 500)}" for vote in votes]


def _when(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "it is ended"
