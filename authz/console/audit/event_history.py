"""The event history of an authorization, an agent or a person: its events in order, and what they rest on."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from authz.audit import queries
from authz.console.site import console
from authz.console.widgets import names
from authz.models import AuditEvent, Authorization, Client, User

KEYS = ("authorization", "client_id", "subject")
LENGTH = 500


@dataclass(frozen=True, slots=True)
class Chapter:
    """The same thing, once or again and again, while nothing else happened and on one day. In the order given."""

    events: tuple[AuditEvent, ...]

    @property
    def event(self) -> AuditEvent:
        return self.events[0]

    @property
    def end(self) -> AuditEvent:
        return self.events[-1]


def chapters(events: Sequence[AuditEvent]) -> list[Chapter]:
    """Who asks for the same every minute is told in a line, so what is different is seen."""
    told = []
    for _, run in groupby(events, key=lambda event: (event.time.date(), event.event, event.reason)):
        same: dict[tuple[Any, ...], list[AuditEvent]] = {}
        for event in run:
            # What has no agent is told each by itself: a change of configuration is like no other.
            same_detail = tuple(str(event.detail.get(name, "")) for name in ("scope", "tool", "decision"))
            key = (event.client_id, event.subject, event.resource, *same_detail)
            same.setdefault(key if event.client_id else (event.pk,), []).append(event)
        told += [Chapter(tuple(found)) for found in same.values()]
    return told


@console.page("story/", "story")
def story(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm("authz.view_auditevent"):
        raise PermissionDenied("authz.view_auditevent")
    key, value = next(((key, request.GET[key]) for key in KEYS if request.GET.get(key)), ("", ""))
    # The latest events, told from the first of them on.
    newest = list(queries.about(key, value)[: LENGTH + 1]) if key else []
    context = {
        **console.each_context(request),
        "title": "Event history of the authorization",
        "key": key,
        "value": value,
        "chapters": chapters(list(reversed(newest[:LENGTH]))),
        "agents": names.of_agents(event.client_id for event in newest),
        "people": names.of_people(event.subject for event in newest),
        "servers": names.of_servers(event.resource for event in newest),
        "is_cut": len(newest) > LENGTH,
        "length": LENGTH,
        "authorization": _authorization(value) if key == "authorization" else None,
        "client": Client.all_objects.filter(client_id=value).first() if key == "client_id" else None,
        "person": _person(value) if key == "subject" else None,
    }
    return TemplateResponse(request, "console/story.html", context)


def _authorization(value: str) -> Authorization | None:
    found = names.uuid_of(value)
    return (
        Authorization.objects.filter(pk=found).select_related("client", "user", "resource").first() if found else None
    )


def _person(value: str) -> User | None:
    found = names.uuid_of(value)
    return User.all_objects.filter(subject=found).first() if found else None
