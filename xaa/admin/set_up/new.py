"""Adding a trusted issuer: which one, what to do there, its few fields. It is saved without counting yet."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from rest_framework.serializers import ValidationError

from authz import audit
from authz.conf import conf
from authz.console.agents import elsewhere
from authz.console.agents.elsewhere import Way
from authz.console.model_admin import record
from authz.console.site import console
from authz.database.transactions import unit_of_work
from xaa.admin.set_up.forms import IssuerForm, SetUpForm
from xaa.configuration import trusted_issuers as section
from xaa.models import TrustedIssuer
from xaa.openid import backchannel_logout
from xaa.sign_in.adapter import provider_id
from xaa.sign_in.provider import callback_url
from xaa.trusted_issuers import guides, metadata_check
from xaa.trusted_issuers.guides import Use
from xaa.trusted_issuers.metadata_check import Report

ADD = "xaa.add_trustedissuer"
TITLES = {
    Use.PEOPLE: "People sign in with",
    Use.AGENTS: "Agents present assertions of",
    Use.JOBS: "Jobs and services run on",
}
TEXTS = {
    Use.PEOPLE: "A button on the sign-in page. The organisation's provider says who it is.",
    Use.AGENTS: "Cross-app access: an agent brings an ID-JAG, by which its provider or another organisation speaks for"
    " a person.",
    Use.JOBS: "The platform vouches for its workloads, so they need no secret.",
}


@console.page("xaa/trustedissuer/new/", "add_issuer")
def choose(request: HttpRequest) -> HttpResponse:
    """Asks which issuer, and what for."""
    _require(request)
    groups = [
        {"title": title, "text": TEXTS[use], "choices": [_choice(use, name) for name in guides.GUIDES[use]]}
        for use, title in TITLES.items()
    ]
    context = {**console.each_context(request), "title": "Which issuer?", "groups": groups}
    return TemplateResponse(request, "console/issuer_new.html", context)


def _choice(use: Use, name: str) -> dict[str, str]:
    preset = guides.preset_of(name)
    label = "Another issuer" if name == "other" and use is not Use.PEOPLE else preset.label
    address = reverse("admin:add_issuer_as", args=[use.value, name])
    return {"title": label, "text": guides.text_of(use, name), "url": address, "letters": label[:2]}


@console.page("xaa/trustedissuer/new/<slug:use>/<slug:preset>/", "add_issuer_as")
@never_cache
def add(request: HttpRequest, use: str, preset: str) -> HttpResponse:
    """First the issuer, whose metadata is fetched and judged; then its fields. It fetches only for a POST."""
    _require(request)
    if use not in set(Use) or preset not in guides.GUIDES[Use(use)]:
        raise Http404
    which, guide, post = Use(use), guides.GUIDES[Use(use)][preset], request.POST
    if guide.ask and (request.method != "POST" or "look" in post):
        return _first(request, which, preset)
    fixed = "" if guide.ask else guides.preset_of(preset).issuer
    if request.method != "POST":
        return _second(request, which, preset, SetUpForm(which, preset, initial={"issuer": fixed}))
    data = post.copy()
    if fixed:
        data["issuer"] = fixed
    form = SetUpForm(which, preset, data)
    row = _saved(request, form) if form.is_valid() else None
    if row is None:
        return _second(request, which, preset, form)
    return HttpResponseRedirect(reverse("admin:xaa_trustedissuer_setup", args=[row.pk]))


def _first(request: HttpRequest, use: Use, name: str) -> HttpResponse:
    guide = guides.GUIDES[use][name]
    form, report = IssuerForm(guide, request.POST or None), None
    if request.method == "POST" and form.is_valid():
        issuer = guides.issuer_of(name, form.cleaned_data["issuer"])
        if problem := _issuer_problem(issuer):
            form.add_error("issuer", problem)
        else:
            report = metadata_check.check(
                issuer, signs_in=use is Use.PEOPLE, has_keys="jwks" in guide.fields and name == "spiffe"
            )
            # Without its metadata no person can sign in; the keys of a private cluster can be pasted in.
            if report.is_usable or use is not Use.PEOPLE:
                initial = {"issuer": issuer}
                return _second(request, use, name, SetUpForm(use, name, initial=initial), report)
    return _page(request, use, name, {"first": form, "report": report, "guide": guide})


def _issuer_problem(issuer: str) -> str:
    try:
        section.check_issuer(issuer)
    except ValidationError as error:
        told = error.detail[0] if isinstance(error.detail, list) else error.detail
        return f"It {told}."
    return "It is among the trusted issuers already." if TrustedIssuer.objects.filter(issuer=issuer).exists() else ""


def _second(request: HttpRequest, use: Use, name: str, form: SetUpForm, report: Report | None = None) -> HttpResponse:
    issuer = str(form["issuer"].value() or "")
    return _page(request, use, name, {"form": form, "report": report, "issuer": issuer, **copied(issuer, use)})


def copied(issuer: str, use: Use) -> dict[str, Any]:
    """What the administrator copies to the issuer: (label, value, words on the button)."""
    if use is Use.PEOPLE:
        return {
            "copies": [
                ("Redirect URI", callback_url(provider_id(issuer)), "Copy the redirect URI"),
                ("Back-channel logout URI", backchannel_logout.address(), "Copy the logout URI"),
            ]
        }
    return {
        "copies": [
            ("Audience (aud)", conf.issuer, "Copy the audience"),
            ("Token endpoint", conf.endpoint("token"), "Copy the token endpoint"),
        ]
    }


def _page(request: HttpRequest, use: Use, name: str, context: Mapping[str, Any]) -> HttpResponse:
    guide, preset = guides.GUIDES[use][name], guides.preset_of(name)
    title = f"{TITLES[use]} {preset.label}"
    shared = {
        **console.each_context(request),
        "title": title,
        "use": use.value,
        "guide": guide,
        "text": guides.text_of(use, name),
    }
    return TemplateResponse(request, "console/issuer_new_form.html", {**shared, **context})


def _saved(request: HttpRequest, form: SetUpForm) -> TrustedIssuer | None:
    """The issuer, by the serializer of the configuration file: what that refuses, this does in the same words."""
    item = form.item()
    if problem := _issuer_problem(item["issuer"]):
        form.add_error(None, problem)
        return None
    if form.use is Use.PEOPLE:
        # The button has to lead somewhere: what the first page has looked at is looked at once more.
        report = metadata_check.check(item["issuer"], signs_in=True)
        for found in report.findings:
            if found.level == metadata_check.ERROR:
                form.add_error(None, found.sentence)
    judged = section.TrustedIssuerSerializer(data=item)
    # As it will be once it is switched on: what could never work is not saved. People can be linked meanwhile.
    if not judged.is_valid():
        for field, told in judged.errors.items():
            form.add_error(field if field in form.fields else None, "; ".join(_texts(told)))
    if form.errors:
        return None
    with unit_of_work():
        section.write(judged.validated_data)
        row = TrustedIssuer.objects.get(issuer=item["issuer"])
        record(request, audit.Event.CONFIGURATION_CREATED, row)
    return row


def _texts(told: Any) -> list[str]:
    if isinstance(told, Mapping):
        return [text for one in told.values() for text in _texts(one)]
    return [text for one in told for text in _texts(one)] if isinstance(told, list) else [str(told)]


def _require(request: HttpRequest) -> None:
    if not request.user.has_perm(ADD):
        raise PermissionDenied


elsewhere.offer(
    Way(
        title="Its organisation speaks for its people",
        text="Cross-app access: the agent brings an ID-JAG of its organisation's issuer for each person. You trust the"
        " issuer, or say which of its workloads is which agent.",
        url_name="add_issuer",
        order=2,
    )
)
