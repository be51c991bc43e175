"""What an extension brings: a module with any of these names. No base class, and nothing of ours to import.

TITLE       what it is, in a line. Required.
SETTINGS    the JSON Schema of its settings: an object.
CONDITION   the JSON Schema of what a rule says in `conditions.extensions`, with `condition(facts, wanted, settings)`,
            which answers True, False, or None where that isn't known.
FIELDS      what an access request has to say: a list of `{name, label, help, kind, required, pattern}`.
            `approvers_needed(request, settings)` answers how many people have to approve one.
claim       `claim(facts, settings)` answers the value of the claim in access tokens that has its id as its name.
EVENTS      the names of its events with a sentence for each, and `events(happened, request, settings)`, which answers
            a list of `(name, details)`.
panels      `panels(page, facts, settings)` answers a list of `{title, text}` or `{title, columns, rows}`.

Facts, requests and settings are plain data, made for each call. docs/extensions.md has all of it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from authz.extensions import json_schemas

# Members of an extension's settings in the configuration file that are the server's.
OURS = ("enabled", "resources")
MAX_FIELDS, MAX_EVENTS = 10, 20
LONGEST_TITLE, LONGEST_TEXT = 100, 300
_NAME = re.compile(r"[a-z][a-z0-9_]{0,22}")
KINDS = ("text", "number")


class ContractError(Exception):
    """What a module has under one of these names is not what the contract says; in words."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of access requests. `pattern` is what the whole text has to match; a number is at least 0."""

    name: str
    label: str
    help: str = ""
    kind: str = "text"
    required: bool = False
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class Brought:
    """A module that was read: what it does not have is None or empty."""

    title: str
    settings: Mapping[str, Any]
    condition_schema: Mapping[str, Any]
    condition: Callable[..., Any] | None
    fields: tuple[Field, ...]
    approvers_needed: Callable[..., Any] | None
    claim: Callable[..., Any] | None
    event_names: Mapping[str, str]
    events: Callable[..., Any] | None
    panels: Callable[..., Any] | None

    def names(self) -> list[str]:
        """What it brings, in words."""
        found = {
            "rule condition": self.condition,
            "fields of access requests": self.fields,
            "number of approvers": self.approvers_needed,
            "token claim": self.claim,
            "audit events": self.events,
            "console panels": self.panels,
            "settings": self.settings.get("properties"),
        }
        return [name for name, there in found.items() if there]


def read(module: Any) -> Brought:
    """Raises `ContractError`."""
    brought = Brought(
        title=_text(getattr(module, "TITLE", None), "TITLE", LONGEST_TITLE),
        settings=_schema(module, "SETTINGS"),
        condition_schema=_schema(module, "CONDITION"),
        condition=_function(module, "condition"),
        fields=_fields(getattr(module, "FIELDS", ())),
        approvers_needed=_function(module, "approvers_needed"),
        claim=_function(module, "claim"),
        event_names=_events(getattr(module, "EVENTS", {})),
        events=_function(module, "events"),
        panels=_function(module, "panels"),
    )
    # Attack: a setting of its own that the server reads as its switch.
    if shadowed := [name for name in OURS if name in brought.settings.get("properties", {})]:
        raise ContractError(f"SETTINGS has {shadowed[0]}, which is the server’s")
    if bool(brought.events) != bool(brought.event_names):
        raise ContractError("EVENTS and events() go together")
    return brought


def _text(value: object, name: str, most: int) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > most or not value.isprintable():
        raise ContractError(f"{name} is no line of text of at most {most} characters")
    return value


def _function(module: Any, name: str) -> Callable[..., Any] | None:
    found = getattr(module, name, None)
    if found is not None and not callable(found):
        raise ContractError(f"{name} is no function")
    return found


def _schema(module: Any, name: str) -> Mapping[str, Any]:
    found = getattr(module, name, None)
    if found is None:
        return {"type": "object", "properties": {}, "additionalProperties": False}
    if problem := json_schemas.problem_with_schema(found):
        raise ContractError(f"{name} {problem}")
    return dict(found)


def _fields(value: object) -> tuple[Field, ...]:
    if not isinstance(value, list | tuple) or len(value) > MAX_FIELDS:
        raise ContractError(f"FIELDS is no list of at most {MAX_FIELDS}")
    found = tuple(_field(item, f"FIELDS[{position}]") for position, item in enumerate(value))
    if len({field.name for field in found}) < len(found):
        raise ContractError("FIELDS has a name twice")
    return found


def _field(item: object, where: str) -> Field:
    known = Field.__dataclass_fields__
    if not isinstance(item, Mapping) or not set(item) <= set(known):
        raise ContractError(f"{where} is no mapping of {', '.join(known)}")
    pattern = item.get("pattern", "")
    if not isinstance(pattern, str) or not _compiles(pattern):
        raise ContractError(f"{where}.pattern is no regular expression")
    if item.get("kind", "text") not in KINDS:
        raise ContractError(f"{where}.kind is none of {', '.join(KINDS)}")
    return Field(
        name=_named(item.get("name"), f"{where}.name"),
        label=_text(item.get("label"), f"{where}.label", LONGEST_TITLE),
        help=_text(item["help"], f"{where}.help", LONGEST_TEXT) if item.get("help") else "",
        kind=item.get("kind", "text"),
        required=item.get("required", False) is True,
        pattern=pattern,
    )


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        return False
    return True


def _named(value: object, where: str) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ContractError(f"{where} is no name of small letters, digits and _")
    return value


def _events(value: object) -> Mapping[str, str]:
    if not isinstance(value, Mapping) or len(value) > MAX_EVENTS:
        raise ContractError(f"EVENTS is no mapping of at most {MAX_EVENTS} names")
    return {_named(name, "EVENTS"): _text(told, f"EVENTS.{name}", LONGEST_TEXT) for name, told in value.items()}
