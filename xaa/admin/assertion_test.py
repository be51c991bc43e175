"""The page that checks an assertion without using it up."""

import time
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.cache import never_cache

from authz import audit
from authz.conf import conf
from authz.console.lists import row_or_404
from authz.console.model_admin import person
from authz.console.site import console
from authz.console.widgets.fields import AgentField
from authz.database import configuration_cache
from authz.protocol import jwts
from authz.protocol.errors import OAuthError
from authz.protocol.jwts import JwtError
from xaa import id_jag, trusted_issuers
from xaa.events import Event
from xaa.explain import claim_lines, explain, explain_id_token
from xaa.explain.claim_lines import Line, Seen
from xaa.models import TrustedIssuer
from xaa.trusted_issuers import Trust, Use


class AssertionForm(forms.Form):
    assertion = forms.CharField(
        max_length=16_384,
        widget=forms.Textarea(attrs={"class": "code", "rows": 6, "spellcheck": "false", "autocomplete": "off"}),
        help_text="An ID-JAG, an ID token or a workload's token, as it would be sent. A test does not use it up, and"
        " does not store it.",
    )
    client_id = AgentField(
        required=False, label="Who presents it", help_text="If empty, the client that it names.", max_length=1024
    )


@never_cache
def assertion_view(request: HttpRequest) -> HttpResponse:
    """The checks of an assertion, one by one. It may make this server fetch keys, so it is a POST.

    `?issuer=` names an issuer that is looked at as if it counted already. Raises `PermissionDenied`.
    """
    if not request.user.is_superuser:
        raise PermissionDenied
    row = row_or_404(TrustedIssuer.objects.all(), named) if (named := request.GET.get("issuer", "")) else None
    form = AssertionForm(request.POST if request.method == "POST" else None)
    context: dict[str, Any] = {
        **console.each_context(request),
        "title": "Test an assertion",
        "form": form,
        "row": row,
    }
    if form.is_valid():
        context |= _judged(request, form, row)
    return TemplateResponse(request, "console/assertion_test.html", context)


def _judged(request: HttpRequest, form: AssertionForm, row: TrustedIssuer | None) -> dict[str, Any]:
    configuration_cache.begin()
    client, assertion, now = form.cleaned_data["client_id"], form.cleaned_data["assertion"].strip(), time.time()
    known = trusted_issuers.cached()
    issuer = known.get(row.issuer) if row is not None else None
    findings = list(explain(assertion, client_id=client.client_id if client else None, now=now, issuer=issuer))
    is_accepted = all(finding.passed for finding in findings)
    me = person(request)
    detail = {"issuer": row.issuer if row else "", "by": me.username, "accepted": is_accepted}
    audit.record(Event.ASSERTION_TESTED, subject=str(me.subject), detail=detail)
    return {"findings": findings, "is_accepted": is_accepted, "lines": _lines(assertion, issuer, now)}


def _lines(assertion: str, issuer: Trust | None, now: float) -> list[Line]:
    """Claim by claim; nothing for what can't be read, or has an issuer that isn't trusted at all."""
    try:
        token = jwts.parse(assertion)
        trust = issuer or trusted_issuers.of(token)
    except (JwtError, OAuthError):
        return []
    for_us = (conf.issuer, f"{conf.issuer}/")
    is_id_token = token.typ != id_jag.TYP and explain_id_token.use_of(token, trust) is Use.ID_TOKEN
    audiences = explain_id_token.audiences(trust) if is_id_token else (*for_us, *trust.audience)
    return claim_lines.lines(Seen(claims=token.claims, trust=trust, audiences=audiences, now=now))
