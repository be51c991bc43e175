"""`/authorizations`: the authorizations. `/cut_off` ends them."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from authz.api.framework.paging import page
from authz.api.framework.shapes import AUTHORIZATION, PAGED, is_true, paged
from authz.api.framework.view import ApiView
from authz.models import Authorization

FILTERS = {"client_id": "client__client_id", "username": "user__username", "resource": "resource__identifier"}


def authorization_as_item(row: Authorization, now: datetime) -> dict[str, Any]:
    expired = row.expires is not None and row.expires <= now
    return {
        "id": str(row.pk),
        "state": "ended" if row.revoked else "expired" if expired else "live",
        "client_id": row.client.client_id,
        "username": row.user.username if row.user else None,
        "resource": row.resource.identifier if row.resource else None,
        "grant_type": row.grant_type,
        "scopes": [*row.scopes, *row.identity_scopes],
        "created": row.created.isoformat(),
        "expires": row.expires.isoformat() if row.expires else None,
        "ended": row.revoked.isoformat() if row.revoked else None,
        "ended_because": row.revoked_reason,
        "parent": str(row.parent_id) if row.parent_id else None,
        "lineage": row.lineage,
    }


class Authorizations(ApiView):
    """Which agent may reach which resource, for which person."""

    requires = {"GET": "authz.view_authorization"}
    query = {
        "GET": {
            "client_id": "Of this agent.",
            "username": "For this person.",
            "resource": "At this MCP server.",
            "live": is_true("only live ones."),
            **PAGED,
        }
    }
    answers = {"GET": paged(AUTHORIZATION)}

    def get(self, request: Request) -> Response:
        given = self.given
        now = datetime.now(UTC)
        rows = Authorization.objects.select_related("client", "user", "resource")
        rows = rows.filter(**{FILTERS[name]: value for name, value in given.items() if name in FILTERS})
        if given.get("live") == "true":
            rows = rows.filter(revoked=None).filter(Q(expires=None) | Q(expires__gt=now))
        return page(given, rows, lambda row: authorization_as_item(row, now), by="created")


class AuthorizationView(ApiView):
    requires = {"GET": "authz.view_authorization"}
    answers = {"GET": AUTHORIZATION}

    def get(self, request: Request, pk: UUID) -> Response:
        row = Authorization.objects.select_related("client", "user", "resource").filter(pk=pk).first()
        if row is None:
            raise Http404
        return Response(authorization_as_item(row, datetime.now(UTC)))
