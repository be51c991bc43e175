"""The management API's part for the identities of trusted issuers: `/subject_links`."""

from typing import Any

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from authz.api.framework.paging import page
from authz.api.framework.shapes import MOMENT, NUMBER, PAGED, TEXT, TEXTS, mapping, paged
from authz.api.framework.view import ApiView
from xaa.models import SubjectLink

LINK = mapping(id=NUMBER, issuer=TEXT, tenant=TEXT, subject=TEXT, username=TEXT, groups=TEXTS, created=MOMENT)


class SubjectLinks(ApiView):
    requires = {"GET": "xaa.view_subjectlink"}
    query = {
        "GET": {"issuer": "Of this trusted issuer.", "username": "Of this person.", "subject": "This `sub`.", **PAGED}
    }
    answers = {"GET": paged(LINK)}

    def get(self, request: Request) -> Response:
        """Which identity (issuer, tenant, `sub`) is which person."""
        columns = {"issuer": "issuer__issuer", "username": "user__username", "subject": "subject"}
        wanted = {columns[name]: value for name, value in self.given.items() if name in columns}
        return page(self.given, SubjectLink.objects.select_related("issuer", "user").filter(**wanted), _as_item)


def _as_item(row: SubjectLink) -> dict[str, Any]:
    return {
        "id": row.pk,
        "issuer": row.issuer.issuer,
        "tenant": row.tenant,
        "subject": row.subject,
        "username": row.user.username,
        "groups": row.groups,
        "created": row.created.isoformat(),
    }


urlpatterns = [path("subject_links", SubjectLinks.as_view(), name="api_subject_links")]
