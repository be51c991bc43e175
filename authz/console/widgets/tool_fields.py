"""Labels, and an MCP server's tools with their labels, as lines of text."""

from typing import Any

from django import forms

from authz.console.widgets.fields import LinesField
from authz.policy import RuleError
from authz.policy.tool_calls import label_names, tool_patterns
from authz.protocol.display_names import visible

LONGEST = 255


class LabelsField(LinesField):
    """Labels, separated by spaces."""

    def clean(self, value: Any) -> list[str]:
        return _labels(super().clean(value))

    def prepare_value(self, value: Any) -> Any:
        return " ".join(value) if isinstance(value, list) else value


class ToolsField(forms.CharField):
    """One a line: the name or pattern, its labels, and after a bar what it does: `payroll_* payroll | Pay slips`."""

    widget = forms.Textarea(attrs={"class": "code", "rows": 4, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(_line(tool) for tool in value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[dict[str, Any]]:
        lines = str(super().clean(value) or "").splitlines()
        found = [_tool(line) for line in lines if line.strip()]
        names = [tool["name"] for tool in found]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise forms.ValidationError(f"Named twice: {', '.join(repeated)}")
        return found

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (self.prepare_value(initial or []) or "").split("\n") != str(data or "").splitlines()


def _tool(line: str) -> dict[str, Any]:
    named, _, description = line.partition("|")
    name, *labels = named.split() or [""]
    try:
        tool_patterns([name], "")
    except RuleError as error:
        raise forms.ValidationError(f"“{name}” {error.problem}") from None
    if len(description.strip()) > LONGEST:
        raise forms.ValidationError(f"“{name}”: at most {LONGEST} characters after the bar.")
    return {"name": name, "labels": _labels(labels), "description": visible(description.strip())}


def _labels(words: list[str]) -> list[str]:
    try:
        return list(label_names(words, "labels"))
    except RuleError as error:
        position = int(error.field.partition("[")[2].rstrip("]"))
        raise forms.ValidationError(f"“{words[position]}” {error.problem}") from None


def _line(tool: dict[str, Any]) -> str:
    words = " ".join([tool["name"], *tool.get("labels", ())])
    return f"{words} | {tool['description']}" if tool.get("description") else words
