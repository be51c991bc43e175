"""The whole story of one authorization, agent or person: its events in order, and what they rest on."""

from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from authz import trail
from authz.console.site import console
from authz.models import Authorization, Client, User

KEYS = ("authorization", "client_id", "subject")
LENGTH = 200


def story(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm("authz.view_auditevent"):
        raise PermissionDenied
    key, value = next(((key, request.GET[key]) for key in KEYS if request.GET.get(key)), ("", ""))
    # The latest events, told from the first of them on.
    newest = list(trail.about(key, value)[: LENGTH + 1]) if key else []
    context = {
        **console.each_context(request),
        "title": "The whole story",
        "key": key,
        "value": value,
        "events": list(reversed(newest[:LENGTH])),
        "is_cut": len(newest) > LENGTH,
        "length": LENGTH,
        "authorization": _authorization(value) if key == "authorization" else None,
        "client": Client.objects.filter(client_id=value).first() if key == "client_id" else None,
        "person": _person(value) if key == "subject" else None,
    }
    return TemplateResponse(request, "console/story.html", context)


def _authorization(value: str) -> Authorization | None:
    found = _uuid(value)
    return (
        Authorization.objects.filter(pk=found).select_related("client", "user", "resource").first() if found else None
    )


def _person(value: str) -> User | None:
    found = _uuid(value)
    return User.objects.filter(subject=found).first() if found else None


def _uuid(value: str) -> UUID | None:
    try:
        return UUID(value)
    except ValueError:
        return None
