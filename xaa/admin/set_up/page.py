"""The page of an issuer's set-up: what to copy, what it publishes, a test sign-in, and what makes it count."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache

from authz import audit
from authz.console.model_admin import person, record
from authz.console.site import console
from authz.console.widgets.reasons import why
from authz.database import configuration_cache
from authz.database.transactions import unit_of_work
from authz.protocol.errors import OAuthError
from xaa.admin import proposals
from xaa.admin.set_up.new import copied
from xaa.configuration import sign_in
from xaa.events import Event
from xaa.models import ProposedSetUp, SubjectLink, TrustedIssuer
from xaa.sign_in import set_ups, trial
from xaa.trusted_issuers import guides, metadata_check
from xaa.trusted_issuers.guides import Use
from xaa.trusted_issuers.metadata_check import Report

CHANGE = "xaa.change_trustedissuer"
CHANGED_MEANWHILE = "The issuer has changed since this change was made. Make it again."


@console.page("xaa/trustedissuer/<int:pk>/set-up/", "xaa_trustedissuer_setup")
@never_cache
def set_up(request: HttpRequest, pk: int) -> HttpResponse:
    if not request.user.has_perm(CHANGE):
        raise PermissionDenied
    row = get_object_or_404(TrustedIssuer.objects.select_related("sign_in", "proposed"), pk=pk)
    configuration_cache.begin()
    if request.method != "POST":
        return _page(request, row)
    match request.POST.get("act", ""):
        case "look":
            report = metadata_check.check(
                row.issuer, signs_in=_signs_in(row), jwks_uri=row.jwks_uri, has_keys=bool(row.jwks)
            )
            return _page(request, row, report)
        case "test":
            return _test(request, row)
        case "on":
            return _switch_on(request, row)
        case "apply":
            return _apply(request, row)
        case "discard":
            return _discard(request, row)
        case _:
            return HttpResponseRedirect(_address(row))


def _test(request: HttpRequest, row: TrustedIssuer) -> HttpResponse:
    """Off to the issuer, in this browser."""
    tested = set_ups.tested(row)
    if tested is None:
        return HttpResponseRedirect(_address(row))
    try:
        return HttpResponseRedirect(trial.begin(request, row, tested, person(request)))
    except OAuthError as error:
        told = f"{why(error.reason.value)} ({error.detail})" if error.detail else why(error.reason.value)
        messages.error(request, told)
        return HttpResponseRedirect(_address(row))


def _switch_on(request: HttpRequest, row: TrustedIssuer) -> HttpResponse:
    was_tested = set_ups.was_tested(row) is not None
    problem = _problem(row)
    if problem:
        messages.error(request, problem)
    elif _signs_in(row) and not was_tested and "untested" not in request.POST:
        messages.error(request, "It has not been tested as it is now. Test it, or say that you go without.")
    else:
        with unit_of_work():
            # One statement, and only from off to on.
            if TrustedIssuer.objects.filter(pk=row.pk, enabled=False).update(enabled=True):
                record(request, audit.Event.CONFIGURATION_CHANGED, row, changed=["enabled"], tested=was_tested)
        messages.success(request, f"{row.name or row.issuer} counts from now on.")
    return HttpResponseRedirect(_address(row))


def _apply(request: HttpRequest, row: TrustedIssuer) -> HttpResponse:
    change = _change(row)
    if change is None:
        return HttpResponseRedirect(_address(row))
    was_tested = set_ups.was_tested(row) is not None
    if problem := proposals.problem(change):
        messages.error(request, problem)
    elif not was_tested and "untested" not in request.POST:
        messages.error(request, "The change has not been tested. Test it, or say that you go without.")
    else:
        try:
            with unit_of_work():
                changed = proposals.apply(change)
                record(request, audit.Event.CONFIGURATION_CHANGED, row, changed=changed, tested=was_tested)
            messages.success(request, "The change is in force.")
        except proposals.ChangedMeanwhileError:
            messages.warning(request, CHANGED_MEANWHILE)
    return HttpResponseRedirect(_address(row))


def _discard(request: HttpRequest, row: TrustedIssuer) -> HttpResponse:
    change = _change(row)
    if change is not None and proposals.discard(change):
        detail = {"issuer": row.issuer, "by": person(request).username}
        audit.record(Event.CHANGE_DISCARDED, subject=str(person(request).subject), detail=detail)
        messages.success(request, "The change is discarded. The issuer is as it was.")
    return HttpResponseRedirect(_address(row))


def _page(request: HttpRequest, row: TrustedIssuer, report: Report | None = None) -> HttpResponse:
    change, use = _change(row), use_of(row)
    preset = _preset_of(row, use)
    was_tested = set_ups.was_tested(row)
    context: dict[str, Any] = {
        **console.each_context(request),
        "opts": TrustedIssuer._meta,
        "title": f"Set up {row.name or row.issuer}"[:120],
        "row": row,
        "use": use.value,
        "steps": guides.GUIDES[use][preset].steps,
        "signs_in": _signs_in(row) or change is not None,
        "problem": proposals.problem(change) if change else "" if row.enabled else _problem(row),
        "tested": was_tested,
        "last_test": getattr(row, "sign_in_test", None),
        "report": report,
        "change": change,
        "differences": list(proposals.differences(change)) if change else (),
        "linked": SubjectLink.objects.filter(issuer=row)[:1000].count(),
        "test_url": f"{reverse('admin:xaa_trustedissuer_test')}?issuer={row.pk}",
        **copied(row.issuer if change is None else change.values.get("issuer", row.issuer), use),
    }
    return TemplateResponse(request, "console/issuer_set_up.html", context)


def _problem(row: TrustedIssuer) -> str:
    """Why no person could sign in once it is on."""
    client = getattr(row, "sign_in", None)
    if client is None:
        return ""
    found = sign_in.problem(
        row.issuer, enabled=True, accepts=row.accepts, scopes=client.scopes, match=row.match, create=row.create
    )
    return found.sentence if found else ""


def use_of(row: TrustedIssuer) -> Use:
    if _signs_in(row):
        return Use.PEOPLE
    is_for_jobs = TrustedIssuer.Use.WORKLOAD in row.accepts and TrustedIssuer.Use.ID_JAG not in row.accepts
    return Use.JOBS if is_for_jobs else Use.AGENTS


def _preset_of(row: TrustedIssuer, use: Use) -> str:
    """Whose steps to show: those of the preset whose name the issuer was given, or those that hold for any."""
    return next((name for name in guides.GUIDES[use] if guides.preset_of(name).label == row.name), "other")


def _signs_in(row: TrustedIssuer) -> bool:
    return hasattr(row, "sign_in")


def _change(row: TrustedIssuer) -> ProposedSetUp | None:
    return getattr(row, "proposed", None)


def _address(row: TrustedIssuer) -> str:
    return reverse("admin:xaa_trustedissuer_setup", args=[row.pk])
