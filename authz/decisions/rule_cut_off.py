"""Ends everything that one rule has allowed (authz/authorizations/cut_off.py), and the rule with it.

An authorization rests on a rule if a version of the rule since then permits one of its scopes to its agent and person
as they are now, at the time it was given or last renewed. It ends also if another rule allows the same: who may still
have it asks again.

A rule that requires an approval stays: without it, what it holds back might be allowed. Its approvals end instead.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL

from authz.authorizations.cut_off import NothingToCut, State, Target
from authz.authorizations.live import groups_of
from authz.decisions import chain, rule_history
from authz.decisions.question import access_question
from authz.decisions.status_review import judged_at
from authz.models import AccessRequest, Authorization, Rule, RuleChange
from authz.policy import AccessQuestion, ClientStatus, RuleError, RuleSet, decide, decide_sign_in, without_networks
from authz.policy import Rule as PolicyRule
from authz.policy import compile as compile_rules
from authz.sign_in.sign_in import sign_in_of

HOW = "end_access"
CHUNK = 500
_AS_ROWS = {
    True: "SELECT value FROM json_each(%s)",
    False: "SELECT value::uuid FROM json_array_elements_text(%s::json)",
}


def rule(identifier: str) -> Target | None:
    """By its name or its id. Raises `NothingToCut` for a rule that only denies."""
    number = int(identifier) if identifier.isascii() and identifier.isdecimal() and len(identifier) < 19 else 0
    row = Rule.objects.filter(name=identifier).first() or Rule.objects.filter(pk=number).first()
    if row is None:
        return None
    if row.effect == Rule.Effect.DENY:
        raise NothingToCut(f"The rule {row.name!r} denies, so nothing rests on it.")
    this, rests = Rule.objects.filter(pk=row.pk), resting_on(row)
    if row.effect == Rule.Effect.REQUIRE_APPROVAL:
        return Target(
            name=row.name,
            stops="What was approved because of it is approved no more. The rule stays, and requires new approvals.",
            stop=partial(_end_approvals, row.name),
            authorizations=rests,
        )

    def state() -> State:
        return {"enabled": this.values_list("enabled", flat=True).get()}

    return Target(
        name=row.name,
        stops="The rule is switched off. What another rule allows, too, can be asked for again.",
        state=state,
        stop=lambda: this.update(enabled=False),
        reinstate=lambda before, _: this.update(enabled=before["enabled"]),
        written_by=lambda by: rule_history.written_by(by, HOW),
        rows=(this,),
        authorizations=rests,
    )


def _end_approvals(name: str) -> None:
    approved = AccessRequest.objects.filter(status=AccessRequest.Status.APPROVED)
    mine = [key for key, context in approved.values_list("pk", "context") if name in context.get("rules", ())]
    for start in range(0, len(mine), CHUNK):
        AccessRequest.objects.filter(pk__in=mine[start : start + CHUNK]).update(status=AccessRequest.Status.EXPIRED)


def resting_on(row: Rule) -> QuerySet[Authorization]:
    """The live authorizations that a version of the rule has allowed."""
    versions = list(_versions(row))
    named = {name for _, rule in versions for name in rule.resources}
    live = Authorization.objects.filter(revoked=None)
    if "*" not in named:
        # A sign-in is at no MCP server.
        live = live.filter(Q(resource=None) | Q(resource__identifier__in=named))
    sets = [(until, compile_rules([rule])) for until, rule in versions]
    rows = live.select_related("client__owner", "user", "resource").iterator(chunk_size=CHUNK)
    keys = [str(one.pk) if not settings.IS_SQLITE else one.pk.hex for one in rows if _rests(one, sets)]
    return Authorization.objects.filter(pk__in=RawSQL(_AS_ROWS[settings.IS_SQLITE], [json.dumps(keys)]))  # noqa: S611  constants


def _versions(row: Rule) -> Iterator[tuple[float, PolicyRule]]:
    """Each version that was in force, and when it ended, in seconds since the epoch; without its networks."""
    changes = list(RuleChange.objects.filter(rule=row.pk).order_by("id"))
    ends: list[Any] = [change.time.timestamp() for change in changes[1:]]
    for change, until in zip(changes, [*ends, float("inf")], strict=True):
        if change.enabled and change.effect != Rule.Effect.DENY and change.action != RuleChange.Action.REMOVED:
            try:
                yield until, without_networks([rule_history.as_policy_rule(change)])[0]
            except (RuleError, IndexError):
                continue


def _rests(row: Authorization, versions: Sequence[tuple[float, RuleSet]]) -> bool:
    times = {judged_at(row), row.created.timestamp()}
    asked = _asked(row)
    return any(
        _permits(rules, asked, moment)
        for until, rules in versions
        # One that ended before has allowed nothing of it.
        if until >= row.created.timestamp()
        for moment in times
    )


def _asked(row: Authorization) -> AccessQuestion:
    question = access_question(
        client=row.client,
        sign_in=sign_in_of(row.user, row, groups_of(row.user)) if row.user else None,
        grant_type=row.grant_type,
        resource=row.resource,
        scopes=row.scopes if row.resource else row.identity_scopes,
        through=chain.path_to(row),
    )
    # What the agent may now is another question.
    return replace(question, client_status=ClientStatus.APPROVED, client_until=None)


def _permits(rules: RuleSet, question: AccessQuestion, moment: float) -> bool:
    decision = decide(question, rules, moment) if question.resource else decide_sign_in(question, rules, moment)
    return bool(decision.scopes or decision.waiting)
