"""What scopes are good for at other servers, as lines of text."""

from typing import Any

from django import forms

from authz.configuration import scope_mappings


class ScopeMappingsField(forms.CharField):
    """One scope a line: where to, the scope here, and after a `=` the scopes there:
    `https://search.example.com/mcp mcp:read = search:read search:list`."""

    widget = forms.Textarea(attrs={"class": "code", "rows": 3, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        return "\n".join(
            f"{mapping['to']} {here} = {' '.join(there)}"
            for mapping in value
            for here, there in mapping["scopes"].items()
        )

    def clean(self, value: Any) -> list[dict[str, Any]]:
        found: dict[str, dict[str, list[str]]] = {}
        for line in str(super().clean(value) or "").splitlines():
            if line.strip():
                to, here, there = _read(line)
                found.setdefault(to, {}).setdefault(here, []).extend(there)
        for to, scopes in found.items():
            problem = scope_mappings.target_problem(to) or scope_mappings.scopes_problem(scopes)
            if problem:
                raise forms.ValidationError(f"“{to}” {problem}.")
        return [{"to": to, "scopes": scopes} for to, scopes in found.items()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (self.prepare_value(initial or []) or "").split("\n") != str(data or "").splitlines()


def _read(line: str) -> tuple[str, str, list[str]]:
    left, equals, right = line.partition(" = ")
    words = left.split()
    if not equals or len(words) != 2 or not right.split():
        raise forms.ValidationError(f"“{line.strip()}” is not written as: address scope = scopes there")
    return words[0], words[1], list(dict.fromkeys(right.split()))
