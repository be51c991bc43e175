"""A key for the management API: the agent, its rule and the scopes on one page."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.cache import never_cache

from authz.approvals.agent_lifecycle import USUAL
from authz.configuration import By
from authz.configuration.api_resource import SCOPES
from authz.console.agents import kinds
from authz.console.agents.kinds import Kind
from authz.console.model_admin import person
from authz.console.site import console
from authz.console.widgets.fields import PersonField, ShownField
from authz.management import api_keys
from authz.sign_in.roles import CONFIGURE


class ApiKeyForm(forms.Form):
    name = ShownField(max_length=200, label="Name", help_text="What the program does, such as “Backup job”.")
    scopes = forms.MultipleChoiceField(
        choices=[(name, f"{name}: {text.partition(', as far')[0]}") for name, text in SCOPES.items()],
        widget=forms.CheckboxSelectMultiple,
        label="It may",
    )
    owner = PersonField(help_text="The user name of the person who answers for it. It can't be you.")
    until = forms.DateField(
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        label="Until",
        help_text="The last day. Left out: half a year from now.",
    )


@console.page("authz/client/new-api-key/", "add_api_key")
@never_cache
def add(request: HttpRequest) -> HttpResponse:
    """A saved form answers with the secret, the only time it is shown. Raises `PermissionDenied`."""
    # It writes a rule and approves, so it needs what changing the configuration needs.
    if not request.user.has_perm(CONFIGURE):
        raise PermissionDenied
    form = ApiKeyForm(request.POST or None)
    context: dict[str, Any] = {**console.each_context(request), "title": "API key", "form": form}
    if request.method == "POST" and form.is_valid():
        try:
            context["made"] = _made(request, form)
        except api_keys.CannotMake as problem:
            form.add_error(None, str(problem))
    return TemplateResponse(request, "console/api_key.html", context)


def _made(request: HttpRequest, form: ApiKeyForm) -> api_keys.ApiKey:
    """Raises `CannotMake`."""
    me, given = person(request), form.cleaned_data
    last = given["until"]
    until = datetime.combine(last, time(), UTC) + timedelta(days=1) if last else datetime.now(UTC) + USUAL
    if until <= datetime.now(UTC):
        raise api_keys.CannotMake("The last day is over.")
    by = By(name=me.username, subject=str(me.subject))
    return api_keys.make(given["name"], given["scopes"], owner=given["owner"], until=until, by=by)


kinds.offer(
    "api-key",
    Kind(
        title="A program that uses this server's API",
        text="An API key: the agent, its rule and its scopes in one step.",
        order=90,
        url_name="add_api_key",
        permission=CONFIGURE,
    ),
)
