"""Conditions by extensions as lines of text: `com.example/patient-consent {"kind": "written"}`."""

import json
from typing import Any

from django import forms

from authz.extensions import ExtensionFault, active, switched_on
from authz.policy import RuleError
from authz.policy.extension_conditions import extension_conditions
from authz.protocol import strict_json
from authz.protocol.display_names import visible
from authz.protocol.strict_json import StrictJsonError


class ExtensionConditionsField(forms.CharField):
    """In the file's form: {id: what the rule says to the extension}."""

    widget = forms.Textarea(attrs={"class": "code", "rows": 2, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(_lines(value)) if isinstance(value, dict) else value

    def clean(self, value: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for line in str(super().clean(value) or "").splitlines():
            if line.strip():
                identifier, said = (*line.split(None, 1), "")[:2]
                if identifier in found:
                    raise forms.ValidationError(f"{identifier} is named twice.")
                found[identifier] = _read(identifier, said)
        try:
            extension_conditions(found, "extensions")
        except RuleError as error:
            raise forms.ValidationError(error.problem) from None
        return found

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (self.prepare_value(initial or {}) or "").split("\n") != str(data or "").splitlines()


def _read(identifier: str, said: str) -> dict[str, Any]:
    try:
        return strict_json.read_object((said.strip() or "{}").encode())
    except StrictJsonError as error:
        raise forms.ValidationError(f"What stands behind {identifier} is no JSON object. {error.sentence}") from None


def _lines(conditions: dict[str, Any]) -> list[str]:
    said = {name: json.dumps(wanted, ensure_ascii=False, sort_keys=True) for name, wanted in conditions.items()}
    return [name if text == "{}" else f"{name} {text}" for name, text in said.items()]


def offered() -> dict[str, list[str]]:
    """The extensions that are on and have a condition, with the names of what it takes."""
    found: dict[str, list[str]] = {}
    for identifier in switched_on():
        try:
            brought = active(identifier).brought
        except ExtensionFault:
            continue
        if brought.condition is not None:
            found[identifier] = [visible(str(name)) for name in brought.condition_schema.get("properties", {})]
    return found


def help_text() -> str:
    each = [f"{name} ({', '.join(takes)})" if takes else name for name, takes in offered().items()]
    return (
        'One a line: the id of an extension, and what it takes as JSON, such as {"kind": "written"}. '
        + (f"There are {'; '.join(each)}." if each else "None that is on has a condition.")
        + " What an extension does not know counts for the restriction."
    )
