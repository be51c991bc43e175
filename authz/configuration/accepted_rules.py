"""Accepting a request for a rule: the rule is made as any other, by the same validation, with its version and audit."""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from authz import decisions
from authz.approvals import rule_requests, voting
from authz.approvals.voting import NotDecided
from authz.configuration import rules
from authz.configuration.document import ConfigurationError
from authz.configuration.engine import By, one_at_a_time, revise
from authz.configuration.sections import Section
from authz.decisions import rule_history, simulation
from authz.models import AccessRequest, ProtectedResource, User
from authz.policy import Outcome, compile, decide
from authz.policy import Rule as PolicyRule
from authz.sign_in.sign_in import signed_in_now


def accept(
    request: AccessRequest, *, by: User, scopes: Sequence[str], group: str = "", comment: str = "", now: datetime
) -> AccessRequest:
    """Make the rule that a request asks for, and answer it. Raises `NotDecided`.

    group   the rule is for its members and not only for the person; a group that the person is in.
    """
    if group and group not in rule_requests.groups_of(request):
        raise NotDecided("The person who asks is in no such group.")

    def make_rule(current: AccessRequest, accepted: list[str]) -> str:
        item = rule_requests.draft(current, accepted, group)
        if not would_help(current, item):
            raise NotDecided("Another rule denies it, so this rule would change nothing. Reject it, and say so.")
        try:
            with rule_history.written_by(by.username, "request"):
                revise(cast("Section", rules), item["name"], lambda _: item, by=By(by.username, str(by.subject)))
        except ConfigurationError as error:
            raise NotDecided(f"The rule cannot be made: {error}") from None
        return str(item["name"])

    return voting.accept(
        request, by=by, scopes=scopes, comment=comment, now=now, wait_for_writers=one_at_a_time, make_rule=make_rule
    )


def would_help(request: AccessRequest, item: Mapping[str, Any]) -> bool:
    """Whether the agent would get something with this rule beside those of today."""
    resource = ProtectedResource.objects.filter(identifier=request.resource, is_active=True).first()
    if resource is None:
        return False
    question = decisions.access_question(
        client=request.client,
        sign_in=signed_in_now(request.user, time.time()),
        grant_type=request.grant_type,
        resource=resource,
        scopes=item["scopes"],
    )
    together = compile(simulation.proposed([PolicyRule.from_mapping(item)], prune=False))
    now = time.time()
    return decide(decisions.answered(question, together, now), together, now).effect is not Outcome.DENY
