"""`/access_requests`: requesting access, and deciding requests, by the same functions as the console."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from authz.api.access_request_body import ask_for_access
from authz.api.framework.paging import page
from authz.api.framework.problems import Problem, invalid
from authz.api.framework.shapes import (
    ACCESS_REQUEST,
    ANY,
    PAGED,
    SWITCH,
    TEXT,
    TEXTS,
    Parameter,
    mapping,
    one_of,
    paged,
)
from authz.api.framework.view import ApiView, principal_of
from authz.approvals import access_requests, approvers, extension_fields, voting
from authz.approvals.access_requests import LONGEST_TEXT
from authz.approvals.extension_fields import FieldError
from authz.approvals.request_items import request_as_item
from authz.approvals.voting import DURATIONS, ONCE, ONCE_WITHIN
from authz.configuration import accepted_rules
from authz.models import AccessRequest, User
from authz.sign_in.roles import ASK, DECIDE_REQUESTS, visible_requests

FILTERS = {"status": "status", "client_id": "client__client_id", "username": "user__username", "resource": "resource"}


def seen_by(request: Request) -> QuerySet[AccessRequest]:
    rows = AccessRequest.objects.select_related("client", "user", "decided_by").prefetch_related("votes__by")
    return visible_requests(principal_of(request).person, rows)


def found(request: Request, pk: UUID) -> AccessRequest:
    """The access request, if the caller may see it. Raises `Http404`."""
    row = seen_by(request).filter(pk=pk).first()
    if row is None:
        raise Http404
    return row


class AccessRequests(ApiView):
    """Access requests, waiting and decided."""

    requires = {"GET": "authz.view_accessrequest", "POST": ASK}
    query = {
        "GET": {
            "status": Parameter("As it is stored.", one_of(AccessRequest.Status.values)),
            "client_id": "Of this agent.",
            "username": "For this person.",
            "resource": "At this MCP server.",
            **PAGED,
        }
    }
    takes = {
        "POST": mapping(
            client_id=TEXT,
            resource=TEXT,
            scopes=TEXTS,
            for_={"type": "string", "enum": ["me", "agent"]},
            for_rule=SWITCH,
            reason=TEXT,
            fields=ANY,
        )
    }
    answers = {
        "GET": paged(ACCESS_REQUEST),
        "POST": mapping(
            effect=TEXT, reason=TEXT, scopes=TEXTS, waiting=TEXTS, rules=TEXTS, access_request=ACCESS_REQUEST
        ),
    }
    statuses = {"POST": (200, 202)}

    def get(self, request: Request) -> Response:
        given = self.given
        rows = seen_by(request).filter(**{FILTERS[name]: value for name, value in given.items() if name in FILTERS})
        now = datetime.now(UTC)
        return page(given, rows, lambda row: request_as_item(row, now), by="first_asked")

    def post(self, request: Request) -> Response:
        """Request access in advance, as the agent would. Returns the waiting access request, or the decision if none
        is needed.
        """
        given = self.body(request)
        reason = _text(given, "reason")
        _check_fields(str(given.get("resource", "")), given.get("fields", {}))
        answer, row = ask_for_access(principal_of(request), given, time.time())
        if row is None:
            return Response(answer)
        now = datetime.now(UTC)
        if reason and (me := principal_of(request).person) is not None:
            access_requests.add_justification(row, by=me, reason=reason, now=now)
        _give(request, row, given, now)
        return Response({**answer, "access_request": request_as_item(found(request, row.pk), now)}, status=202)


class One(ApiView):
    requires = {"GET": "authz.view_accessrequest", "PATCH": ASK}
    takes = {"PATCH": mapping(reason=TEXT, fields=ANY)}
    answers = {"GET": ACCESS_REQUEST, "PATCH": ACCESS_REQUEST}

    def get(self, request: Request, pk: UUID) -> Response:
        return Response(request_as_item(found(request, pk), datetime.now(UTC)))

    def patch(self, request: Request, pk: UUID) -> Response:
        """Say why an open request of one's own is needed, or what extensions ask for (docs/extensions.md)."""
        row, me, now = found(request, pk), principal_of(request).person, datetime.now(UTC)
        if me is None or me.pk not in (row.user_id, row.client.owner_id):
            raise Problem(403, "Only who asks says more about a request.")
        given = self.body(request)
        if reason := _text(given, "reason"):
            access_requests.add_justification(row, by=me, reason=reason, now=now)
        _give(request, row, given, now)
        return Response(request_as_item(found(request, pk), now))


class Decision(ApiView):
    """Only a person decides, and never the person who benefits or the agent's owner."""

    requires = {"POST": DECIDE_REQUESTS}
    answers = {"POST": ACCESS_REQUEST}

    def post(self, request: Request, pk: UUID) -> Response:
        given = self.body(request)
        row, by, now = found(request, pk), principal_of(request).person, datetime.now(UTC)
        if by is None:
            raise Problem(403, "Only a person may decide access requests.")
        if problem := approvers.objection(row, by):
            raise Problem(403, problem)
        self.decide(row, by, given, now)
        return Response(request_as_item(found(request, pk), now))

    def decide(self, row: AccessRequest, by: User, given: Mapping[str, Any], now: datetime) -> None:
        raise NotImplementedError


class Approve(Decision):
    takes = {"POST": mapping(scopes=TEXTS, lasts={"type": ["string", "integer"]}, group=TEXT, comment=TEXT)}

    def decide(self, row: AccessRequest, by: User, given: Mapping[str, Any], now: datetime) -> None:
        scopes = given.get("scopes", row.scopes)
        if not isinstance(scopes, list) or not all(isinstance(name, str) for name in scopes):
            raise invalid("scopes", "is a list of scopes")
        if row.needs_rule:
            accepted_rules.accept(
                row, by=by, scopes=scopes, group=_text(given, "group"), comment=_text(given, "comment"), now=now
            )
            return
        once = given.get("lasts") == ONCE
        expires = now + (ONCE_WITHIN if once else _lasts(given.get("lasts", "8h")))
        voting.approve(row, by=by, scopes=scopes, expires=expires, comment=_text(given, "comment"), now=now, once=once)


class Deny(Decision):
    takes = {"POST": mapping(comment=TEXT)}

    def decide(self, row: AccessRequest, by: User, given: Mapping[str, Any], now: datetime) -> None:
        voting.deny(row, by=by, comment=_text(given, "comment"), now=now)


class Cancel(ApiView):
    """Withdraw the caller's own request, or end an approval early."""

    requires = {"POST": ASK}
    answers = {"POST": ACCESS_REQUEST}

    def post(self, request: Request, pk: UUID) -> Response:
        row, by, now = found(request, pk), principal_of(request).person, datetime.now(UTC)
        if by is None:
            raise Problem(403, "Only a person may decide access requests.")
        if not voting.cancel(row, by=by, now=now):
            raise Problem(409, "It is no longer open.")
        return Response(request_as_item(found(request, pk), now))


def _check_fields(resource: str, fields: object) -> None:
    try:
        extension_fields.taken(resource, fields, is_whole=False)
    except FieldError as problem:
        raise invalid("fields", str(problem)) from None


def _give(request: Request, row: AccessRequest, given: Mapping[str, Any], now: datetime) -> None:
    me = principal_of(request).person
    if "fields" not in given or me is None:
        return
    try:
        extension_fields.give(row, by=me, given=given["fields"], now=now)
    except FieldError as problem:
        raise invalid("fields", str(problem)) from None


def _lasts(value: object) -> timedelta:
    """One of the durations that the console offers, or seconds."""
    if isinstance(value, str) and value in DURATIONS:
        return DURATIONS[value]
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 10**8:
        return timedelta(seconds=value)
    raise invalid("lasts", f"is one of {', '.join(DURATIONS)}, or a number of seconds")


def _text(given: Mapping[str, Any], name: str) -> str:
    text = given.get(name, "")
    if not isinstance(text, str) or len(text) > LONGEST_TEXT:
        raise invalid(name, f"is a text of at most {LONGEST_TEXT} characters")
    return text
