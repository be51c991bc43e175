"""`rules:` the organisation's policy, in the form that authz/policy/ reads."""

import copy
import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from authz.configuration.extension_conditions import problems as extension_problems
from authz.configuration.shaped import RULE, shaped
from authz.configuration.shown_text import KeyField
from authz.decisions import rule_check
from authz.models import Rule
from authz.policy import Rule as PolicyRule
from authz.policy import RuleError
from authz.protocol.numbers import number

KEY = "rules"
LOOKUP = "name"
SECRET: frozenset[str] = frozenset()
ANNOTATIONS = frozenset({"warnings"})


class RuleSerializer(serializers.Serializer[Any]):
    """A rule of the policy: what is allowed, denied or needs an approval."""

    # Only the names of the members are looked at here: the policy engine validates their shape (`Rule.from_mapping`).

    name = KeyField(max_length=255)
    effect = serializers.ChoiceField(choices=Rule.Effect.values)
    enabled = serializers.BooleanField(required=False)

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        for member in dataclasses.fields(PolicyRule):
            if member.name not in {"id", "version", *fields}:  # the first two are ours to give
                fields[member.name] = shaped(RULE[member.name])(required=False, allow_null=True)
        return fields

    def to_internal_value(self, data: Any) -> Any:
        try:
            return super().to_internal_value(data)
        except serializers.ValidationError as error:
            wrong = error.detail
            if not isinstance(data, Mapping) or not isinstance(wrong, dict):
                raise
        # What the engine would refuse is told at once, as if the members that are wrong already were right.
        rest = {name: value for name, value in data.items() if name in self.fields and name not in wrong}
        rest = {"name": "any", "effect": Rule.Effect.ALLOW, "grant_types": ["*"], **rest}
        told = [nested(at, problem) for at, problem in rule_problems(rest) if "effect" not in wrong or at in data]
        raise serializers.ValidationError(merged([wrong, *told]))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        # Left out, it speaks of every grant; an empty list would speak of none.
        attrs.setdefault("grant_types", ["*"])
        problems = dict(rule_problems(attrs))
        if not problems:
            problems = extension_problems(PolicyRule.from_mapping(attrs))
        if problems:
            raise serializers.ValidationError(merged(nested(at, problem) for at, problem in problems.items()))
        return attrs


SERIALIZER = RuleSerializer


# Lists without which a rule is none.
_NEEDED = ("clients", "grant_types", "resources", "scopes")


def rule_problems(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(field, problem) of each member of a rule that cannot be meant."""
    rule, seen = copy.deepcopy(dict(given)), set[str]()
    while True:
        try:
            PolicyRule.from_mapping(rule)
        except RuleError as error:
            if any(f"{other}.".startswith(f"{error.field}.") for other in seen):
                return  # it is missed now, or follows from what is inside of it
            seen.add(error.field)
            yield error.field, error.problem
            # The engine names the first problem: it is asked again without that.
            if not _mended(rule, _steps(error.field)):
                return
        else:
            return


def _steps(field: str) -> list[str | int]:
    parts = [part for part in field.replace("[", ".").replace("]", "").split(".") if part]
    return [found if (found := number(part)) is not None else part for part in parts]


def _mended(value: dict[str, Any], steps: list[str | int]) -> bool:
    """Whether the member at fault could be taken away, or filled where a rule needs it; of a list the whole list."""
    while steps and isinstance(steps[-1], int):
        steps.pop()
    if len(steps) == 1 and steps[0] in _NEEDED:
        value[str(steps[0])] = ["*"]
        return True
    inside: Any = value
    for step in steps[:-1]:
        inside = inside.get(step) if isinstance(inside, dict) else None
    return bool(steps) and isinstance(inside, dict) and inside.pop(steps[-1], None) is not None


def merged(details: Iterable[Any]) -> Any:
    """Several of DRF's nested errors as one. Two about the same place: the first."""
    whole: Any = {}
    for detail in details:
        if not isinstance(detail, dict):
            return detail
        _merge(whole, detail)
    return whole


def _merge(whole: dict[Any, Any], detail: dict[Any, Any]) -> None:
    for key, inner in detail.items():
        there = whole.setdefault(key, inner)
        if there is not inner and isinstance(there, dict) and isinstance(inner, dict):
            _merge(there, inner)


def nested(field: str, problem: str) -> Any:
    """`conditions.networks[1]` as DRF nests errors, so that the line can be found."""
    detail: Any = [problem]
    for step in reversed(_steps(field)):
        detail = {step: detail}
    return detail


def natural_key(item: Mapping[str, Any]) -> str:
    return str(item["name"])


def rows() -> QuerySet[Rule]:
    return Rule.objects.order_by("id")


def as_item(row: Rule) -> dict[str, Any]:
    item = {"name": row.name, "effect": row.effect, **row.definition}
    return item if row.enabled else {**item, "enabled": False}


def annotations(item: Mapping[str, Any]) -> dict[str, Any]:
    """What the rule names and the server does not know."""
    found = rule_check.check([PolicyRule.from_mapping(item)])
    return {"warnings": [rule_check.as_item(part) for parts in found.values() for part in parts]} if found else {}


def write(item: Mapping[str, Any]) -> None:
    definition = {
        name: value for name, value in item.items() if name not in {"name", "effect", "enabled"} and value is not None
    }
    Rule.objects.update_or_create(
        name=item["name"],
        defaults={"effect": item["effect"], "enabled": item.get("enabled", True), "definition": definition},
    )


def remove(key: str) -> None:
    Rule.objects.get(name=key).delete()
