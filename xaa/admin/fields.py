"""Form fields that several pages of cross-app access share."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django import forms
from rest_framework.serializers import ValidationError

from authz.console.widgets.fields import JsonObjectField, LinesField
from authz.protocol import host_patterns
from xaa.configuration.trusted_issuers import check_issuer, host_problem

if TYPE_CHECKING:
    BaseFormSet = forms.BaseInlineFormSet[Any, Any, Any]
else:
    BaseFormSet = forms.BaseInlineFormSet


class IssuerField(forms.CharField):
    """An issuer identifier, kept byte for byte."""

    def clean(self, value: Any) -> str:
        given = str(super().clean(value))
        try:
            check_issuer(given)
        except ValidationError:
            raise forms.ValidationError("An https URL without query and fragment, as it is in the tokens.") from None
        return given


class ClientIdsField(JsonObjectField):
    """A mapping of client ids as a JSON object. An empty one is shown as an empty field."""

    def prepare_value(self, value: Any) -> Any:
        return super().prepare_value(value) if value else ""

    def clean(self, value: Any) -> dict[str, str]:
        given = super().clean(value) or {}
        is_mapping = isinstance(given, dict) and all(isinstance(name, str) and name for name in given.values())
        if not is_mapping:
            raise forms.ValidationError('A JSON object of client ids, such as {"theirs": "ours"}.')
        return dict(given)


class HostsField(LinesField):
    """Host patterns, one a line, the same however they are spelt."""

    def clean(self, value: Any) -> list[str]:
        found = list(dict.fromkeys(host_patterns.normal(host) for host in super().clean(value)))
        if problem := host_problem(found):
            raise forms.ValidationError(problem[:1].upper() + problem[1:] + ".")
        return found


def checked(check: Callable[[], object]) -> None:
    """The configuration file's rule, as a form's. Raises `ValidationError`."""
    try:
        check()
    except ValidationError as error:
        said = error.detail[0] if isinstance(error.detail, list) else error.detail
        raise forms.ValidationError(f"It {said}.") from None


class NamedFields(BaseFormSet):
    """Rows of a table: each field says its column's name to a screen reader."""

    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        for field in form.fields.values():
            field.widget.attrs.setdefault("aria-label", str(field.label or "Delete this row"))
