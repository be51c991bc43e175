"""Agents that need attention: a filter of their list."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from authz.approvals import agent_lifecycle
from authz.models import Client

UNUSED_FOR = timedelta(days=90)
KINDS: Mapping[str, str] = {
    "ending": f"Approval ends within {agent_lifecycle.SOON.days} days",
    "ended": "Approval has ended",
    "ownerless": "No active owner",
    "unused": f"Not used for {UNUSED_FOR.days} days",
}


def rows(kind: str, now: datetime) -> QuerySet[Client]:
    match kind:
        case "ending":
            return agent_lifecycle.ending(now)
        case "ended":
            return agent_lifecycle.ended(now)
        case "ownerless":
            return agent_lifecycle.ownerless()
        case _:
            return agent_lifecycle.unused(now, UNUSED_FOR)


class AttentionFilter(admin.SimpleListFilter):
    title = "attention"
    parameter_name = "attention"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return tuple(KINDS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Client]) -> QuerySet[Client]:
        kind = self.value() or ""
        if kind not in KINDS:
            return queryset
        return queryset.filter(pk__in=rows(kind, datetime.now(UTC)).order_by().values("pk"))
