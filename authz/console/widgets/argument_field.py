"""Conditions on arguments as lines of text: `amount below 1000`, `to.country one_of DE, AT`, `reason present`."""

import json
import re
from typing import Any

from django import forms

from authz.policy import RuleError
from authz.policy.argument_parsing import argument_conditions
from authz.policy.arguments import Comparison

# A value that JSON would write so is that value; all else is text.
_JSON = re.compile(r'-?[0-9]+(\.[0-9]+)?|true|false|"[^"]*"')


class ArgumentsField(forms.CharField):
    """In the file's form: {path: {comparison: value}}."""

    widget = forms.Textarea(attrs={"class": "code", "rows": 3, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(_lines(value)) if isinstance(value, dict) else value

    def clean(self, value: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for line in str(super().clean(value) or "").splitlines():
            if line.strip():
                path, name, wanted = _read(line)
                if name in found.setdefault(path, {}):
                    raise forms.ValidationError(f"“{line.strip()}” asks for the same twice.")
                found[path][name] = wanted
        try:
            argument_conditions(found, "arguments")
        except RuleError as error:
            where = error.field.removeprefix("arguments").removeprefix(".")
            raise forms.ValidationError(f"{where}: {error.problem}" if where else error.problem) from None
        return found

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (self.prepare_value(initial or {}) or "").split("\n") != str(data or "").splitlines()


def _read(line: str) -> tuple[str, str, Any]:
    path, name, wanted = (*line.split(None, 2), "", "")[:3]
    if name not in tuple(Comparison) or (not wanted.strip() and name != Comparison.PRESENT):
        raise forms.ValidationError(f"“{line.strip()}” is not a member, one of {', '.join(Comparison)}, and a value.")
    if name == Comparison.ONE_OF:
        return path, name, [_value(part.strip()) for part in wanted.split(",") if part.strip()]
    return path, name, _value(wanted.strip() or "true")


def _value(text: str) -> Any:
    return json.loads(text) if _JSON.fullmatch(text) else text


def _lines(conditions: dict[str, Any]) -> list[str]:
    return [
        f"{path} {name} {', '.join(map(_text, value)) if isinstance(value, list) else _text(value)}"
        for path, wanted in conditions.items()
        for name, value in wanted.items()
    ]


def _text(value: Any) -> str:
    if isinstance(value, str) and not _JSON.fullmatch(value) and "," not in value and value == value.strip():
        return value
    return json.dumps(value, ensure_ascii=False)
