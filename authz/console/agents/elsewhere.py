"""Adding an agent of another organisation: it isn't registered here. The apps say by which ways it comes."""

from dataclasses import dataclass

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from authz.console.agents.kinds import Kind
from authz.console.agents.kinds import offer as offer_kind
from authz.console.site import console
from authz.sign_in.roles import CONFIGURE


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How an agent comes in that another organisation runs; `url_name` is the console's page for it."""

    title: str
    text: str
    url_name: str
    order: int


_WAYS: list[Way] = []


def offer(way: Way) -> None:
    _WAYS.append(way)


@console.page("authz/client/elsewhere/", "add_agent_elsewhere")
def choose(request: HttpRequest) -> HttpResponse:
    """Asks how it proves itself."""
    # Trust in others is configuration.
    if not request.user.has_perm(CONFIGURE):
        raise PermissionDenied
    ways = sorted(_WAYS, key=lambda way: way.order)
    choices = [{"title": way.title, "text": way.text, "url": reverse(f"admin:{way.url_name}")} for way in ways]
    context = {**console.each_context(request), "title": "How does it prove itself?", "choices": choices}
    return TemplateResponse(request, "console/agent_elsewhere.html", context)


offer_kind(
    "elsewhere",
    Kind(
        title="Another organisation’s agent",
        text="It isn’t registered here: it has a metadata document, or its organisation speaks for it and its people.",
        order=4,
        url_name="add_agent_elsewhere",
        permission=CONFIGURE,
    ),
)
