"""What became of each scope of a question, and the decision that follows from all of them."""

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import or_

from authz.policy.approvals import Approval
from authz.policy.compiled import RuleSet, positions
from authz.policy.decision import Decision, DecisionReason, Outcome, StepUp
from authz.policy.question import AccessQuestion
from authz.policy.rules import Rule


class Tally:
    """Collects the scopes one by one, and the rules (as bits, `RuleSet`) that decided on them."""

    def __init__(self) -> None:
        self.granted: list[str] = []
        self.waiting: list[str] = []
        self.permitting = 0
        self.requiring = 0
        self.denying = 0
        self.after_step_up: list[int] = []
        self.approvals: list[Approval] = []
        self.declining: list[Approval] = []

    def grant(self, name: str, permits: int) -> None:
        self.granted.append(name)
        self.permitting |= permits

    def deny(self, denied: int) -> None:
        self.denying |= denied

    def miss(self, after_step_up: int) -> None:
        """No rule permits a scope; `after_step_up` would, after a better sign-in."""
        if after_step_up:
            self.after_step_up.append(after_step_up)

    def require_approval(
        self, name: str, permits: int, required: int, covering: Sequence[Approval], answered: Sequence[Approval]
    ) -> None:
        """Grant a scope that needs an approval if one covers it, leave it out if one declines it, or let it wait."""
        declining = [approval for approval in answered if name in approval.declined]
        if covering:
            self.grant(name, permits)
            self.approvals.append(max(covering, key=lambda approval: (approval.expires, approval.id)))
        elif declining:
            self.declining.extend(declining)
        else:
            self.waiting.append(name)
            self.requiring |= required

    def decision(self, question: AccessQuestion, rules: RuleSet, now: float, in_force_at: float) -> Decision:
        """The decision on all of the scopes. See `evaluate` for `in_force_at`."""
        # Which of the scopes a call uses isn't known, so what takes one of them away refuses it.
        if question.tool is not None and (self.denying or self.declining):
            return self._denied(question, rules)
        if self.waiting:
            return self._pending(question, rules)
        if self.granted:
            return self._allowed(question, rules, now, in_force_at)
        return self._denied(question, rules)

    def _pending(self, question: AccessQuestion, rules: RuleSet) -> Decision:
        return Decision(
            effect=Outcome.PENDING,
            reason=DecisionReason.APPROVAL_NEEDED,
            scopes=tuple(self.granted),
            waiting=tuple(self.waiting),
            proof_of_possession=self._wants_proof(question, rules),
            rules=rule_names(self.requiring, rules),
            narrowed_by=rule_names(self.denying, rules),
            step_up=_step_up(self.after_step_up, rules),
            ruleset=rules.version,
            question=question,
        )

    def _allowed(self, question: AccessQuestion, rules: RuleSet, now: float, in_force_at: float) -> Decision:
        is_all = len(self.granted) == len(question.scope_names())
        return Decision(
            effect=Outcome.ALLOW,
            reason=DecisionReason.ALLOWED if is_all else DecisionReason.NARROWED,
            scopes=tuple(self.granted),
            lifetime=self._lifetime(question, rules, now, in_force_at),
            proof_of_possession=self._wants_proof(question, rules),
            rules=rule_names(self.permitting, rules),
            narrowed_by=rule_names(self.denying, rules),
            approvals=_ids(self.approvals),
            step_up=_step_up(self.after_step_up, rules),
            ruleset=rules.version,
            question=question,
        )

    def _denied(self, question: AccessQuestion, rules: RuleSet) -> Decision:
        denying = rule_names(self.denying, rules)
        is_final = question.tool is not None and (denying or self.declining)
        step_up = None if is_final else _step_up(self.after_step_up, rules)
        if step_up is not None:
            reason = DecisionReason.STEP_UP_NEEDED
        elif denying:
            reason = DecisionReason.DENIED_BY_RULE
        elif self.declining:
            reason = DecisionReason.APPROVAL_DECLINED
        else:
            reason = DecisionReason.NO_RULE_ALLOWS
        return Decision(
            effect=Outcome.DENY,
            reason=reason,
            rules=denying if reason is DecisionReason.DENIED_BY_RULE else (),
            narrowed_by=denying if reason is not DecisionReason.DENIED_BY_RULE else (),
            approvals=_ids(self.declining),
            step_up=step_up,
            ruleset=rules.version,
            question=question,
        )

    def _wants_proof(self, question: AccessQuestion, rules: RuleSet) -> bool:
        """Like a cap of the lifetime: one of the rules that permit is enough. What speaks of calls says nothing of a
        token."""
        permitting = (rules.rules[position] for position in positions(self.permitting))
        return any(rule.proof_of_possession and (question.tool or not rule.is_of_calls) for rule in permitting)

    def _lifetime(self, question: AccessQuestion, rules: RuleSet, now: float, in_force_at: float) -> int | None:
        """The smallest cap in seconds: of the rules, of what is left of their validity, and of what is left of the
        approvals (of the question, and of the client itself)."""
        caps: list[float] = [approval.expires - now for approval in self.approvals]
        if question.client_until is not None:
            caps.append(question.client_until - now)
        for position in positions(self.permitting):
            rule = rules.rules[position]
            if rule.max_lifetime is not None:
                caps.append(rule.max_lifetime)
            if rule.conditions.not_after is not None:
                caps.append(rule.conditions.not_after - in_force_at)
        return max(1, int(min(caps))) if caps else None


def rule_names(bits: int, rules: RuleSet) -> tuple[str, ...]:
    return tuple(dict.fromkeys(rules.rules[position].name for position in positions(bits)))


def _ids(approvals: Iterable[Approval]) -> tuple[str, ...]:
    return tuple(sorted({approval.id for approval in approvals}))


def _step_up(after_step_up: list[int], rules: RuleSet) -> StepUp | None:
    """The mildest of the sign-ins that would get the most of the scopes that were missed."""
    if not after_step_up:
        return None
    gains = {at: sum(bits >> at & 1 for bits in after_step_up) for at in positions(reduce(or_, after_step_up))}
    best = min(gains, key=lambda position: (-gains[position], *_demand(rules.rules[position]), position))
    rule = rules.rules[best]
    return StepUp(
        rule=rule.name,
        max_auth_age=rule.conditions.max_auth_age,
        acr=rule.conditions.acr,
        amr=rule.conditions.amr,
    )


def _demand(rule: Rule) -> tuple[int, float]:
    """How much a rule asks of a sign-in: kinds of proof first, then how recent."""
    conditions = rule.conditions
    age = conditions.max_auth_age
    return bool(conditions.acr) + len(conditions.amr), 0.0 if age is None else 1 / age
