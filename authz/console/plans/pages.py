"""The console's pages that decide a plan, and that apply it. Their forms are bound to what they show."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse

from authz.conf import conf
from authz.configuration import By, ConfigurationError, plan_approvers, plan_files, plans
from authz.configuration.plan_files import PlanRefused
from authz.console.model_admin import person
from authz.console.plans.changes import SHOWN, told
from authz.console.site import console
from authz.models import ConfigurationPlan
from authz.sign_in import form_binding
from authz.sign_in.roles import DECIDE_PLANS

APPROVAL, APPLICATION = "approve a plan", "apply a plan"
Status = ConfigurationPlan.Status


class DecisionForm(forms.Form):
    comment = forms.CharField(
        label="Reason", required=False, max_length=plans.LONGEST_TEXT, help_text="For those who read the plan later."
    )


def may_apply(plan: ConfigurationPlan, now: datetime) -> bool:
    """Whether the plan can be applied as it is."""
    is_enough = {Status.APPROVED} if conf.plans_need_approval else {Status.APPROVED, Status.WAITING}
    return plan.status_at(now) in is_enough


def known_of(plan: ConfigurationPlan, request: HttpRequest) -> dict[str, Any]:
    """What a page shows of a plan."""
    is_open = plan.status_at(datetime.now(UTC)) in {Status.WAITING, Status.APPROVED}
    known = {
        "plan": plan,
        "told": told(plan.changes),
        "more": max(0, len(plan.changes) - SHOWN),
        "is_open": is_open,
        "is_outdated": is_open and not plans.is_current(plan),
    }
    return known | (_drift(plan) if request.GET.get("drift") == "1" and request.method == "GET" else {})


def _drift(plan: ConfigurationPlan) -> dict[str, Any]:
    try:
        found = plan_files.drift_since(plan)
    except (PlanRefused, ConfigurationError) as problem:
        return {"drift_problem": str(problem)}
    return {"is_compared": True, "drift": told([change.as_item() for change in found])}


def _found(request: HttpRequest, pk: UUID) -> ConfigurationPlan:
    """Raises `PermissionDenied`."""
    if not request.user.has_perm(DECIDE_PLANS):
        raise PermissionDenied
    return get_object_or_404(ConfigurationPlan.objects.select_related("decided_by"), pk=pk)


def _shown(plan: ConfigurationPlan) -> tuple[object, ...]:
    """A plan never changes; its status does."""
    return (str(plan.pk), plan.status, plan.state, plan.decided_by_name)


def decide(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What would change, and a form that approves or declines it, once."""
    plan = _found(request, pk)
    form = DecisionForm(request.POST if request.method == "POST" else None, label_suffix="")
    if request.method == "POST" and form.is_valid():
        problem = _decide(request, plan, form.cleaned_data["comment"])
        if not problem:
            return redirect("admin:authz_configurationplan_change", pk)
        form.add_error(None, problem)
    context = {
        **console.each_context(request),
        **known_of(plan, request),
        "title": "Approve or decline?",
        "form": form,
        "objection": plan_approvers.objection(plan, person(request)),
        "shown_field": form_binding.field(request, APPROVAL, *_shown(plan)),
    }
    return TemplateResponse(request, "console/plan_decide.html", context)


def _decide(request: HttpRequest, plan: ConfigurationPlan, comment: str) -> str:
    """Returns what prevents it, as a sentence. Raises `PermissionDenied`."""
    by, now, approves = person(request), datetime.now(UTC), request.POST.get("decision") == "approve"
    if not approves and request.POST.get("decision") != "decline":
        return "Approve or decline it."
    if approves and not form_binding.is_as_shown(request, APPROVAL, *_shown(plan)):
        return form_binding.CHANGED
    try:
        (plans.approve if approves else plans.decline)(plan, by=by, comment=comment, now=now)
    except PlanRefused as refused:
        return str(refused)
    messages.success(request, "Approved: it can be applied." if approves else "Declined.")
    return ""


def apply(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What would change, and a button that applies it, once."""
    plan, me, now = _found(request, pk), person(request), datetime.now(UTC)
    problem = ""
    if request.method == "POST" and not form_binding.is_as_shown(request, APPLICATION, *_shown(plan)):
        problem = form_binding.CHANGED
    elif request.method == "POST":
        try:
            by = By(me.username, str(me.subject))
            plans.carry_out(
                plan, by=by, permit=plan_approvers.permit_for(me), needs_approval=conf.plans_need_approval, now=now
            )
        except PlanRefused as refused:
            problem = str(refused)
        else:
            messages.success(request, "Applied.")
            return redirect("admin:authz_configurationplan_change", pk)
    plan.refresh_from_db()
    context = {
        **console.each_context(request),
        **known_of(plan, request),
        "title": "Apply this plan?",
        "problem": problem,
        "can_be_applied": may_apply(plan, now),
        "shown_field": form_binding.field(request, APPLICATION, *_shown(plan)),
    }
    return TemplateResponse(request, "console/plan_apply.html", context)
