"""The page that checks an assertion without using it up."""

import time
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from authz.console.site import console
from authz.console.widgets.fields import AgentField
from authz.database import configuration_cache
from xaa.explain import explain


class AssertionForm(forms.Form):
    assertion = forms.CharField(
        max_length=16_384,
        widget=forms.Textarea(attrs={"class": "code", "rows": 6, "spellcheck": "false", "autocomplete": "off"}),
        help_text="An ID-JAG or a workload's assertion, as it would be sent. A test does not use it up, and does not"
        " store it.",
    )
    client_id = AgentField(
        required=False, label="Who presents it", help_text="If empty, the client that it names.", max_length=1024
    )


def assertion_view(request: HttpRequest) -> HttpResponse:
    """The checks of an assertion, one by one. It may make this server fetch keys, so it is a POST. Raises
    `PermissionDenied`.
    """
    if not request.user.is_superuser:
        raise PermissionDenied
    form = AssertionForm(request.POST if request.method == "POST" else None)
    context: dict[str, Any] = {
        **console.each_context(request),
        "title": "Test an assertion",
        "form": form,
    }
    if form.is_valid():
        configuration_cache.begin()
        client = form.cleaned_data["client_id"]
        found = explain(
            form.cleaned_data["assertion"].strip(), client_id=client.client_id if client else None, now=time.time()
        )
        context["findings"] = list(found)
        context["is_accepted"] = all(finding.passed for finding in context["findings"])
    return TemplateResponse(request, "console/assertion_test.html", context)
