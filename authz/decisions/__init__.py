"""Decisions: each place puts the same question to the same function (authz/policy/)."""

from authz.decisions.evaluation import (
    allowed_scopes,
    approvals_for,
    evaluate,
    evaluate_either,
    evaluate_sign_in,
    still_allowed,
)
from authz.decisions.extension_answers import answered
from authz.decisions.question import access_question, actor, as_old_as
from authz.decisions.refusal import open_request, open_rule_request, refusal, require
from authz.decisions.rules import cached_rules
from authz.decisions.trace import facts_of_refusal, traced

__all__ = [
    "access_question",
    "actor",
    "allowed_scopes",
    "answered",
    "approvals_for",
    "as_old_as",
    "cached_rules",
    "evaluate",
    "evaluate_either",
    "evaluate_sign_in",
    "facts_of_refusal",
    "open_request",
    "open_rule_request",
    "refusal",
    "require",
    "still_allowed",
    "traced",
]
