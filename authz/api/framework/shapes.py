"""The shapes of bodies and answers as JSON Schema, for the OpenAPI document and for validation."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from authz.protocol import numbers

Shape = Mapping[str, Any]
TEXT: Shape = {"type": "string"}
TEXT_OR_NULL: Shape = {"type": ["string", "null"]}
TEXTS: Shape = {"type": "array", "items": TEXT}
NUMBER: Shape = {"type": "integer"}
NUMBER_OR_NULL: Shape = {"type": ["integer", "null"]}
SWITCH: Shape = {"type": "boolean"}
ANY: Shape = {"type": "object", "additionalProperties": True}
MOMENT: Shape = {"type": "string", "format": "date-time"}
MOMENT_OR_NULL: Shape = {"type": ["string", "null"], "format": "date-time"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the query that is something else than any text, or that must be there."""

    text: str
    shape: Shape = field(default_factory=lambda: TEXT)
    required: bool = False


Query = Mapping[str, str | Parameter]
# A row: what `number()` reads.
ROW: Shape = {"type": "integer", "minimum": 0, "maximum": numbers.MAXIMUM}
PAGED: Query = {
    "limit": Parameter("How many items, 1 to 200 (50).", {"type": "integer", "minimum": 1, "maximum": 200}),
    "cursor": "The `next` of the previous page.",
}


def is_true(text: str) -> Parameter:
    """A switch of the query."""
    return Parameter(f"true: {text}", SWITCH)


def mapping(**members: Shape) -> Shape:
    """An object of exactly these members."""
    return {
        "type": "object",
        "properties": {name.rstrip("_"): shape for name, shape in members.items()},
        "additionalProperties": False,
    }


def one_of(names: Iterable[str]) -> Shape:
    """A text that is one of these."""
    return {"type": "string", "enum": list(names)}


def a_list(of: Shape) -> Shape:
    return {"type": "array", "items": of}


def paged(of: Shape) -> Shape:
    return mapping(items=a_list(of), next=TEXT_OR_NULL)


PROBLEM: Shape = {
    "type": "object",
    "description": "Problem details (RFC 9457).",
    "properties": {
        "title": TEXT,
        "status": NUMBER,
        "detail": TEXT,
        "error": TEXT,
        "line": NUMBER,
        "errors": a_list(mapping(pointer=TEXT, detail=TEXT, line=NUMBER)),
    },
}
CONFIGURATION: Shape = {
    "type": "object",
    "description": "The configuration file: a member for each section (docs/configuration.md).",
}
AGENT = {
    "type": "object",
    "description": "The item of `clients`, with its id in this API and its kind.",
    "properties": {
        "id": NUMBER,
        "kind": TEXT,
        "client_id": TEXT,
        "status": TEXT,
        "owner": TEXT_OR_NULL,
        "successor": TEXT_OR_NULL,
        "owner_left": MOMENT_OR_NULL,
        "suspended_from": MOMENT_OR_NULL,
    },
    "additionalProperties": True,
}
ACCESS_REQUEST = mapping(
    id=TEXT,
    status=TEXT,
    client_id=TEXT,
    username=TEXT_OR_NULL,
    resource=TEXT,
    grant_type=TEXT,
    scopes=TEXTS,
    reason=TEXT,
    fields=ANY,
    context=ANY,
    needs_rule=SWITCH,
    asked=NUMBER,
    first_asked=MOMENT,
    last_asked=MOMENT,
    approved_scopes=TEXTS,
    votes=a_list(mapping(by=TEXT, approves=SWITCH, scopes=TEXTS, comment=TEXT)),
    decided_by=TEXT_OR_NULL,
    decided=MOMENT_OR_NULL,
    comment=TEXT,
    expires=MOMENT_OR_NULL,
)
AUTHORIZATION = mapping(
    id=TEXT,
    state=TEXT,
    client_id=TEXT,
    username=TEXT_OR_NULL,
    resource=TEXT_OR_NULL,
    grant_type=TEXT,
    scopes=TEXTS,
    created=MOMENT,
    expires=MOMENT_OR_NULL,
    ended=MOMENT_OR_NULL,
    ended_because=TEXT,
    parent=TEXT_OR_NULL,
    lineage=ANY,
)
AUDIT_EVENT = mapping(
    id=NUMBER,
    time=MOMENT,
    event=TEXT,
    reason=TEXT,
    client_id=TEXT,
    subject=TEXT,
    resource=TEXT,
    authorization=TEXT,
    address=TEXT,
    request_id=TEXT,
    detail=ANY,
)
EXPLANATION = mapping(
    effect=TEXT,
    reason=TEXT,
    scopes=TEXTS,
    waiting=TEXTS,
    lifetime=NUMBER_OR_NULL,
    rules=TEXTS,
    ruleset=TEXT,
    by_scope=a_list(
        mapping(
            name=TEXT,
            sensitivity=TEXT,
            effect=TEXT,
            reason=TEXT,
            decided_by=TEXTS,
            is_held_back=SWITCH,
            sentence=TEXT,
            denied_by=TEXTS,
            held_by=TEXTS,
            permitted_by=TEXTS,
        )
    ),
    by_rule=a_list(
        mapping(
            name=TEXT,
            effect=TEXT,
            role=TEXT,
            sentence=TEXT,
            standing=TEXT,
            matches=SWITCH,
            mismatches=a_list(mapping(field=TEXT, wanted=TEXT, asked=TEXT)),
        )
    ),
    path=a_list(
        mapping(client_id=TEXT, resource=TEXT, effect=TEXT, scopes=TEXTS, rules=TEXTS, problem=TEXT),
    ),
    passed_on=TEXTS,
)
_REACH = {
    "clients": TEXTS,
    "clients_count": NUMBER,
    "subjects": a_list(TEXT_OR_NULL),
    "subjects_count": NUMBER,
    "resource": TEXT,
    "authorization_server": TEXT,
    "grant_types": TEXTS,
    "scopes": TEXTS,
    "waiting": TEXTS,
    "conditional": TEXTS,
}
_PATH = a_list(mapping(resource=TEXT, client_id=TEXT, rules=TEXTS))
REACH = mapping(
    reach=a_list(mapping(**_REACH)),
    more=SWITCH,
    through=a_list(mapping(**_REACH, path=_PATH)),
    more_through=SWITCH,
)
SHIFTS = mapping(
    gained=NUMBER,
    lost=NUMBER,
    shifts=a_list(
        mapping(
            client_id=TEXT,
            subject=TEXT,
            resource=TEXT,
            authorization_server=TEXT,
            grant_type=TEXT,
            scope=TEXT,
            tool=TEXT,
            before=TEXT,
            after=TEXT,
            gains=SWITCH,
        )
    ),
    more=SWITCH,
)
UNMATCHED = mapping(field=TEXT, value=TEXT, problem=TEXT, suggestion=TEXT)
CHANGES = mapping(
    applied=SWITCH,
    changes=a_list(mapping(section=TEXT, key=TEXT, action=TEXT, before=ANY, after=ANY, rules=TEXTS)),
    warnings=a_list(
        mapping(
            rule=TEXT,
            matches_nothing=SWITCH,
            parts=a_list(mapping(line=NUMBER, field=TEXT, value=TEXT, problem=TEXT, suggestion=TEXT)),
        )
    ),
    left_out=mapping(items=ANY, sections=ANY, leavers=a_list(mapping(client_id=TEXT, named=TEXT, owner=TEXT))),
)
RULE_WARNINGS = mapping(
    items=a_list(mapping(rule=TEXT, matches_nothing=SWITCH, parts=a_list(UNMATCHED))),
)
