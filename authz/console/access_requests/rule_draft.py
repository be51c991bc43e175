"""The draft of a rule on the page of a request that no rule allows: as a sentence, with its effect on past requests."""

from typing import Any

from authz.approvals import rule_requests
from authz.configuration import accepted_rules
from authz.console.rules.history import USUAL_DAYS, effect
from authz.console.widgets import sentences
from authz.decisions import simulation
from authz.models import AccessRequest
from authz.policy import Rule as PolicyRule


def in_words(request: AccessRequest) -> dict[str, Any]:
    """What the page shows of the narrowest rule for it; without its effect once it is decided."""
    item = rule_requests.draft(request, request.scopes)
    rule = PolicyRule.from_mapping(item)
    found: dict[str, Any] = {"draft": sentences.in_words(rule, sentences.names_in([rule]))}
    if request.status == AccessRequest.Status.OPEN:
        found["would_help"] = accepted_rules.would_help(request, item)
        found |= effect(simulation.proposed([rule], prune=False), USUAL_DAYS)
    return found
