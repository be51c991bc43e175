"""The page that examines this installation, as `manage.py doctor` does, and says what to do."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from authz.console.navigation import Place
from authz.console.site import console
from authz.sign_in.roles import CONFIGURE


@console.page("health/", "health", place=Place("", "Home", "home", tab="Health", order=1), permission=CONFIGURE)
def health(request: HttpRequest) -> HttpResponse:
    """A GET shows the button. Examining asks other servers, so only a POST does it. Raises `PermissionDenied`."""
    if not request.user.has_perm(CONFIGURE):
        raise PermissionDenied
    context: dict[str, Any] = {**console.each_context(request), "title": "Health"}
    if request.method == "POST":
        # Not before it is asked for: it loads the Redis client, and with it what no worker needs.
        from authz.operations import doctor

        found = doctor.examine()
        context |= {
            "findings": [finding for each in found.values() for finding in each],
            "well": [about for about, each in found.items() if not each],
            "examined": True,
        }
    return TemplateResponse(request, "console/health.html", context)
