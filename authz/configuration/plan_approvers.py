"""Who may approve a plan: an administrator who has not made it, and who gains nothing of their own by it."""

from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet

from authz.approvals.agent_lifecycle import OWN
from authz.configuration.engine import Change, Permit
from authz.models import Client, ConfigurationPlan, User
from authz.sign_in.roles import DECIDE_PLANS

Status = ConfigurationPlan.Status


class NotYours(PermissionDenied):
    """Why this person may not decide a plan, as a sentence."""


def is_open(now: datetime) -> Q:
    return Q(status__in=[Status.WAITING, Status.APPROVED], expires__gt=now)


def objection(plan: ConfigurationPlan, person: User) -> str:
    """Why this person may not approve the plan, as a sentence; "" if they may."""
    if not person.has_perm(DECIDE_PLANS):
        return "Only an administrator approves plans."
    if plan.planned_by_subject == str(person.subject):
        return "Another person has to approve your plan."
    if Client.objects.filter(client_id=plan.planned_by_client, owner=person).exists():
        return "Your own agent made this plan: another person has to approve it."
    return OWN if any(_approves_agent_of(person, change) for change in plan.changes) else ""


def permit_for(person: User) -> Permit:
    """Where no approval by another person is needed: still no person approves their own agent. It raises `NotYours`."""

    def permit(change: Change) -> None:
        if _approves_agent_of(person, change.as_item()):
            raise NotYours(OWN)

    return permit


def waiting_for(person: User, now: datetime) -> QuerySet[ConfigurationPlan]:
    """The plans that wait, and that neither this person nor a program of theirs made."""
    own = Client.objects.filter(owner=person).values("client_id")
    waiting = ConfigurationPlan.objects.filter(is_open(now), status=Status.WAITING)
    return waiting.exclude(planned_by_subject=str(person.subject)).exclude(planned_by_client__in=own)


def _approves_agent_of(person: User, change: dict[str, Any]) -> bool:
    before, after = change["before"], change["after"]
    if change["section"] != "clients" or after.get("status") != Client.Status.APPROVED:
        return False
    is_renewed = any(before.get(name) != after.get(name) for name in ("status", "approved_until"))
    return is_renewed and person.username in (before.get("owner"), after.get("owner"))
