"""`/end_access`: end all access of an agent, a person and so on, with a preview (authz/authorizations/cut_off.py)."""

from datetime import UTC, datetime
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from authz.api.framework.problems import invalid
from authz.api.framework.shapes import NUMBER, TEXT, TEXTS, Parameter, mapping, one_of
from authz.api.framework.view import ApiView, principal_of, require
from authz.authorizations import cut_off
from authz.sign_in.roles import CUT_OFF, END_AUTHORIZATIONS

# Of each kind that ended, how many.
COUNTS = {"type": "object", "additionalProperties": NUMBER}


class CutOff(ApiView):
    """GET shows what would end. POST ends it in one transaction."""

    # A role that may end anything is admitted. Whether it may end this target is decided below.
    requires = {"GET": "authz.view_authorization", "POST": END_AUTHORIZATIONS}
    query = {
        "GET": {
            "kind": Parameter("Of what.", one_of(cut_off.kinds()), required=True),
            "name": "Its client_id, user name, id, …",
        }
    }
    takes = {"POST": mapping(kind=one_of(cut_off.kinds()), name=TEXT, reason=TEXT)}
    answers = {
        "GET": mapping(kind=TEXT, name=TEXT, stops=TEXT, would_end=NUMBER, counts=COUNTS, first=TEXTS),
        "POST": mapping(kind=TEXT, name=TEXT, ended=NUMBER, counts=COUNTS),
    }

    def get(self, request: Request) -> Response:
        given = self.given
        kind, name = _named(given)
        target = cut_off.target(kind, name)
        found = cut_off.preview(target, datetime.now(UTC))
        return Response(
            {
                "kind": kind,
                "name": target.name,
                "stops": target.stops,
                "would_end": found.ended,
                "counts": dict(found.counts),
                "first": list(found.first),
            }
        )

    def post(self, request: Request) -> Response:
        given = self.body(request)
        kind, name = _named(given)
        require(request, CUT_OFF.get(kind, CUT_OFF[""]))
        reason = given.get("reason", "")
        if not isinstance(reason, str) or not reason.strip():
            raise invalid("reason", "is needed: the audit keeps it")
        target = cut_off.target(kind, name)
        by, person = principal_of(request).by, principal_of(request).person
        now = datetime.now(UTC)
        row = cut_off.cut_off(
            target,
            kind=kind,
            identifier=name,
            reason=reason,
            by=by.name,
            by_subject=str(person.subject) if person else "",
            now=now,
        )
        ended = row.counts["authorizations"]
        return Response({"kind": kind, "name": target.name, "ended": ended, "counts": row.counts})


def _named(given: dict[str, Any]) -> tuple[str, str]:
    kind, name = given.get("kind", ""), given.get("name", "")
    if kind not in cut_off.kinds():
        raise invalid("kind", f"is one of {', '.join(cut_off.kinds())}")
    if not isinstance(name, str) or (not name and kind != "everything"):
        raise invalid("name", "is needed")
    return kind, name
