"""`/plans`: a change of the configuration that another person approves before it is applied."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.http import Http404
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from authz.api.approval_permission import not_ones_own
from authz.api.configuration import MAXIMUM_FILE, JsonText, Text, switch
from authz.api.framework.paging import page
from authz.api.framework.problems import Problem, invalid
from authz.api.framework.shapes import (
    CHANGES,
    CONFIGURATION,
    MOMENT,
    MOMENT_OR_NULL,
    PAGED,
    SWITCH,
    TEXT,
    TEXT_OR_NULL,
    Parameter,
    is_true,
    mapping,
    one_of,
    paged,
)
from authz.api.framework.view import ApiView, principal_of
from authz.conf import conf
from authz.configuration import plan_approvers, plan_files, plans
from authz.configuration.plan_files import PlanRefused
from authz.configuration.plan_items import plan_as_item
from authz.models import ConfigurationPlan
from authz.sign_in.roles import CONFIGURE, DECIDE_PLANS, PLAN

STATUSES = (*ConfigurationPlan.Status.values, "expired")
SEE = "authz.view_configurationplan"
PLAN_ITEM = mapping(
    id=TEXT_OR_NULL,
    status=one_of((*STATUSES, "unchanged")),
    planned_by=TEXT,
    created=MOMENT,
    expires=MOMENT,
    note=TEXT,
    prune=SWITCH,
    digest=TEXT,
    changes=CHANGES["properties"]["changes"],
    warnings=CHANGES["properties"]["warnings"],
    decided_by=TEXT_OR_NULL,
    decided=MOMENT_OR_NULL,
    comment=TEXT,
    applied_by=TEXT_OR_NULL,
    applied=MOMENT_OR_NULL,
)
DRIFT = mapping(drift=SWITCH, changes=CHANGES["properties"]["changes"])
LIST_ITEM = mapping(**{name: shape for name, shape in PLAN_ITEM["properties"].items() if name != "changes"})


def found(pk: UUID) -> ConfigurationPlan:
    """Raises `Http404`."""
    plan = ConfigurationPlan.objects.filter(pk=pk).select_related("decided_by").first()
    if plan is None:
        raise Http404
    return plan


def text_of(request: Request) -> str:
    """The file that was sent. Raises `Problem`."""
    if not isinstance(request.data, str):
        raise Problem(400, "The body must be the configuration file.")
    return request.data


class Plans(ApiView):
    requires = {"GET": SEE, "POST": PLAN}
    query = {
        "GET": {"status": Parameter("Only these, as it is stored.", one_of(ConfigurationPlan.Status.values)), **PAGED},
        "POST": {
            "prune": is_true("remove what the file's sections do not name."),
            "prune_all": is_true(
                "with prune, also of a section that says nothing, all people, or the last administrator."
            ),
            "note": Parameter("Why, for the person who approves.", {**TEXT, "maxLength": plans.LONGEST_TEXT}),
        },
    }
    takes = {"POST": CONFIGURATION}
    answers = {"GET": paged(LIST_ITEM), "POST": PLAN_ITEM}
    statuses = {"POST": (200, 201)}
    maximum_body = MAXIMUM_FILE
    parser_classes = (Text, JsonText)

    def get(self, request: Request) -> Response:
        """Plans, newest first, without their changes."""
        given, rows, now = self.given, ConfigurationPlan.objects.all(), datetime.now(UTC)
        if status := given.get("status"):
            if status not in ConfigurationPlan.Status.values:
                raise Problem(400, f"status is one of {', '.join(ConfigurationPlan.Status.values)}.")
            rows = rows.filter(status=status)
        return page(given, rows, lambda row: plan_as_item(row, now, with_changes=False), by="created")

    def post(self, request: Request) -> Response:
        """Plan to apply the body, a configuration file in YAML or JSON. Another person approves the plan. 200 with the
        status `unchanged` and no id: applying the file would change nothing.
        """
        given, principal, now = self.given, principal_of(request), datetime.now(UTC)
        prune, note = switch(given, "prune"), given.get("note", "")
        if len(note) > plans.LONGEST_TEXT:
            raise Problem(400, f"note has at most {plans.LONGEST_TEXT} characters.")
        client_id = principal.client.client_id if principal.client else ""
        try:
            plan = plans.make(
                text_of(request),
                prune=prune,
                prune_all=switch(given, "prune_all"),
                note=note,
                by=principal.by,
                client_id=client_id,
                now=now,
            )
        except PlanRefused as refused:
            raise Problem(409, str(refused)) from None
        return Response(plan_as_item(plan, now), status=200 if plan is None else 201)


class Plan(ApiView):
    requires = {"GET": SEE}
    answers = {"GET": PLAN_ITEM}

    def get(self, request: Request, pk: UUID) -> Response:
        """A plan with its changes. Secrets are never shown."""
        return Response(plan_as_item(found(pk), datetime.now(UTC)))


class Decision(ApiView):
    decide: Callable[..., None]
    requires = {"POST": DECIDE_PLANS}
    takes = {"POST": mapping(comment=TEXT)}
    answers = {"POST": PLAN_ITEM}

    def post(self, request: Request, pk: UUID) -> Response:
        given, by, now = self.body(request), principal_of(request).person, datetime.now(UTC)
        comment = given.get("comment", "")
        if not isinstance(comment, str) or len(comment) > plans.LONGEST_TEXT:
            raise invalid("comment", f"is a text of at most {plans.LONGEST_TEXT} characters")
        if by is None:
            raise Problem(403, "Only a person may decide plans.")
        plan = found(pk)
        try:
            self.decide(plan, by=by, comment=comment, now=now)
        except plan_approvers.NotYours as refused:
            problem = Problem(403, str(refused))
            problem.is_recorded = True
            raise problem from None
        except PlanRefused as refused:
            raise Problem(409, str(refused)) from None
        return Response(plan_as_item(plan, now))


class Approve(Decision):
    """Approve a plan: an administrator who did not make it, and who owns none of the agents that it approves."""

    decide = staticmethod(plans.approve)


class Decline(Decision):
    """Decline a plan, or withdraw one's own, until it is applied."""

    decide = staticmethod(plans.decline)


class Apply(ApiView):
    requires = {"POST": PLAN}
    answers = {"POST": PLAN_ITEM}

    def post(self, request: Request, pk: UUID) -> Response:
        """Apply an approved plan, once. 409: it waits, is over, or what it changes has changed since; then nothing was
        done.
        """
        plan, principal, now = found(pk), principal_of(request), datetime.now(UTC)
        # A token that may only plan always needs the approval.
        needs_approval = conf.plans_need_approval or not principal.may(CONFIGURE)
        permit = None if needs_approval else not_ones_own(request)
        try:
            plans.carry_out(plan, by=principal.by, permit=permit, needs_approval=needs_approval, now=now)
        except PlanRefused as refused:
            raise Problem(409, str(refused)) from None
        return Response(plan_as_item(found(pk), now))


class PlanDrift(ApiView):
    requires = {"GET": SEE}
    answers = {"GET": DRIFT}

    def get(self, request: Request, pk: UUID) -> Response:
        """What differs by now from the file of an applied plan: the changes that applying it anew would make."""
        try:
            return drift_of(plan_files.drift_since(found(pk)))
        except PlanRefused as refused:
            raise Problem(409, str(refused)) from None


class Drift(ApiView):
    requires = {"POST": CONFIGURE}
    query = {"POST": {"prune": is_true("what the file's sections do not name differs, too.")}}
    takes = {"POST": CONFIGURATION}
    answers = {"POST": DRIFT}
    maximum_body = MAXIMUM_FILE
    parser_classes = (Text, JsonText)
    renderer_classes = (JSONRenderer,)

    def post(self, request: Request) -> Response:
        """Compare a configuration file with what is there: the changes that applying it would make."""
        return drift_of(plan_files.drift(text_of(request), prune=switch(self.given, "prune")))


def drift_of(changes: Any) -> Response:
    return Response({"drift": bool(changes), "changes": [change.as_item() for change in changes]})
