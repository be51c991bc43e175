"""`/policy/history`, `/policy/replay` and `/policy/effect`: the rules over time, and their effect on real requests."""

from datetime import UTC, datetime

from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from authz import decisions
from authz.api.framework.paging import limit, read_key, written
from authz.api.framework.problems import Problem, invalid
from authz.api.framework.shapes import (
    ANY,
    EXPLANATION,
    MOMENT,
    NUMBER,
    PAGED,
    ROW,
    SWITCH,
    TEXT,
    TEXTS,
    Parameter,
    a_list,
    mapping,
    paged,
)
from authz.api.framework.view import ApiView, require
from authz.api.policy import READS_RULES, rules_of
from authz.decisions import items, past_decisions, recorded_questions, simulation
from authz.models import AuditEvent, RuleChange
from authz.policy import RuleError, compile
from authz.protocol.numbers import number

CHANGE = mapping(
    number=NUMBER, time=MOMENT, action=TEXT, rule=NUMBER, name=TEXT, author=TEXT, how=TEXT, sentence=TEXT, item=ANY
)
EFFECT = mapping(
    looked_at=TEXT,
    is_complete=SWITCH,
    asks=NUMBER,
    calls=NUMBER,
    changed=NUMBER,
    unknown=NUMBER,
    unrecorded=TEXTS,
    groups=a_list(
        mapping(
            client_id=TEXT,
            subject=TEXT,
            resource=TEXT,
            tool=TEXT,
            direction=TEXT,
            before=TEXT,
            after=TEXT,
            count=NUMBER,
            last=MOMENT,
        )
    ),
    more=SWITCH,
)
MOST_DAYS = 366


class History(ApiView):
    """Each change of a rule, newest first: author, time, source, and the rule after the change."""

    requires = {"GET": READS_RULES}
    query = {"GET": {"rule": Parameter("Only the rule with this number.", ROW), **PAGED}}
    answers = {"GET": paged(CHANGE)}

    def get(self, request: Request) -> Response:
        given, size = self.given, limit(self.given)
        rows = RuleChange.objects.all()
        if "rule" in given:
            rule = number(given["rule"])
            if rule is None:
                raise Problem(400, "rule is a number.")
            rows = rows.filter(rule=rule)
        if key := read_key(given):
            rows = rows.filter(id__lt=key)
        found = list(rows.order_by("-id")[: size + 1])
        last = found[size - 1].pk if len(found) > size else None
        return Response(
            {
                "items": [items.rule_change_as_item(row) for row in found[:size]],
                "next": written([str(last)]) if last else None,
            }
        )


class Replay(ApiView):
    """Repeats a decision of the audit, with the rules of that time and the recorded request."""

    requires = {"GET": "authz.view_auditevent"}
    query = {
        "GET": {
            "event": Parameter("The number of an event of the audit.", ROW),
            "request": Parameter("Or the reference of an answer: 32 hexadecimal digits."),
        }
    }
    answers = {"GET": mapping(number=NUMBER, notes=TEXTS, explanation=EXPLANATION, today=EXPLANATION)}

    def get(self, request: Request) -> Response:
        require(request, READS_RULES)
        try:
            found = past_decisions.of_event(self._event())
        except past_decisions.CannotReplay as problem:
            raise Problem(409, str(problem)) from None
        return Response(items.past_as_item(found))

    def _event(self) -> AuditEvent:
        if "request" in self.given:
            return past_decisions.event_of_request(self.given["request"])
        if "event" not in self.given:
            raise Problem(422, "Name the event by its number, or the request by its reference.")
        wanted = number(self.given["event"])
        if wanted is None:
            raise Problem(400, "event is a number.")
        event = AuditEvent.objects.filter(pk=wanted).first()
        if event is None:
            raise Http404
        return event


class Effect(ApiView):
    """What other rules would have changed over the last days of real requests, in bounded time."""

    requires = {"POST": READS_RULES}
    takes = {"POST": mapping(rules=a_list(ANY), prune=SWITCH, days=NUMBER)}
    answers = {"POST": EFFECT}

    def post(self, request: Request) -> Response:
        require(request, "authz.view_auditevent")
        given = self.body(request)
        prune, days = given.get("prune", False), given.get("days", 30)
        if not isinstance(prune, bool):
            raise invalid("prune", "is true or false")
        if type(days) is not int or not 0 < days <= MOST_DAYS:
            raise invalid("days", f"is a number up to {MOST_DAYS}")
        try:
            new = compile(simulation.proposed(rules_of(given.get("rules")), prune=prune))
        except RuleError as error:
            raise invalid("rules", str(error)) from None
        effect = recorded_questions.impact(decisions.cached_rules(), new, days=days, now=datetime.now(UTC))
        return Response(items.effect_as_item(effect))
