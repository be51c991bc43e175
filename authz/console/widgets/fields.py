"""Form fields that need no script: lists of words, keys, and people and agents by their names."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.forms.fields import InvalidJSONInput

from authz.console.widgets.suggestions import attributes
from authz.models import Client, User
from authz.policy import Approvers
from authz.protocol import strict_json
from authz.protocol.display_names import UNSEEN, has_unseen, visible


class ShownField(forms.CharField):
    """What people read, such as an agent's name: unseen characters are spelt out, as in the configuration file."""

    def to_python(self, value: Any) -> str:
        return visible(super().to_python(value) or "")


class KeyField(forms.CharField):
    """A name that other things refer to, such as a group's: one with unseen characters is refused."""

    def validate(self, value: Any) -> None:
        super().validate(value)
        if has_unseen(str(value or "")):
            raise forms.ValidationError(f"It {UNSEEN}.")


class LinesField(forms.CharField):
    """A list of words, one a line (or separated by spaces), each once."""

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        return list(dict.fromkeys(str(super().clean(value) or "").split()))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (initial or []) != str(data or "").split()


class JsonObjectField(forms.JSONField):
    """A JSON object, read as strictly as a stranger's (authz/protocol/strict_json.py)."""

    def to_python(self, value: Any) -> Any:
        if not isinstance(value, str) or value in self.empty_values:
            return super().to_python(value)
        try:
            return strict_json.read_object(value.encode("utf-8", "replace"))
        except strict_json.StrictJsonError as error:
            raise forms.ValidationError(error.sentence) from None

    def bound_data(self, data: Any, initial: Any) -> Any:
        try:
            return super().bound_data(data, initial)
        except (RecursionError, ValueError):
            return InvalidJSONInput(data)


class KeysField(JsonObjectField):
    """JSON, where nothing is shown as nothing and not as `null`."""

    def prepare_value(self, value: Any) -> Any:
        return "" if value is None else super().prepare_value(value)


class PersonField(forms.CharField):
    """A person by user name: the same with ten people and with ten thousand."""

    def widget_attrs(self, widget: forms.Widget) -> Any:
        return {**super().widget_attrs(widget), **attributes("people")}

    def prepare_value(self, value: Any) -> Any:
        return User.objects.values_list("username", flat=True).filter(pk=value).first() if type(value) is int else value

    def clean(self, value: Any) -> User | None:
        name = super().clean(value)
        if not name:
            return None
        person = User.objects.filter(username=name).first()
        if person is None:
            raise forms.ValidationError("No person has this user name.")
        return person

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (self.prepare_value(initial) or "") != (data or "")


class PeopleField(LinesField):
    """People by user name, one a line."""

    def widget_attrs(self, widget: forms.Widget) -> Any:
        return {**super().widget_attrs(widget), **attributes("people")}

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, Iterable) and not isinstance(value, str):
            return "\n".join(person.username for person in value)
        return value

    def clean(self, value: Any) -> list[User]:  # type: ignore[override]  # a field may clean to what it likes
        names = super().clean(value)
        found = {person.username: person for person in User.objects.filter(username__in=names)}
        if unknown := [name for name in names if name not in found]:
            raise forms.ValidationError(f"No person has this user name: {', '.join(unknown)}")
        return list(found.values())

    def has_changed(self, initial: Any, data: Any) -> bool:
        return sorted(person.username for person in initial or ()) != sorted(str(data or "").split())


class ApproversField(forms.CharField):
    """Who approves, one a line: `owner`, `role:approver`, `group:payroll-leads`, `user:olga`. How many of them it takes
    is another field's business: `with_count` puts both together."""

    widget = forms.Textarea(attrs={"class": "code", "rows": 3, "spellcheck": "false"})
    LISTS: Mapping[str, str] = {"role": "roles", "group": "groups", "user": "users"}

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        lines = ["owner"] if value.get("owner") else []
        return "\n".join(
            lines + [f"{prefix}:{name}" for prefix, field in self.LISTS.items() for name in value.get(field, ())]
        )

    def clean(self, value: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for line in str(super().clean(value) or "").splitlines():
            prefix, colon, name = line.strip().partition(":")
            if prefix == "owner" and not colon:
                found["owner"] = True
            elif prefix in self.LISTS and name.strip():
                found.setdefault(self.LISTS[prefix], []).append(name.strip())
            elif line.strip():
                raise forms.ValidationError(f"“{line.strip()}” is neither owner, role:…, group:… nor user:….")
        return found

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (self.prepare_value(initial) or "").split("\n") != str(data or "").splitlines()


def with_count(named: dict[str, Any], count: int | None) -> dict[str, Any] | None:
    """Approvers in the file's form, None if no one is named. Raises `RuleError`."""
    if not named and not count:
        return None
    return Approvers.from_mapping({**named, "count": count or 1}).to_mapping()


class AgentField(forms.CharField):
    """One agent by client_id."""

    def widget_attrs(self, widget: forms.Widget) -> Any:
        return {**super().widget_attrs(widget), **attributes("agents")}

    def prepare_value(self, value: Any) -> Any:
        rows = Client.objects.filter(pk=value) if type(value) is int else None
        return rows.values_list("client_id", flat=True).first() if rows is not None else value

    def clean(self, value: Any) -> Client | None:
        name = super().clean(value)
        if not name:
            return None
        client = Client.objects.filter(client_id=name).first()
        if client is None:
            raise forms.ValidationError("No agent has this client_id.")
        return client

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (self.prepare_value(initial) or "") != (data or "")


class AgentsField(LinesField):
    """Agents by client_id, one a line."""

    def widget_attrs(self, widget: forms.Widget) -> Any:
        return {**super().widget_attrs(widget), **attributes("agents")}

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, Iterable) and not isinstance(value, str):
            return "\n".join(client.client_id for client in value)
        return value

    def clean(self, value: Any) -> list[Client]:  # type: ignore[override]  # a field may clean to what it likes
        names = super().clean(value)
        found = {client.client_id: client for client in Client.objects.filter(client_id__in=names)}
        if unknown := [name for name in names if name not in found]:
            raise forms.ValidationError(f"No agent has this client_id: {', '.join(unknown)}")
        return list(found.values())

    def has_changed(self, initial: Any, data: Any) -> bool:
        return sorted(client.client_id for client in initial or ()) != sorted(str(data or "").split())
