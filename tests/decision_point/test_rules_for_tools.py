"""Rules for tools at the decision point: by label and amount, as configured, and what the audit keeps of it."""

import json
from io import StringIO

from django.core.management import call_command

from authz.models import AuditEvent
from tests.decision_point.conftest import PDP, configure
from tests.support.world import NOTES, World

SMALL = {
    "name": "Small sums", "effect": "deny", "clients": ["*"], "groups": ["*"], "resources": [NOTES], "scopes": ["*"],
    "labels": ["payroll"],
    "conditions": {"arguments": {"amount": {"at_least": 100}, "employee": {"present": True}}},
}  # fmt: skip
TOOLS = [{"name": "pay_*", "labels": ["payroll"]}, {"name": "*"}]


def test_a_rule_by_label_and_amount(gatehouse: World, pdp: PDP) -> None:
    configure(SMALL, tools=TOOLS, shown_arguments=["amount"])
    token = gatehouse.signed_in_tokens()["access_token"]

    assert pdp.call(token, "search", amount=500, employee="x")["decision"] is True
    assert pdp.call(token, "pay_out", amount=99.5, employee="x")["decision"] is True
    for amount in (100, 1e3, "99", True, None):
        assert pdp.call(token, "pay_out", amount=amount, employee="x")["decision"] is False, amount
    assert pdp.call(token, "pay_out", amount=5, Amount=500, employee="x")["decision"] is False


def test_the_audit_keeps_of_a_call_what_may_be_shown(gatehouse: World, pdp: PDP) -> None:
    configure(SMALL, tools=TOOLS, shown_arguments=["amount"])
    token = gatehouse.signed_in_tokens()["access_token"]
    pdp.call(token, "pay_out", amount=99, employee="canary-7f3a", note="canary-7f3a")

    event = AuditEvent.objects.get(event="access:call:allowed")
    assert event.detail["ask"]["tool"]["arguments"] == {"amount": {"number": "99"}}
    assert "canary" not in json.dumps(event.detail)

    # What is kept decides alike: the amount keeps the rule off.
    out = StringIO()
    call_command("policy", "replay", "--event", str(event.pk), stdout=out, no_color=True)
    assert "ALLOW: allowed" in out.getvalue()
    assert "It was" not in out.getvalue()
