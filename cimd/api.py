"""The management API's part for metadata documents: `/documents`, and what the server thinks of one."""

import time
from dataclasses import asdict
from typing import Any

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from authz.api.framework.paging import page
from authz.api.framework.problems import invalid
from authz.api.framework.shapes import MOMENT_OR_NULL, NUMBER, PAGED, TEXT, TEXT_OR_NULL, TEXTS, a_list, mapping, paged
from authz.api.framework.view import ApiView
from authz.protocol.client_metadata import Verdict
from cimd.inspection import Inspection, inspect
from cimd.models import Document

SEE = "cimd.view_document"
DOCUMENT = mapping(
    id=NUMBER,
    url=TEXT,
    host=TEXT,
    client_id=TEXT_OR_NULL,
    status=TEXT_OR_NULL,
    approval=TEXT,
    waits_for_approval={"type": "boolean"},
    fetched=MOMENT_OR_NULL,
    failures=NUMBER,
    failure=TEXT,
)
CHECK = mapping(name=TEXT, verdict={"type": "string", "enum": [str(verdict) for verdict in Verdict]}, explanation=TEXT)
KEPT = {"type": ["object", "null"], "description": "The metadata that would be kept.", "additionalProperties": True}
INSPECTION = mapping(url=TEXT, outcome=TEXT, checks=a_list(CHECK), kept=KEPT, hosts_left_out=TEXTS)


class Documents(ApiView):
    requires = {"GET": SEE}
    query = {"GET": PAGED}
    answers = {"GET": paged(DOCUMENT)}

    def get(self, request: Request) -> Response:
        """The metadata documents that were asked for, and how fetching each of them goes."""
        return page(self.given, Document.objects.select_related("client"), _as_item)


class Inspect(ApiView):
    requires = {"POST": SEE}
    takes = {"POST": mapping(url=TEXT)}
    answers = {"POST": INSPECTION}

    def post(self, request: Request) -> Response:
        """Fetch the document at a URL and say, check by check, what the server thinks of it. Nothing is kept."""
        url = self.body(request).get("url")
        if not isinstance(url, str):
            raise invalid("url", "is the document's URL, as a client would send it in client_id")
        return Response(inspection_as_item(inspect(url, time.time())))


def inspection_as_item(inspection: Inspection) -> dict[str, Any]:
    """As `manage.py cimd inspect --json` prints it, too."""
    kept = asdict(inspection.metadata) if inspection.metadata and not inspection.is_refused else None
    return {
        "url": inspection.url,
        "outcome": inspection.outcome,
        "checks": [asdict(check) for check in inspection.checks],
        "kept": kept,
        "hosts_left_out": list(inspection.hosts_left_out),
    }


def _as_item(row: Document) -> dict[str, Any]:
    return {
        "id": row.pk,
        "url": row.url,
        "host": row.host,
        "client_id": row.client.client_id if row.client else None,
        "status": row.client.status if row.client else None,
        "approval": row.approval or "none",
        "waits_for_approval": row.candidate_id is not None or bool(row.client and row.client.status == "pending"),
        "fetched": row.fetched_at.isoformat() if row.fetched_at else None,
        "failures": row.failures,
        "failure": row.failure,
    }


urlpatterns = [
    path("documents", Documents.as_view(), name="api_documents"),
    path("documents/inspect", Inspect.as_view(), name="api_documents_inspect"),
]
