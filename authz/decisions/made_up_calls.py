"""A made-up call of a tool, for explanations, the simulator and tests of rules: decided as a real one is."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from authz import resources
from authz.decisions.calls import digest_of
from authz.policy import AccessQuestion, RuleError, ToolCall, Unusual
from authz.policy.unusual import unusual_kinds
from authz.protocol import strict_json


class NoCall(Exception):
    """No call can be made of this, in words for the person who asked."""


# How people say that a call is as usual.
USUAL = "nothing"


def with_call(
    question: AccessQuestion,
    tool: str,
    arguments: Mapping[str, Any] | None,
    unusual: frozenset[Unusual] | None = None,
) -> AccessQuestion:
    """The question about a call of this tool; without a tool, the one about a token. `arguments` and `unusual` None:
    not known.
    """
    if not tool:
        return question
    server = resources.cached().get(question.resource)
    call = ToolCall(
        name=tool,
        labels=None if server is None else resources.labels_of_tool(server, tool),
        arguments=arguments,
        digest=digest_of(question.resource, tool, arguments),
        unusual=unusual,
    )
    return replace(question, tool=call)


def read_arguments(text: str, tool: str) -> dict[str, Any] | None:
    """Arguments as people write them: a JSON object, read as strictly as a real call; None for "". Raises `NoCall`."""
    if not text.strip():
        return None
    if not tool:
        raise NoCall("Arguments are those of a tool: name it, too.")
    try:
        return strict_json.read_exactly(text.encode("utf-8", "replace"))
    except strict_json.StrictJsonError as error:
        raise NoCall(f"The arguments are no JSON object: {error.sentence}") from None


def read_unusual(words: str, tool: str) -> frozenset[Unusual] | None:
    """What is unusual about a call: `first_use volume`, or `nothing`; None for "": not known. Raises `NoCall`."""
    named = words.replace(",", " ").split()
    if not named:
        return None
    if not tool:
        raise NoCall("Unusual are calls of a tool: name it, too.")
    if named == [USUAL]:
        return frozenset()
    try:
        return frozenset(unusual_kinds(named, ""))
    except RuleError:
        raise NoCall(f"What is unusual is one of {', '.join(Unusual)}, or {USUAL}.") from None


def exact(value: Any) -> Any:
    """Arguments of a YAML file, with numbers as a call has them: as they were written."""
    if isinstance(value, Mapping):
        return {str(name): exact(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [exact(inner) for inner in value]
    return Decimal(repr(value)) if isinstance(value, float) else value
