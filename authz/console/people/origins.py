"""Columns and a filter that say where people and groups come from (authz/sign_in/origins.py)."""

from collections.abc import Collection, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from authz.console.lists import DeclaredList
from authz.console.widgets.display import foreign
from authz.models import User
from authz.sign_in import origins


class OriginFilter(admin.SimpleListFilter):
    title = "origin"
    parameter_name = "origin"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return origins.kinds()

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        return queryset.filter(origins.of_kind(self.value() or "")) if self.value() else queryset


class PeopleList(DeclaredList):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        known = origins.known([row.pk for row in self.result_list])
        for row in self.result_list:
            row.known_by = [one.by for one in known.get(row.pk, ())]


class GroupList(DeclaredList):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        named = origins.groups_named([row.name for row in self.result_list])
        for row in self.result_list:
            row.named_by = named.get(row.name, ())


def known_to(parties: Collection[str]) -> SafeString:
    return foreign(", ".join(dict.fromkeys(parties)) or "This server")
