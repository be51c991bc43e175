"""What becomes of rules when something that they name gets another name, or goes.

proposal(rule, changes, elsewhere)   the rule as it would be; None where nothing of it is concerned
asked_after(question, changes)       a past request, as it would be put afterwards

No proposal gives more than the rule gave: where one would, a person has to change the rule.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from authz.policy.approvers import Approvers
from authz.policy.clients import pattern_key
from authz.policy.parsing import RuleError
from authz.policy.question import AccessQuestion, ClientStatus
from authz.policy.rules import Rule

Elsewhere = Mapping[str, Collection[str]]
"""The scopes of all other MCP servers than those that change, by identifier."""


class Named(StrEnum):
    """What a rule can name, as people call it."""

    SERVER = "MCP server"
    SCOPE = "scope"
    GROUP = "group"
    AGENT = "agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class NameChange:
    """`name` becomes `to`; with `to` "" it goes. `server` is the (former) identifier of a scope's MCP server."""

    kind: Named
    name: str
    to: str = ""
    server: str = ""

    @property
    def sentence(self) -> str:
        where = f" of {self.server}" if self.server else ""
        return f"{self.kind} “{self.name}”{where} {f'becomes “{self.to}”' if self.to else 'goes'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A rule `before` and `after`. Without an `after`, a person has to change it; `problem` says why.

    A rule that would name nothing more is switched off, as it was written: it matched nothing any more.
    """

    before: Rule
    after: Rule | None
    problem: str = ""

    @property
    def switches_off(self) -> bool:
        return self.after is not None and self.before.enabled and not self.after.enabled


class _NeedsPerson(Exception):
    """The sentence says why a rule is not changed by this server."""


def proposal(rule: Rule, changes: Iterable[NameChange], elsewhere: Elsewhere) -> Proposal | None:
    # Scopes are looked up under the former identifiers of their servers.
    ordered = sorted(changes, key=lambda change: change.kind is not Named.SCOPE)
    after = rule
    try:
        for change in ordered:
            after = _changed(after, change, elsewhere)
        Rule.from_mapping(after.to_mapping())
    except _NeedsPerson as problem:
        return Proposal(before=rule, after=None, problem=str(problem))
    except RuleError as error:
        return Proposal(before=rule, after=None, problem=f"{error.field}: {error.problem}")
    return None if after == rule else Proposal(before=rule, after=after)


def _changed(rule: Rule, change: NameChange, elsewhere: Elsewhere) -> Rule:
    match change.kind:
        case Named.SERVER:
            return _with_server(rule, change, elsewhere)
        case Named.SCOPE:
            return _with_scope(rule, change, elsewhere)
        case Named.AGENT:
            return _with_agent(rule, change)
        case Named.GROUP:
            return _with_group(rule, change)


def _replaced(names: Sequence[str], change: NameChange) -> tuple[str, ...]:
    new = (change.to if name == change.name else name for name in names)
    return tuple(dict.fromkeys(name for name in new if name))


def _with(rule: Rule, field: str, names: tuple[str, ...]) -> Rule:
    if not names and getattr(rule, field):
        return replace(rule, enabled=False)
    return replace(rule, **{field: names})  # type: ignore[arg-type]  # a list of the rule


def _with_server(rule: Rule, change: NameChange, elsewhere: Elsewhere) -> Rule:
    if change.name in rule.resources and change.to in elsewhere and change.to not in rule.resources:
        raise _NeedsPerson(f"There is another MCP server {change.to}, and the rule would be about it, too.")
    return _with(rule, "resources", _replaced(rule.resources, change))


def _with_scope(rule: Rule, change: NameChange, elsewhere: Elsewhere) -> Rule:
    if change.name not in rule.scopes or not ({"*", change.server} & {*rule.resources}):
        return rule
    others = [scopes for server, scopes in elsewhere.items() if {"*", server} & {*rule.resources}]
    stays = any(change.name in scopes for scopes in others)
    if change.to and change.to not in rule.scopes and any(change.to in scopes for scopes in others):
        raise _NeedsPerson(
            f"Other MCP servers of this rule have a scope “{change.to}”, too, and it would be about them as well."
        )
    if stays:
        return replace(rule, scopes=(*rule.scopes, change.to)) if change.to not in {"", *rule.scopes} else rule
    return _with(rule, "scopes", _replaced(rule.scopes, change))


def _with_agent(rule: Rule, change: NameChange) -> Rule:
    # A client_id that looks like a pattern, such as `tag:finance`, is not named by that pattern (clients.py).
    named = (*rule.clients, *(rule.through or ()))
    if change.name not in named or pattern_key(change.name) != f"id:{change.name}":
        return rule
    if change.to and pattern_key(change.to) != f"id:{change.to}":
        raise _NeedsPerson(f"In a rule, “{change.to}” is a pattern and not a client_id.")
    rule = _with(rule, "clients", _replaced(rule.clients, change))
    return rule if rule.through is None else _with(rule, "through", _replaced(rule.through, change))


def _with_group(rule: Rule, change: NameChange) -> Rule:
    approvers = rule.approvers
    if approvers is not None and change.name in approvers.groups:
        approvers = replace(approvers, groups=_replaced(approvers.groups, change))
        try:
            Approvers.from_mapping(approvers.to_mapping())
        except RuleError as error:
            raise _NeedsPerson(f"Its approvers are this group. Name others: without it, it {error.problem}") from None
    rule = replace(rule, approvers=approvers)
    if change.name not in (rule.groups or ()):
        return rule
    groups = _replaced(rule.groups or (), change)
    # Without people and groups it would be a rule for machines, so the list stays one.
    return replace(rule, groups=groups) if groups or rule.users else replace(rule, enabled=False)


def asked_after(question: AccessQuestion, changes: Iterable[NameChange]) -> AccessQuestion:
    """As the rules are asked afterwards: by the new names, and without what has gone. Nothing is left to ask of an MCP
    server that has gone, and an agent that has gone is no longer approved.
    """
    for change in sorted(changes, key=lambda change: change.kind is not Named.SCOPE):
        match change.kind:
            case Named.SERVER if question.resource == change.name:
                scopes = question.scopes if change.to else ()
                question = replace(question, resource=change.to or question.resource, scopes=scopes)
            case Named.SCOPE if question.resource == change.server:
                named = ((change.to if name == change.name else name, level) for name, level in question.scopes)
                labelled = (
                    (change.to if name == change.name else name, label) for name, label in question.scope_labels
                )
                question = replace(
                    question, scopes=tuple(pair for pair in named if pair[0]), scope_labels=tuple(labelled)
                )
            case Named.GROUP if change.name in question.groups:
                question = replace(question, groups=_replaced(question.groups, change))
            case Named.AGENT if question.client_id == change.name:
                status = question.client_status if change.to else ClientStatus.RETIRED
                question = replace(question, client_id=change.to or question.client_id, client_status=status)
            case Named.AGENT if change.name in question.path():
                question = _passed_on_after(question, change)
    return question


def _passed_on_after(question: AccessQuestion, change: NameChange) -> AccessQuestion:
    # What came through an agent that has gone comes no more.
    if not change.to:
        return replace(question, client_status=ClientStatus.RETIRED)
    renamed = (
        replace(actor, client_id=change.to) if actor.client_id == change.name else actor for actor in question.through
    )
    return replace(question, through=tuple(renamed))
