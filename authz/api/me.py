"""`/me`: the caller, and its role and scopes."""

from rest_framework.request import Request
from rest_framework.response import Response

from authz.api.framework.shapes import TEXT_OR_NULL, mapping
from authz.api.framework.view import ApiView, principal_of
from authz.sign_in.roles import SELF

SCOPES_OR_NULL = {"type": ["array", "null"], "items": {"type": "string"}}


class Me(ApiView):
    requires = {"GET": SELF}
    answers = {"GET": mapping(username=TEXT_OR_NULL, role=TEXT_OR_NULL, client_id=TEXT_OR_NULL, scopes=SCOPES_OR_NULL)}

    def get(self, request: Request) -> Response:
        principal = principal_of(request)
        return Response(
            {
                "username": principal.person.username if principal.person else None,
                "role": principal.person.role if principal.person else None,
                "client_id": principal.client.client_id if principal.client else None,
                "scopes": sorted(principal.scopes) if principal.client else None,
            }
        )
