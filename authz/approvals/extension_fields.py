"""What extensions ask of an access request: fields that who asks fills in, and how many people have to approve it.

They are asked for the MCP servers that the configuration names for the extension, and for no others. A fault means that
the request can't be approved.

Wherever access is asked for (pages, API, MCP, access requests of MCP servers), `taken` reads what is given. What does
not fit opens no request. Where who asks can say it now, what is required has to be there, too. Elsewhere it may be said
on the request's page, and no one can approve it before.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from authz import audit
from authz.approvals.access_requests import belonging_to, record
from authz.approvals.told_extensions import as_told, concerned, extensions_for
from authz.database.transactions import unit_of_work
from authz.extensions import ExtensionFault, active
from authz.extensions.contract import Field
from authz.models import AccessRequest, Client, User
from authz.policy.approvers import MAX_APPROVERS

LONGEST_VALUE = 200
LARGEST = 10**15
Given = Mapping[str, Mapping[str, Any]]


class FieldError(Exception):
    """Why what was given is not taken, in words for who gave it."""


@dataclass(frozen=True, slots=True)
class AskedField:
    """A field of one extension. `key` names it in forms: `com.example/consent:reference`."""

    identifier: str
    field: Field
    value: Any = None

    @property
    def key(self) -> str:
        return f"{self.identifier}:{self.field.name}"


def asked(request: AccessRequest) -> list[AskedField]:
    """The fields of a request with what was given; of a broken extension none."""
    return list(_asked(request.resource, request.extension_fields or {}))


def asked_at(resource: str) -> list[AskedField]:
    return list(_asked(resource, {}))


def _asked(resource: str, given: Given) -> Iterable[AskedField]:
    for identifier in concerned(resource):
        try:
            extension = active(identifier)
        except ExtensionFault:
            continue
        for field in extension.brought.fields:
            yield AskedField(identifier, field, given.get(identifier, {}).get(field.name))


def cleaned(resource: str, given: object) -> dict[str, dict[str, Any]]:
    """What was given for an MCP server, if it fits. Raises `FieldError`, also for fields that no one asks for."""
    if not isinstance(given, Mapping) or not all(isinstance(inner, Mapping) for inner in given.values()):
        raise FieldError("The fields are a mapping of extensions' ids to mappings of names to values.")
    known = {one.key: one for one in asked_at(resource)}
    found: dict[str, dict[str, Any]] = {}
    for identifier, values in given.items():
        for name, value in values.items():
            one = known.get(f"{identifier}:{name}")
            if one is None:
                raise FieldError(f"{str(identifier)[:60]} {str(name)[:60]} is not asked here.")
            if value not in (None, ""):
                found.setdefault(one.identifier, {})[one.field.name] = _value(one.field, value)
    return found


def taken(resource: str, given: object, *, is_whole: bool) -> dict[str, dict[str, Any]]:
    """What was given, before anything is asked. `is_whole`: nothing that is required may be missing. Raises
    `FieldError`, also where an extension fails: no one could approve the request.
    """
    try:
        found = cleaned(resource, given)
        if is_whole and (problem := missing_at(resource, found)):
            raise FieldError(problem)
    except ExtensionFault as fault:
        raise FieldError(f"It can't be asked at present: {fault}") from None
    return found


def still_missing(request: AccessRequest) -> list[AskedField]:
    """What is required of a request and was not given."""
    return [one for one in asked(request) if one.field.required and one.value in (None, "")]


def from_answers(request: AccessRequest, answers: Mapping[str, object]) -> dict[str, dict[str, Any]]:
    """What a request has, with what is answered by key. Raises `FieldError`."""
    merged: dict[str, dict[str, Any]] = {}
    for one in asked(request):
        merged.setdefault(one.identifier, {})[one.field.name] = answers.get(one.key, one.value)
    return cleaned(request.resource, merged)


def from_form(resource: str, posted: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The same from a form, whose values are texts. Raises `FieldError`."""
    given: dict[str, dict[str, Any]] = {}
    for one in asked_at(resource):
        text = posted.get(one.key, "").strip()
        given.setdefault(one.identifier, {})[one.field.name] = _number(one.field, text) if text else ""
    return cleaned(resource, given)


def _number(field: Field, text: str) -> object:
    if field.kind != "number":
        return text
    try:
        return int(text) if text.lstrip("-").isdecimal() else float(text)
    except ValueError:
        raise FieldError(f"{field.label}: is a number.") from None


def _value(field: Field, value: object) -> object:
    if field.kind == "number":
        # NaN is neither.
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LARGEST:
            raise FieldError(f"{field.label}: is a number from 0 to {LARGEST}.")
        return value
    if not isinstance(value, str) or len(value) > LONGEST_VALUE or not value.isprintable():
        raise FieldError(f"{field.label}: is a line of text of at most {LONGEST_VALUE} characters.")
    if field.pattern and not re.fullmatch(field.pattern, value):
        raise FieldError(f"{field.label}: is not written as it should be.{f' {field.help}' if field.help else ''}")
    return value


def missing_at(resource: str, given: Given) -> str:
    """Which required fields are missing, in words; "" if none is. Raises `ExtensionFault`."""
    extensions_for(resource)
    missing = [one.field.label for one in _asked(resource, given) if one.field.required and one.value in (None, "")]
    return f"It lacks what has to be said: {', '.join(missing)}." if missing else ""


def give(request: AccessRequest, *, by: User | Client, given: object, now: datetime) -> bool:
    """Keep what was given with the request, in place of what was given before. False if the request belongs to another
    one, or is no longer open. Raises `FieldError`.
    """
    fields = cleaned(request.resource, given)
    with unit_of_work():
        held = AccessRequest.objects.select_for_update(of=("self",)).select_related("client", "user")
        current = held.filter(belonging_to(by), pk=request.pk, status=AccessRequest.Status.OPEN).first()
        if current is None:
            return False
        if fields == (current.extension_fields or {}):
            return True
        # Attack: an amount that grows once the first of two approvers has seen it. Who votes takes the same row first.
        if current.votes.exists():
            raise FieldError("An approver has decided on what was given before. Withdraw the request and ask again.")
        current.extension_fields = fields
        current.save(update_fields=["extension_fields"])
        record(audit.Event.ACCESS_EXPLAINED, current, by, fields=fields)
    return True


def approvers_needed(request: AccessRequest) -> int:
    """How many people have to approve it at least. Raises `ExtensionFault`."""
    most = 1
    for extension in extensions_for(request.resource):
        if extension.brought.approvers_needed is not None:
            count = extension.call("approvers_needed", as_told(request, extension.identifier))
            if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_APPROVERS:
                raise extension.fault("approvers_needed", f"it answered no number from 1 to {MAX_APPROVERS}")
            most = max(most, count)
    return most
