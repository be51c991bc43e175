"""A rule: what the organisation allows, denies, or wants a human to approve.

Its lists say which clients, people, grants, resources and scopes it applies to; an empty list matches none. "*" alone
matches all.

clients        see `clients.py` for the patterns.
through        the same patterns, for what clients passed on (docs/decisions/0110): an allow needs each client of the
               path named, a deny or require_approval applies if any is. None: an allow is for what no client passed
               on, and a deny or require_approval for everything.
users, groups  persons, by name; together they are alternatives, and "*" in either is any signed-in person. A rule with
               neither is for machines: questions without a subject. No rule applies to both; that takes two.
grant_types    see `AccessQuestion.grant_type` for refreshes.
resources      canonical URIs.
scopes         the resource's scopes. With `sensitivities`, only those of them that have one of these sensitivities; a
               scope whose sensitivity isn't known is denied by a rule that names any, and allowed by none.
tools          see `tool_calls.py` for the patterns. None: every tool, and all else that a token is good for.
labels         only where the resource, the scope or the tool has one of these. None: whatever they are called.
conditions     see `conditions.py`.
max_lifetime   seconds that a token may live at most.
proof_of_possession   tokens issued under the rule are bound to a key that the client shows (RFC 9449).
approvers      who may give the approval that a require_approval asks for; see `approvers.py`.

A deny takes away exactly the scopes it names and leaves the others; `scopes: ["*"]` takes away all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from authz.policy.approvers import Approvers, approvers_or_none
from authz.policy.clients import client_pattern
from authz.policy.conditions import UNCONDITIONAL, Conditions
from authz.policy.parsing import RuleError, mapping, names, switch, text, texts, whole_number
from authz.policy.tool_calls import label_names, tool_patterns
from authz.policy.value_kinds import not_this
from authz.protocol.scope_names import is_scope_token


class Effect(StrEnum):
    ALLOW = "allow"
    DENY = "deny"
    REQUIRE_APPROVAL = "require_approval"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. `id` and `version` say which row of the rules' history it is; they don't change what it means."""

    name: str
    effect: Effect
    clients: tuple[str, ...]
    through: tuple[str, ...] | None = None
    users: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    grant_types: tuple[str, ...]
    resources: tuple[str, ...]
    scopes: tuple[str, ...]
    sensitivities: tuple[str, ...] | None = None
    tools: tuple[str, ...] | None = None
    labels: tuple[str, ...] | None = None
    conditions: Conditions = UNCONDITIONAL
    max_lifetime: int | None = None
    proof_of_possession: bool = False
    approvers: Approvers | None = None
    enabled: bool = True
    id: str = ""
    version: int = 1

    @property
    def for_machines(self) -> bool:
        return self.users is None and self.groups is None

    @property
    def is_of_calls(self) -> bool:
        """Whether it speaks of calls of tools, so that a question about a token can't decide it."""
        return self.tools is not None or self.conditions.are_of_calls

    @classmethod
    def from_mapping(cls, data: Mapping[str, object]) -> "Rule":
        """A rule from its shape in YAML or JSON.

        Raises RuleError for what is unknown, mistyped, missing, or could only be meant as something else.
        """
        given = mapping(data, "", _FIELDS)
        for field in ("name", "effect", "clients", "grant_types", "resources", "scopes"):
            if field not in given:
                raise RuleError(field, "is required.")
        rule = cls(
            name=text(given["name"], "name"),
            effect=_effect(given["effect"]),
            clients=_clients(given["clients"], "clients"),
            through=None if given.get("through") is None else _clients(given["through"], "through"),
            users=_persons(given, "users"),
            groups=_persons(given, "groups"),
            grant_types=_grant_types(given["grant_types"]),
            resources=_resources(given["resources"]),
            scopes=_scopes(given["scopes"]),
            sensitivities=None
            if given.get("sensitivities") is None
            else texts(given["sensitivities"], "sensitivities"),
            tools=None if given.get("tools") is None else tool_patterns(given["tools"], "tools"),
            labels=None if given.get("labels") is None else label_names(given["labels"], "labels"),
            conditions=UNCONDITIONAL
            if given.get("conditions") is None
            else Conditions.from_mapping(given["conditions"]),
            max_lifetime=None
            if given.get("max_lifetime") is None
            else whole_number(given["max_lifetime"], "max_lifetime"),
            proof_of_possession=switch(given.get("proof_of_possession", False), "proof_of_possession"),
            approvers=approvers_or_none(given.get("approvers")),
            enabled=switch(given.get("enabled", True), "enabled"),
            id=_id(given.get("id", "")),
            version=whole_number(given.get("version", 1), "version"),
        )
        _refuse_the_meaningless(rule)
        return rule

    def to_mapping(self) -> dict[str, object]:
        """The shape that `from_mapping` reads, without `id` and `version` and without what is at its default."""
        shape: dict[str, object] = {"name": self.name, "effect": self.effect.value, "clients": list(self.clients)}
        if self.through is not None:
            shape["through"] = list(self.through)
        if self.users is not None:
            shape["users"] = list(self.users)
        if self.groups is not None:
            shape["groups"] = list(self.groups)
        shape["grant_types"] = list(self.grant_types)
        shape["resources"] = list(self.resources)
        shape["scopes"] = list(self.scopes)
        if self.sensitivities is not None:
            shape["sensitivities"] = list(self.sensitivities)
        if self.tools is not None:
            shape["tools"] = list(self.tools)
        if self.labels is not None:
            shape["labels"] = list(self.labels)
        if self.conditions != UNCONDITIONAL:
            shape["conditions"] = self.conditions.to_mapping()
        if self.max_lifetime is not None:
            shape["max_lifetime"] = self.max_lifetime
        if self.proof_of_possession:
            shape["proof_of_possession"] = True
        if self.approvers is not None:
            shape["approvers"] = self.approvers.to_mapping()
        if not self.enabled:
            shape["enabled"] = False
        return shape


_FIELDS = (
    "name",
    "effect",
    "clients",
    "through",
    "users",
    "groups",
    "grant_types",
    "resources",
    "scopes",
    "sensitivities",
    "tools",
    "labels",
    "conditions",
    "max_lifetime",
    "proof_of_possession",
    "approvers",
    "enabled",
    "id",
    "version",
)

_SHORT_GRANT_TYPES = ("authorization_code", "client_credentials", "refresh_token")


def _effect(value: object) -> Effect:
    written = text(value, "effect")
    if written not in list(Effect):
        raise RuleError("effect", f"must be one of {', '.join(Effect)}{not_this(value)}.")
    return Effect(written)


def _clients(value: object, field: str) -> tuple[str, ...]:
    patterns = enumerate(texts(value, field))
    return tuple(dict.fromkeys(client_pattern(pattern, f"{field}[{position}]") for position, pattern in patterns))


def _persons(given: Mapping[str, object], field: str) -> tuple[str, ...] | None:
    if field not in given:
        return None
    # A heading left without names would otherwise turn a rule for persons into one for machines.
    if given[field] is None:
        raise RuleError(field, "must be a list; leave it out only in a rule for machines.")
    return names(given[field], field)


def _grant_types(value: object) -> tuple[str, ...]:
    found = names(value, "grant_types")
    for position, name in enumerate(found):
        # > using an absolute URI […] as the value of the "grant_type" parameter (RFC 6749 §4.5)
        if name != "*" and name not in _SHORT_GRANT_TYPES and ":" not in name:
            raise RuleError(
                f"grant_types[{position}]",
                f"must be “*”, {', '.join(_SHORT_GRANT_TYPES)}, or the URI of a grant type{not_this(name)}.",
            )
    return found


def _resources(value: object) -> tuple[str, ...]:
    found = names(value, "resources")
    for position, name in enumerate(found):
        if name != "*":
            _check_resource(name, f"resources[{position}]")
    return found


def _check_resource(name: str, field: str) -> None:
    try:
        parts = urlsplit(name)
    except ValueError:
        raise RuleError(field, "must be an absolute URI.") from None
    # > Its value MUST be an absolute URI […]. The URI MUST NOT include a fragment component. (RFC 8707 §2)
    if not parts.scheme or not (parts.netloc or parts.path) or " " in name:
        raise RuleError(field, "must be an absolute URI.")
    if "#" in name:
        raise RuleError(field, "must not have a fragment.")
    # A resource is compared letter by letter with its canonical URI, so another spelling would never match.
    if parts.scheme != name.partition(":")[0] or parts.netloc != parts.netloc.lower():
        raise RuleError(field, "must be in its canonical form, with scheme and host in small letters.")


def _scopes(value: object) -> tuple[str, ...]:
    found = names(value, "scopes")
    for position, name in enumerate(found):
        if not is_scope_token(name):
            raise RuleError(f"scopes[{position}]", "is not a scope name (RFC 6749 §3.3).")
    return found


def _id(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise RuleError("id", f"must be text or a whole number{not_this(value)}.")
    return str(value)


def _refuse_the_meaningless(rule: Rule) -> None:
    conditions = rule.conditions
    if rule.approvers is not None and rule.effect is not Effect.REQUIRE_APPROVAL:
        raise RuleError("approvers", "has a meaning only in a require_approval.")
    if rule.effect is Effect.DENY:
        if rule.max_lifetime is not None:
            raise RuleError("max_lifetime", "has no meaning in a deny: it lets no token live.")
        if rule.proof_of_possession:
            raise RuleError("proof_of_possession", "has no meaning in a deny: it lets no token live.")
        if conditions.max_auth_age is not None:
            raise RuleError(
                "conditions.max_auth_age", "has no meaning in a deny: put it on the rules that allow, as their demand."
            )
    if rule.for_machines:
        for field in ("max_auth_age", "acr", "amr"):
            if getattr(conditions, field):
                raise RuleError(f"conditions.{field}", "has no meaning for machines: they don't sign in.")
