"""The form of an approval: the agent's owner, its environment and the end date."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django import forms

from authz.approvals.access_requests import LONGEST_TEXT
from authz.approvals.agent_lifecycle import LONGEST, OWN, USUAL, Terms
from authz.console.widgets.fields import KeyField, PersonField, ShownField
from authz.models import Client, User


class ApprovalForm(forms.Form):
    """For one agent or several. With several, an empty field leaves each value unchanged."""

    owner = PersonField(
        required=False,
        help_text="A user name: who answers for it, and is reminded before it ends.",
        error_messages={"required": "An agent needs an owner."},
    )
    environment = KeyField(
        max_length=64, required=False, help_text="What it is approved for, such as production. Rules can name it."
    )
    until = forms.DateField(
        label="Ends after",
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=f"The last day (UTC), at most {LONGEST.days} days from now. Unless it is renewed, it stops then.",
    )

    reason = ShownField(
        max_length=LONGEST_TEXT, required=False, label="Why", help_text="For the audit: why you approve it."
    )

    # What the page showed: another approver may have decided since.
    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, clients: Sequence[Client], approver: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.clients, self.approver = clients, approver
        today = datetime.now(UTC).date()
        self.fields["until"].initial = today + USUAL
        latest = today + LONGEST - timedelta(days=1)
        self.fields["until"].widget.attrs |= {"min": str(today), "max": str(latest)}
        if len(clients) == 1:
            self.fields["owner"].required = True
            self.fields["owner"].initial = clients[0].owner.username if clients[0].owner else ""
            self.fields["environment"].initial = clients[0].environment
            self.fields["seen"].initial = seen(clients[0])
        else:
            self.fields["owner"].help_text = "For those that have none. Others keep theirs."
            self.fields["environment"].help_text = "Left empty, each keeps its own."

    def clean_owner(self) -> User | None:
        owner: User | None = self.cleaned_data["owner"]
        if owner is not None and not owner.is_active:
            raise forms.ValidationError("This person has left.")
        if owner is not None and owner.pk == self.approver.pk:
            raise forms.ValidationError(OWN)
        return owner

    def clean_until(self) -> datetime:
        until = datetime.combine(self.cleaned_data["until"] + timedelta(days=1), time(), UTC)
        now = datetime.now(UTC)
        if not now < until <= now + LONGEST:
            raise forms.ValidationError(f"An approval ends within {LONGEST.days} days.")
        return until

    @property
    def is_overtaken(self) -> bool:
        """Whether the agent was decided about since this form was made."""
        return self.cleaned_data["seen"] not in ("", seen(self.clients[0]))

    def terms(self, client: Client | None = None) -> Terms:
        """The terms from the form, for the one agent or for this one of several."""
        given, reason = self.cleaned_data, self.cleaned_data["reason"]
        if client is None:
            return Terms(owner=given["owner"], environment=given["environment"], until=given["until"], reason=reason)
        has_owner = client.owner is not None and client.owner.is_active
        return Terms(
            owner=client.owner if has_owner else given["owner"],
            environment=given["environment"] or None,
            until=given["until"],
            reason=reason,
        )


def seen(client: Client) -> str:
    return f"{client.status} {client.approved_until.isoformat() if client.approved_until else ''}".strip()
