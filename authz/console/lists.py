"""What a list of the console may be asked: its declared filters, its search, its pages and the order of its columns.

Django takes every column of a model as a look-up (`?password__startswith=…`), also across relations, and so a list
would let an auditor guess a hidden value letter by letter. Here a list accepts only the look-ups that it declares
(attack 37).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol, TypeVar, cast

from django.contrib.admin import FieldListFilter, ModelAdmin, SimpleListFilter
from django.contrib.admin.filters import ChoicesFieldListFilter
from django.contrib.admin.options import IS_POPUP_VAR, TO_FIELD_VAR, IncorrectLookupParameters
from django.contrib.admin.utils import get_fields_from_path
from django.contrib.admin.views.main import ORDER_VAR, PAGE_VAR, SEARCH_VAR, ChangeList
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404

from authz.console.refusing import refuse

# Django's own that stand in a list's address and choose no rows by a column's value.
FRAME = frozenset({ORDER_VAR, PAGE_VAR, SEARCH_VAR, IS_POPUP_VAR, TO_FIELD_VAR, "e"})
LONGEST_SEARCH, MOST_WORDS = 1_100, 20
_ORDER = re.compile(r"-?[0-9]{1,3}(?:\.-?[0-9]{1,3}){0,20}")
_PAGE = re.compile(r"[0-9]{1,9}")

Row = TypeVar("Row", bound=Model)


class DeclaresFilters(Protocol):
    """A model's page that says what its list may be asked (`ConsoleAdmin`)."""

    def declared(self, request: HttpRequest) -> frozenset[str]: ...


def filter_names(model: type[Model], admin: "ModelAdmin[Any]", request: HttpRequest) -> Iterator[str]:
    """The parameters of a list's declared filters."""
    for declared in admin.list_filter:
        if isinstance(declared, type) and issubclass(declared, SimpleListFilter):
            yield declared.parameter_name  # type: ignore[misc]  # each of ours has one
            continue
        path, kind = declared if isinstance(declared, tuple) else (declared, FieldListFilter.create)
        field: Any = get_fields_from_path(model, str(path))[-1]
        if field.is_relation:
            # As Django's filter calls them, which asks the database for its choices once it is made.
            yield from (f"{path}__{field.target_field.name}__exact", f"{path}__isnull")
            continue
        spec = kind(field, request, {}, model, admin, field_path=str(path))
        yield from (str(name) for name in spec.expected_parameters())
    if admin.date_hierarchy:
        yield from (f"{admin.date_hierarchy}__{part}" for part in ("year", "month", "day"))


class DeclaredList(ChangeList):
    """Django's list, for what `ConsoleAdmin` declares; 400 for anything else, 404 for a page that is not there."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self._request = request
        super().__init__(request, *args, **kwargs)

    def get_filters(self, request: HttpRequest) -> Any:
        admin = cast(DeclaresFilters, self.model_admin)
        if unknown := undeclared(request.GET.lists(), admin.declared(request)):
            refuse(request, unknown)
        if problem := frame_problem(request.GET, len(self.list_display)):
            refuse(request, problem)
        found = super().get_filters(request)
        for spec in found[0]:
            if not is_offered(spec):
                refuse(request, ", ".join(str(name) for name in spec.expected_parameters()))
        return found

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> Any:
        try:
            return super().get_queryset(request, exclude_parameters)
        except IncorrectLookupParameters:
            refuse(request, "a filter's value")

    def get_results(self, request: HttpRequest) -> None:
        try:
            super().get_results(request)
        except IncorrectLookupParameters:
            raise Http404("The list has no such page.") from None
        # Django looks no further where all rows are on one page.
        if not 1 <= self.page_num <= max(self.paginator.num_pages, 1):
            raise Http404("The list has no such page.")


def undeclared(given: Iterable[tuple[str, list[str]]], declared: frozenset[str]) -> str:
    """The first parameter that a list does not declare, or that is there twice; `""` if there is none."""
    for name, values in given:
        if name not in declared and name not in FRAME:
            return name
        if len(values) != 1:
            return f"{name}, twice"
    return ""


def frame_problem(given: Mapping[str, str], columns: int) -> str:
    """Which of page, order and search is none; `""` if all are."""
    if (page := given.get(PAGE_VAR, "")) and not _PAGE.fullmatch(page):
        return PAGE_VAR
    # Only by columns of the list: an order by a hidden column would reveal it.
    if (order := given.get(ORDER_VAR, "")) and not _is_order(order, columns):
        return ORDER_VAR
    # SQLite refuses patterns and expressions beyond a length.
    search = given.get(SEARCH_VAR, "")
    return SEARCH_VAR if len(search) > LONGEST_SEARCH or len(search.split()) > MOST_WORDS else ""


def _is_order(order: str, columns: int) -> bool:
    return bool(_ORDER.fullmatch(order)) and all(int(part.lstrip("-")) < columns for part in order.split("."))


def is_offered(spec: Any) -> bool:
    """Whether a filter's value is one that it offers. A list that ignored an unknown value would show all rows."""
    if isinstance(spec, SimpleListFilter) and not getattr(spec, "takes_any_value", False):
        return not spec.value() or spec.value() in {str(value) for value, _ in spec.lookup_choices}
    if isinstance(spec, ChoicesFieldListFilter):
        known = {str(value) for value, _ in spec.field.flatchoices}
        return {str(value) for value in spec.lookup_val or ()} <= known
    return True


def row_or_404(rows: QuerySet[Row], key: object) -> Row:
    """The row of a key that an address names; 404 for what no row could have. Raises `Http404`."""
    if not readable_keys(rows.model, [str(key)]):
        raise Http404
    return get_object_or_404(rows, pk=key)


def readable_keys(model: type[Model], keys: Iterable[str]) -> bool:
    """Whether all of them could be primary keys of a model."""
    try:
        for key in keys:
            model._meta.pk.clean(key, None)
    except ValidationError:
        return False
    return True
