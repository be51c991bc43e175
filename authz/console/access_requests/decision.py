"""The decision about an access request: its form, what its page shows, and what a POST of it does."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest

from authz.approvals import access_requests, approvers, extension_fields, rule_requests, voting
from authz.approvals.told_extensions import as_told
from authz.approvals.voting import DURATIONS, ONCE, ONCE_WITHIN, NotDecided
from authz.configuration import accepted_rules
from authz.console.access_requests import rule_draft
from authz.console.model_admin import person
from authz.console.widgets.display import scope_label
from authz.extensions.panels import panels
from authz.models import AccessRequest, AccessVote, ProtectedResource, Scope
from authz.sign_in import form_binding

LASTS = {"1h": "1 hour", "8h": "8 hours", "1d": "1 day", "7d": "7 days", "30d": "30 days"}
CALL_LASTS = [
    (ONCE, "This one call, within 8 hours"),
    *((key, f"The same call for {said}") for key, said in LASTS.items()),
]
MAX_GROUPS = 10
ALONE, OF_GROUP = "alone", "group:"
DECISION = "approve an access request"


class DecisionForm(forms.Form):
    scopes = forms.MultipleChoiceField(
        required=False,
        label="What it may do",
        widget=forms.CheckboxSelectMultiple,
        help_text="Scopes that are not ticked are denied for the same time.",
    )
    lasts = forms.ChoiceField(label="For how long", choices=list(LASTS.items()), initial="8h")
    comment = forms.CharField(
        label="Reason",
        required=False,
        max_length=500,
        help_text="The person who asked reads it. A denial needs a reason.",
    )

    def __init__(self, request: AccessRequest, votes: Sequence[AccessVote], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        scopes = self.fields["scopes"]
        scopes.choices = _scope_choices(request)  # type: ignore[attr-defined]
        # Earlier approvers may have left scopes out.
        scopes.initial = [name for name in request.scopes if all(name in vote.scopes for vote in votes)]
        if request.call is not None:
            # A call is one act: it is approved as a whole, or not.
            del self.fields["scopes"]
            lasts: Any = self.fields["lasts"]
            lasts.label, lasts.choices, lasts.initial = "How often", CALL_LASTS, ONCE


class RuleRequestForm(forms.Form):
    """For a request that no rule allows: the scopes of the new rule, and its people."""

    scopes = DecisionForm.base_fields["scopes"]
    holds_for = forms.ChoiceField(label="The rule is for", widget=forms.RadioSelect)
    comment = forms.CharField(
        label="Reason",
        required=False,
        max_length=500,
        help_text="The person who asked reads it. A rejection needs a reason.",
    )

    def __init__(self, request: AccessRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        fields["scopes"].choices = _scope_choices(request)
        fields["scopes"].initial = request.scopes
        fields["scopes"].help_text = "Scopes that are not ticked are not in the rule."
        if request.user is None:
            del self.fields["holds_for"]
        else:
            groups = rule_requests.groups_of(request)[:MAX_GROUPS]
            everyone = [(f"{OF_GROUP}{name}", f"Everyone in {name}") for name in groups]
            people = [(ALONE, f"{request.user.username} alone"), *everyone]
            fields["holds_for"].choices, fields["holds_for"].initial = people, ALONE


def _scope_choices(request: AccessRequest) -> list[tuple[str, str]]:
    rows = Scope.objects.filter(resource__identifier=request.resource)
    words = {row.name: (row.description, row.sensitivity) for row in rows}
    return [(name, scope_label(name, *words.get(name, ("", "")))) for name in request.scopes]


def votes_of(found: AccessRequest) -> list[AccessVote]:
    return list(found.votes.select_related("by"))


def decide_by_form(request: HttpRequest, found: AccessRequest) -> forms.Form | None:
    """The form to show, with its errors; None once a decision was made."""
    given = request.POST if request.method == "POST" else None
    form = RuleRequestForm(found, given) if found.needs_rule else DecisionForm(found, votes_of(found), given)
    if request.method == "POST" and form.is_valid():
        # The approval is for what the page showed: the agent, its document, the reason and earlier votes.
        approves = request.POST.get("decision") == "approve"
        if approves and not form_binding.is_as_shown(request, DECISION, *shown_of(found)):
            form.add_error(None, form_binding.CHANGED)
            return form
        try:
            _decide(request, found, form.cleaned_data)
        except NotDecided as problem:
            form.add_error(None, str(problem))
        else:
            return None
    return form


def known_of(found: AccessRequest) -> dict[str, Any]:
    return {
        "access_request": found,
        "resource": ProtectedResource.objects.filter(identifier=found.resource).select_related("owner").first(),
        "deciders": approvers.panel(found).in_words(),
        "votes": votes_of(found),
        "extension_panels": panels("access_request", as_told(found, "")),
        "asked_fields": extension_fields.asked(found),
        "alike": access_requests.like(found),
        **(rule_draft.in_words(found) if found.needs_rule else {}),
    }


def title_of(found: AccessRequest) -> str:
    return "Accept the rule, or reject it?" if found.needs_rule else "Approve or deny?"


def shown_of(found: AccessRequest) -> tuple[object, ...]:
    """What the page shows of a request, without what changes by itself: how often it was asked, and similar cases."""
    resource = ProtectedResource.objects.filter(identifier=found.resource).first()
    scopes = Scope.objects.filter(resource=resource, name__in=found.scopes).order_by("name") if resource else ()
    owner, user = found.client.owner, found.user
    return (
        str(found.pk),
        form_binding.client_state(found.client),
        owner.username if owner else "",
        [user.username, user.email] if user else None,
        [found.resource, resource.name if resource else ""],
        found.scopes,
        [[scope.name, scope.description, scope.sensitivity] for scope in scopes],
        [found.grant_type, found.reason, found.context, approvers.panel(found).in_words()],
        [found.call, found.call_digest, found.extension_fields],
        [found.needs_rule, rule_requests.groups_of(found) if found.needs_rule else []],
        [[str(vote.pk), vote.by.username, vote.scopes, vote.expires, vote.comment] for vote in votes_of(found)],
    )


def _decide(request: HttpRequest, found: AccessRequest, given: dict[str, Any]) -> None:
    by, now = person(request), datetime.now(UTC)
    if request.POST.get("decision") == "approve" and found.needs_rule:
        holds_for = given.get("holds_for", ALONE)
        group = "" if holds_for == ALONE else holds_for.removeprefix(OF_GROUP)
        accepted_rules.accept(found, by=by, scopes=given["scopes"], group=group, comment=given["comment"], now=now)
        messages.success(request, "Accepted: the rule is in force.")
    elif request.POST.get("decision") == "approve":
        once = given["lasts"] == ONCE
        now_is = voting.approve(
            found,
            by=by,
            scopes=given.get("scopes", found.scopes),
            expires=now + (ONCE_WITHIN if once else DURATIONS[given["lasts"]]),
            comment=given["comment"],
            now=now,
            once=once,
        )
        if now_is.status == AccessRequest.Status.OPEN:
            messages.success(request, "Your approval counts. Another person has to approve it, too.")
        else:
            messages.success(request, f"Approved, for {'one call' if once else LASTS[given['lasts']]}.")
    elif request.POST.get("decision") == "deny":
        voting.deny(found, by=by, comment=given["comment"], now=now)
        messages.success(request, "Rejected." if found.needs_rule else "Denied.")
    else:
        raise NotDecided("Approve or deny it.")
