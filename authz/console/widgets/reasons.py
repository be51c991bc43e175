"""“Why was this refused?”: a sentence, what to do about it, and a link to where."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.urls import reverse

from authz import registry
from authz.models import AuditEvent, Client, ProtectedResource, User
from authz.protocol.explanations import ListPage, Place

AGENTS = ListPage("Agents", "admin:authz_client_changelist")
PEOPLE = ListPage("People", "admin:authz_user_changelist")
SERVERS = ListPage("MCP servers", "admin:authz_protectedresource_changelist")
RULES = ListPage("Rules", "admin:authz_rule_changelist")


@dataclass(frozen=True, slots=True)
class Told:
    """An explanation on a page. `link` is (words, address), ("", "") where nothing is mended here."""

    why: str
    remedy: str
    link: tuple[str, str] = ("", "")


def told(event: AuditEvent) -> Told:
    """What the event's reason means. A reason that none of the apps explains is told by its name."""
    found = registry.reason_explanations().get(event.reason)
    if found is None:
        return Told(f"{event.reason.replace('_', ' ').capitalize()}.", "")
    return Told(found.why, found.remedy, _link(found.place, event) if found.place else ("", ""))


def why(reason: str) -> str:
    """The sentence alone."""
    found = registry.reason_explanations().get(reason)
    return found.why if found else f"{reason.replace('_', ' ').capitalize()}."


def _link(place: Place | ListPage, event: AuditEvent) -> tuple[str, str]:
    """To the thing itself, if the event says which and it is there; else to the list of its kind."""
    match place:
        case ListPage():
            return _list(place)
        case Place.AGENT | Place.DOCUMENT:
            return _page("The agent", Client.objects.filter(client_id=event.client_id)) or _list(AGENTS)
        case Place.PERSON:
            return _page("The person", _person(event)) or _list(PEOPLE)
        case Place.SERVER:
            found = ProtectedResource.objects.filter(identifier=event.resource)
            return _page("The MCP server", found) or _list(SERVERS)
        case Place.RULES:
            why = "Why, by the rules of then", reverse("admin:replay", args=[event.pk])
            return why if "ask" in event.detail else _list(RULES)
        case Place.STORY:
            about = ("authorization", event.authorization) if event.authorization else ("client_id", event.client_id)
            return "The whole story", f"{reverse('admin:story')}?{urlencode([about])}"


def _person(event: AuditEvent) -> QuerySet[User]:
    has_one = event.subject and event.subject != event.client_id
    return User.objects.filter(subject=event.subject) if has_one else User.objects.none()


def _page(words: str, rows: QuerySet[Any]) -> tuple[str, str] | None:
    pk = rows.values_list("pk", flat=True).first()
    return None if pk is None else (words, reverse(f"admin:authz_{rows.model._meta.model_name}_change", args=[pk]))


def _list(page: ListPage) -> tuple[str, str]:
    return page.words, reverse(page.url_name)
