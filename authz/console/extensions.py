"""An organisation's own extensions: what is installed, what is on, and what went wrong last."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from authz.console.navigation import Place
from authz.console.site import console
from authz.extensions.listing import listed
from authz.extensions.panels import panels_of
from authz.sign_in.roles import SEE_EXTENSIONS

TONES = {"on": "good", "off": "", "broken": "bad", "not installed": "bad", "refused": "bad"}


@console.page(
    "extensions/",
    "extensions",
    place=Place("", "Home", "home", tab="Extensions", order=2),
    permission=SEE_EXTENSIONS,
)
def extensions(request: HttpRequest) -> HttpResponse:
    """The configuration switches them: this page only shows. Raises `PermissionDenied`."""
    if not request.user.has_perm(SEE_EXTENSIONS):
        raise PermissionDenied
    found = [
        {
            "extension": extension,
            "tone": TONES[extension.state],
            "panels": panels_of(extension.identifier, "extension", {}) if extension.state == "on" else (),
        }
        for extension in listed()
    ]
    context = {**console.each_context(request), "title": "Extensions", "found": found}
    return TemplateResponse(request, "console/extensions.html", context)
