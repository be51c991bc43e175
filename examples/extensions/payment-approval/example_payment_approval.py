"""Payment approval: who asks says the amount, an amount above a limit needs two approvers, and a call that pays may
not pay more than was approved. Nothing of the server is imported: docs/extensions.md has the contract.
"""

from decimal import Decimal

TITLE = "Payment approval"

SETTINGS = {
    "type": "object",
    "properties": {"limit": {"type": "number", "minimum": 0, "description": "One approver is enough up to here."}},
    "required": ["limit"],
    "additionalProperties": False,
}

FIELDS = [{"name": "amount", "label": "Amount", "kind": "number", "required": True, "help": "In euros, at most."}]

# A rule says which argument of a call has the amount.
CONDITION = {
    "type": "object",
    "properties": {"argument": {"type": "string", "minLength": 1}},
    "required": ["argument"],
    "additionalProperties": False,
}


def approvers_needed(request, settings):
    return 2 if request["fields"]["amount"] > settings["limit"] else 1


def condition(facts, wanted, settings):
    """Whether a call pays at most what was approved; None where there is no call, or no amount in it."""
    arguments = (facts["tool"] or {}).get("arguments") or {}
    amount = arguments.get(wanted["argument"])
    if isinstance(amount, bool) or not isinstance(amount, int | Decimal):
        return None
    approved = [fields["amount"] for fields in facts["approved"] if "amount" in fields]
    return any(0 <= amount <= Decimal(str(most)) for most in approved)
