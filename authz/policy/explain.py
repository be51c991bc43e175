"""Why a decision came out as it did: each rule, whether it matched, and if not, on which field.

This walks the rules one by one and asks each field by itself, so it is slower than `decide` and says more. The decision
is that of `decide`; a test holds the two together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from authz.policy.approvals import Approval
from authz.policy.call_matches import (
    UNKNOWN,
    asked,
    conditions_on_calls,
    is_decided_at_the_call,
    labels_match,
    tools_match,
)
from authz.policy.clients import actor_keys, client_keys, pattern_key
from authz.policy.compiled import RuleSet
from authz.policy.conditions import iso, match_authentication, match_circumstances
from authz.policy.decide import decide
from authz.policy.decision import Decision, Outcome
from authz.policy.match import NO, NOT_ESTABLISHED, YES, Match, all_of
from authz.policy.question import AccessQuestion
from authz.policy.rules import Effect, Rule
from authz.policy.scope_trace import ScopeTrace, deciding
from authz.policy.sentences import (
    argument_phrase,
    clients_phrase,
    condition_phrases,
    grants_phrase,
    labels_phrase,
    resources_phrase,
    scopes_phrase,
    sentence,
    subjects_phrase,
    through_phrase,
    tools_phrase,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """A field on which a rule didn't surely match: what the question has and what the rule wants, in words.

    established   False where the question doesn't say: such a field keeps an allow off, but not a deny.
    """

    field: str
    asked: str
    wanted: str
    established: bool


class Role(StrEnum):
    """What a rule does to a question."""

    PERMITS = "permits"
    DENIES = "denies"
    REQUIRES_APPROVAL = "requires approval"
    STEP_UP = "permits after a step-up"
    NOTHING = "does not apply"


class RuleStatus(StrEnum):
    """Whether a rule is in force: it may be switched off, or stand before or after its validity."""

    IN_FORCE = "in force"
    SWITCHED_OFF = "switched off"
    NOT_YET = "not yet in force"
    ENDED = "no longer in force"


def rule_status(rule: Rule, now: float) -> RuleStatus:
    conditions = rule.conditions
    if not rule.enabled:
        return RuleStatus.SWITCHED_OFF
    if conditions.not_before is not None and now < conditions.not_before:
        return RuleStatus.NOT_YET
    if conditions.not_after is not None and now >= conditions.not_after:
        return RuleStatus.ENDED
    return RuleStatus.IN_FORCE


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTrace:
    """One rule on one question.

    rule        all of it; `sentence` says it in words.
    verdict     "yes" if it matches the question, "no", or "not established".
    status      whether it is in force at all at that moment, or why it isn't.
    restricts   scopes that it denies or holds until they are approved.
    permits     scopes that it allows, or would allow once they are approved.
    role        what it does to this question.
    """

    name: str
    id: str
    effect: Effect
    rule: Rule
    sentence: str
    status: RuleStatus
    verdict: Match
    mismatches: tuple[Mismatch, ...]
    restricts: tuple[str, ...]
    permits: tuple[str, ...]
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The path to a decision. Rules that match come first, then those that missed by the fewest fields."""

    question: AccessQuestion
    decision: Decision
    scopes: tuple[ScopeTrace, ...]
    rules: tuple[RuleTrace, ...]


# The fields that another sign-in of the person meets.
OF_SIGN_IN = frozenset({"acr", "amr", "max_auth_age"})

Decide = Callable[[AccessQuestion, RuleSet, float, Sequence[Approval]], Decision]


def explain(
    question: AccessQuestion,
    rules: RuleSet,
    now: float,
    approvals: Sequence[Approval] = (),
    *,
    decided_by: Decide = decide,
) -> Explanation:
    """The decision on a question, and what each rule had to do with it. `decided_by` is `decide_sign_in` for those."""
    traces = [_trace(rule, question, now) for rule in rules.rules]
    decision = decided_by(question, rules, now, approvals)
    scopes = []
    for name, sensitivity in question.sensitivities().items():
        alone = decided_by(replace(question, scopes=((name, sensitivity),)), rules, now, approvals)
        scopes.append(_scope_trace(name, sensitivity, traces, alone, decision))
    return Explanation(
        question=question,
        decision=decision,
        scopes=tuple(scopes),
        rules=tuple(sorted(traces, key=lambda trace: len(trace.mismatches))),
    )


def _scope_trace(name: str, sensitivity: str, traces: list[RuleTrace], alone: Decision, whole: Decision) -> ScopeTrace:
    restricting = [trace for trace in traces if name in trace.restricts]
    held_by = tuple(trace.name for trace in restricting if trace.effect is Effect.REQUIRE_APPROVAL)
    return ScopeTrace(
        name=name,
        sensitivity=sensitivity,
        effect=alone.effect,
        reason=alone.reason,
        decided_by=deciding(alone, held_by),
        is_held_back=alone.effect is Outcome.ALLOW and name not in whole.scopes,
        denied_by=tuple(trace.name for trace in restricting if trace.effect is Effect.DENY),
        held_by=held_by,
        permitted_by=tuple(trace.name for trace in traces if name in trace.permits),
    )


def _trace(rule: Rule, question: AccessQuestion, now: float) -> RuleTrace:
    """One rule on one question: each field that it names, matched by itself."""
    sensitivities = question.sensitivities().items()
    by_name = {name: _on_scope(rule, name, sensitivity) for name, sensitivity in sensitivities}
    labelled = {name: labels_match(rule, question, name) for name in by_name}
    scopes = {name: all_of([("", match), ("", labelled[name])]) for name, match in by_name.items()}
    found = [
        ("enabled", YES if rule.enabled else NO),
        ("clients", _yes(any(pattern_key(pattern) in client_keys(question) for pattern in rule.clients))),
        ("through", _on_path(rule, question)),
        ("subject", _yes(_is_for_subject(rule, question))),
        (
            "grant_types",
            _yes("*" in rule.grant_types or any(name in rule.grant_types for name in question.grant_names())),
        ),
        ("resources", _yes("*" in rule.resources or question.resource in rule.resources)),
        ("scopes", _best(list(by_name.values()))),
        ("labels", _beside(_best(list(by_name.values())), _best(list(scopes.values())))),
        ("tools", tools_match(rule, question)),
        *conditions_on_calls(rule, question),
        *match_circumstances(rule.conditions, question, now, now),
        *match_authentication(rule.conditions, question, now),
    ]
    verdict_on_all = all_of(found)
    possibly = tuple(name for name, verdict in scopes.items() if verdict is not NO and verdict_on_all is not NO)
    restricted = tuple(name for name in possibly if not is_decided_at_the_call(rule, question, name))
    surely = tuple(name for name, verdict in scopes.items() if verdict is YES and verdict_on_all is YES)
    restricts = () if rule.effect is Effect.ALLOW else restricted
    permits = () if rule.effect is Effect.DENY else surely
    missed = {field for field, verdict in found if verdict is not YES}
    return RuleTrace(
        name=rule.name,
        id=rule.id,
        effect=rule.effect,
        rule=rule,
        sentence=sentence(rule),
        status=rule_status(rule, now),
        verdict=verdict_on_all,
        mismatches=tuple(
            Mismatch(
                field=field,
                asked=_asked(field, question, now),
                wanted=_wanted(field, rule),
                established=verdict is NO,
            )
            for field, verdict in found
            if verdict is not YES
        ),
        restricts=restricts,
        permits=permits,
        role=_role(rule, question, missed, restricts=restricts, permits=permits),
    )


def _role(
    rule: Rule, question: AccessQuestion, missed: set[str], *, restricts: tuple[str, ...], permits: tuple[str, ...]
) -> Role:
    if restricts:
        return Role.DENIES if rule.effect is Effect.DENY else Role.REQUIRES_APPROVAL
    if permits:
        return Role.PERMITS
    is_after_step_up = rule.effect is not Effect.DENY and question.subject is not None and missed
    return Role.STEP_UP if is_after_step_up and missed <= OF_SIGN_IN else Role.NOTHING


def _yes(matches: bool) -> Match:
    return YES if matches else NO


def _best(verdicts: list[Match]) -> Match:
    return next((verdict for verdict in (YES, NOT_ESTABLISHED) if verdict in verdicts), NO)


def _beside(scopes: Match, with_labels: Match) -> Match:
    """What the labels take away from the match of the scopes."""
    return YES if scopes is with_labels else with_labels


def _is_for_subject(rule: Rule, question: AccessQuestion) -> bool:
    if rule.for_machines or question.subject is None:
        return rule.for_machines and question.subject is None
    if not question.subject:
        return False
    users, groups = rule.users or (), rule.groups or ()
    return (
        "*" in users or "*" in groups or question.subject in users or any(group in groups for group in question.groups)
    )


def _on_path(rule: Rule, question: AccessQuestion) -> Match:
    """A permission needs each client of the path named, a restriction any. What restricts only is not established: a
    require_approval may then hold, and does not permit."""
    if not question.through:
        return _yes(rule.through is None)
    patterns = {pattern_key(pattern) for pattern in rule.through or ()}
    named = [not patterns.isdisjoint(actor_keys(actor)) for actor in question.through]
    if rule.effect is Effect.ALLOW or all(named):
        return _yes(all(named))
    if rule.through is not None and not any(named):
        return NO
    return YES if rule.effect is Effect.DENY else NOT_ESTABLISHED


def _on_scope(rule: Rule, name: str, sensitivity: str) -> Match:
    if "*" not in rule.scopes and name not in rule.scopes:
        return NO
    if rule.sensitivities is None:
        return YES
    if not sensitivity:
        return NOT_ESTABLISHED
    return _yes(sensitivity in rule.sensitivities)


def _asked(field: str, question: AccessQuestion, now: float) -> str:
    """What the question has in a field, in words."""
    match field:
        case "clients" | "through":
            return _agents(field, question)
        case "subject":
            return _subject(question)
        case "grant_types":
            return ", ".join(question.grant_names())
        case "resources":
            return question.resource
        case "scopes":
            return ", ".join(f"{name} ({sensitivity or UNKNOWN})" for name, sensitivity in question.scopes)
        case "environments":
            return question.client_environment or UNKNOWN
        case "networks":
            return question.address or UNKNOWN
        case "acr":
            return question.acr or UNKNOWN
        case "amr":
            return ", ".join(question.amr) or UNKNOWN
        case "max_auth_age":
            return UNKNOWN if question.auth_time is None else f"signed in {now - question.auth_time:.0f} seconds ago"
        case _ if field.partition(".")[0] in {"labels", "tools", "arguments", "unusual", "extensions"}:
            return asked(field, question)
        case _:
            return iso(now)


def _agents(field: str, question: AccessQuestion) -> str:
    if field == "through":
        return ", then ".join(question.path()) or "no other agent"
    keys = [key for key in client_keys(question) if key != "*" and not key.startswith("under:")]
    return ", ".join(key.removeprefix("id:") for key in keys)


def _subject(question: AccessQuestion) -> str:
    if question.subject is None:
        return "a machine"
    if not question.subject:
        return UNKNOWN
    return (
        f"{question.subject}, member of {', '.join(question.groups)}"
        if question.groups
        else f"{question.subject}, in no group"
    )


def _wanted(field: str, rule: Rule) -> str:
    match field:
        case "enabled":
            return "the rule is switched off"
        case "clients":
            return clients_phrase(rule) if rule.clients else "no agent"
        case "through":
            return through_phrase(rule)
        case "subject":
            return subjects_phrase(rule)
        case "grant_types":
            return grants_phrase(rule) if rule.grant_types else "no grant"
        case "resources":
            return resources_phrase(rule) if rule.resources else "no server"
        case "scopes":
            return scopes_phrase(rule) if rule.scopes and rule.sensitivities != () else "no scope"
        case "labels":
            return labels_phrase(rule) if rule.labels else "no label"
        case "tools":
            return tools_phrase(rule) if rule.tools else "no tool"
        case "arguments":
            return " and ".join(argument_phrase(wanted) for wanted in rule.conditions.arguments)
        case _:
            return condition_phrases(rule.conditions, rule.effect)[field]
