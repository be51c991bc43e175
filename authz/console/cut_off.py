"""Ending access in the console: a preview, the button, the outcome and the undo (authz/authorizations/cut_off.py)."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from authz.authorizations import cut_off
from authz.console.model_admin import person
from authz.console.site import console
from authz.models import CutOff
from authz.sign_in import form_binding
from authz.sign_in.roles import SEE_CUT_OFFS, may_cut_off, may_undo

EVERYTHING = "everything"
FORM = "end access"
# The kinds in the console's words.
WORDS = {"client": "agent", "resource": "MCP server", "session": "sign-in", "document": "document version"}


class EndAccessForm(forms.Form):
    reason = forms.CharField(max_length=500, required=False, help_text="Why, for those who read the audit.")


class EverythingForm(EndAccessForm):
    sure = forms.CharField(
        label="Type “end everything”", widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    )

    def clean_sure(self) -> str:
        if self.cleaned_data["sure"].strip().lower() != "end everything":
            raise forms.ValidationError("Type these two words to confirm.")
        return ""


@console.page("switch/<str:kind>/", "switch")
def target_page(request: HttpRequest, kind: str) -> HttpResponse:
    """GET: what would end. POST: end it. Raises `PermissionDenied` or `Http404`."""
    require_sight(request)
    identifier = request.GET.get("id", "")
    may = may_cut_off(person(request), kind, identifier)
    if request.method == "POST" and not may:
        raise PermissionDenied
    try:
        found = cut_off.target(kind, identifier)
    except cut_off.NothingToCut as problem:
        raise Http404(str(problem)) from None
    form_class = EverythingForm if kind == EVERYTHING else EndAccessForm
    form = form_class(request.POST if request.method == "POST" else None, label_suffix="")
    now = datetime.now(UTC)
    is_own_account = found.subject != "" and kind == "person" and found.subject == str(person(request).subject)
    # Not the counts: they grow while agents work, and all of it ends.
    shown = (kind, identifier, found.name, found.stops, cut_off.in_short(found.state()))
    is_sure = request.method == "POST" and form.is_valid() and not is_own_account
    if is_sure and not form_binding.is_as_shown(request, FORM, *shown):
        messages.warning(request, form_binding.CHANGED)
    elif is_sure:
        row = cut_off.cut_off(
            found,
            kind=kind,
            identifier=identifier,
            reason=form.cleaned_data["reason"],
            by=person(request).username,
            by_subject=str(person(request).subject),
            now=now,
        )
        return redirect("admin:switch_done", row.pk)
    reckoning = cut_off.preview(found, now)
    context = {
        **console.each_context(request),
        "title": "End everything?" if kind == EVERYTHING else f"End access of this {WORDS.get(kind, kind)}?",
        "found": found,
        "is_everything": kind == EVERYTHING,
        "counts": reckoning.counts,
        "first": reckoning.first,
        "more": max(reckoning.ended - len(reckoning.first), 0),
        "form": form,
        "shown_field": form_binding.field(request, FORM, *shown),
        "may": may and not is_own_account,
        "is_own_account": is_own_account,
        "can_be_undone": found.reinstate is not None,
        "gone": cut_off.GONE_FOR_GOOD,
    }
    return TemplateResponse(request, "console/end_access_target.html", context)


@console.page("switch/done/<int:pk>/", "switch_done")
def done(request: HttpRequest, pk: int) -> HttpResponse:
    """What has ended."""
    require_sight(request)
    row = get_object_or_404(CutOff, pk=pk)
    context = {
        **console.each_context(request),
        "title": "Access has ended",
        "shown": shown(request, row),
        "gone": cut_off.GONE_FOR_GOOD,
    }
    return TemplateResponse(request, "console/end_access_done.html", context)


@console.page("switch/undo/<int:pk>/", "switch_undo")
def undo(request: HttpRequest, pk: int) -> HttpResponse:
    """GET: what comes back. POST: give it back. Raises `PermissionDenied`."""
    require_sight(request)
    row = get_object_or_404(CutOff, pk=pk)
    if not may_undo(person(request), row):
        raise PermissionDenied
    problem = ""
    if request.method == "POST":
        try:
            cut_off.undo(row, by=person(request).username, now=datetime.now(UTC))
        except (cut_off.NothingToCut, cut_off.NothingToUndo) as caught:
            problem = str(caught)
        else:
            return HttpResponseRedirect(reverse("admin:switch_done", args=[pk]))
    context = {
        **console.each_context(request),
        "title": "Allow new requests?",
        "shown": shown(request, row),
        "problem": problem,
        "gone": cut_off.GONE_FOR_GOOD,
    }
    return TemplateResponse(request, "console/end_access_undo.html", context)


def address(kind: str, identifier: str) -> str:
    """The address of the page that ends a target's access."""
    return f"{reverse('admin:switch', args=[kind])}?{urlencode({'id': identifier})}"


def require_sight(request: HttpRequest) -> None:
    if not request.user.has_perm(SEE_CUT_OFFS):
        raise PermissionDenied


def shown(request: HttpRequest, row: CutOff) -> dict[str, Any]:
    return {
        "row": row,
        "kind": WORDS.get(row.kind, row.kind),
        "counts": {name: count for name, count in row.counts.items() if count},
        "before": cut_off.in_short(row.before),
        "after": cut_off.in_short(row.after),
        "is_void": row.can_be_undone and _is_void(row),
        "may_undo": row.can_be_undone and may_undo(person(request), row) and not _is_void(row),
    }


def _is_void(row: CutOff) -> bool:
    try:
        return cut_off.is_void(row)
    except cut_off.NothingToCut:
        return True
