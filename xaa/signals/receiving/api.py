"""The management API's part for received signals: how the sources are, their events, holding, releasing and undoing."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.http import Http404
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from authz.api.framework.paging import page
from authz.api.framework.problems import Problem, invalid
from authz.api.framework.shapes import (
    ANY,
    MOMENT,
    MOMENT_OR_NULL,
    NUMBER,
    PAGED,
    SWITCH,
    TEXT,
    TEXT_OR_NULL,
    Parameter,
    a_list,
    mapping,
    one_of,
    paged,
)
from authz.api.framework.view import ApiView, principal_of
from authz.database.transactions import unit_of_work
from authz.protocol.errors import OAuthError
from authz.sign_in.roles import CONFIGURE
from xaa.models import ReceivedSignal, SignalSource
from xaa.signals.receiving import holding, inbox, releasing, state, transmitter
from xaa.signals.receiving.holding import Refused
from xaa.signals.receiving.transmitter import TransmitterError
from xaa.signals.receiving.writing import as_item

ACTS = ("hold", "release", "discard", "undo", "verify")
SIGNAL = mapping(
    id=TEXT,
    source=TEXT,
    event_type=TEXT,
    subject=ANY,
    username=TEXT_OR_NULL,
    received=MOMENT,
    happened=MOMENT,
    action=TEXT,
    outcome=one_of(ReceivedSignal.Outcome.values),
    ended=NUMBER,
    note=TEXT,
    undone=MOMENT_OR_NULL,
)
ERROR = {"type": ["object", "null"], "additionalProperties": True}
SOURCE = mapping(
    name=TEXT,
    issuer=TEXT,
    delivery=TEXT,
    enabled=SWITCH,
    preview=SWITCH,
    held=MOMENT_OR_NULL,
    held_because=TEXT,
    waiting=NUMBER,
    last_event=MOMENT_OR_NULL,
    verified=MOMENT_OR_NULL,
    status=TEXT,
    status_reason=TEXT,
    stream_id=TEXT,
    last_error=ERROR,
    events_of_a_day=NUMBER,
    people_of_a_day=NUMBER,
    tokens=a_list(mapping(number=NUMBER, expires=MOMENT, by=TEXT)),
)
LONGEST_HOURS = 24 * 30


class Signals(ApiView):
    requires = {"GET": "xaa.view_signalsource"}
    query = {
        "GET": {
            "source": "Of this source.",
            "username": "About this person.",
            "outcome": Parameter("What came of it.", one_of(ReceivedSignal.Outcome.values)),
            **PAGED,
        }
    }
    answers = {"GET": paged(SIGNAL)}

    def get(self, request: Request) -> Response:
        """The events that trusted issuers sent, the newest first, and what came of each."""
        columns = {"source": "source__name", "username": "user__username", "outcome": "outcome"}
        wanted = {columns[name]: value for name, value in self.given.items() if name in columns}
        rows = ReceivedSignal.objects.select_related("source", "user").filter(**wanted)
        return page(self.given, rows, as_item, by="received")


class Undo(ApiView):
    requires = {"POST": CONFIGURE}
    answers = {"POST": mapping(given_back=TEXT)}

    def post(self, request: Request, pk: str) -> Response:
        """Give back what one event took, as far as it can be given back."""
        try:
            key = UUID(pk)
        except ValueError:
            raise Http404 from None
        row = ReceivedSignal.objects.select_related("cut_off", "user", "source__issuer").filter(pk=key).first()
        if row is None:
            raise Http404
        try:
            told = holding.undo(row, by=principal_of(request).by.name, now=datetime.now(UTC))
        except Refused as refused:
            raise Problem(409, str(refused)) from None
        return Response({"given_back": told})


class Sources(ApiView):
    requires = {"GET": "xaa.view_signalsource"}
    answers = {"GET": mapping(items=a_list(SOURCE))}

    def get(self, request: Request) -> Response:
        """How the sources of signals are."""
        now = datetime.now(UTC)
        rows = SignalSource.objects.select_related("issuer").order_by("name")
        return Response({"items": [state.of(row, now).as_item() for row in rows]})


class Act(ApiView):
    requires = {"POST": CONFIGURE}
    takes = {"POST": mapping(act=one_of(ACTS), hours={"type": "integer", "minimum": 1, "maximum": LONGEST_HOURS})}
    answers = {"POST": mapping(act=TEXT, events=NUMBER)}

    def post(self, request: Request, name: str) -> Response:
        """Hold a source, release or discard what waits, undo what it did within `hours` (24), or have it verified."""
        given = self.body(request)
        act, hours = given.get("act"), given.get("hours", 24)
        if act not in ACTS:
            raise invalid("act", f"is one of {', '.join(ACTS)}")
        if isinstance(hours, bool) or not isinstance(hours, int) or not 1 <= hours <= LONGEST_HOURS:
            raise invalid("hours", f"is a number from 1 to {LONGEST_HOURS}")
        source = SignalSource.objects.select_related("issuer").filter(name=name).first()
        if source is None:
            raise Http404
        try:
            events = _done(source, str(act), hours, principal_of(request).by.name, datetime.now(UTC))
        except TransmitterError as error:
            raise Problem(409, str(error)) from None
        except OAuthError as error:
            raise Problem(409, error.sentence) from None
        return Response({"act": act, "events": events})


def _done(source: SignalSource, act: str, hours: int, by: str, now: datetime) -> int:
    inbox.state_of(source)
    match act:
        case "hold":
            with unit_of_work():
                return int(holding.hold(source, because=f"By {by}.", by=by, now=now))
        case "release":
            return releasing.release(source, by=by, now=now)
        case "discard":
            return holding.discard(source, by=by, now=now)
        case "undo":
            return holding.undo_since(source, now - timedelta(hours=hours), by=by, now=now)
    transmitter.verify(source, now=now)
    return 0


urlpatterns = [
    path("signals", Signals.as_view(), name="api_signals"),
    path("signals/sources", Sources.as_view(), name="api_signal_sources_state"),
    path("signals/sources/<str:name>", Act.as_view(), name="api_signal_source_act"),
    path("signals/<str:pk>/undo", Undo.as_view(), name="api_signal_undo"),
]
