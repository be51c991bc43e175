"""The console's page of one source: its events, what waits, its tokens, and what an administrator may do about them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from authz.console.site import console
from authz.database.transactions import unit_of_work
from authz.protocol.errors import OAuthError
from authz.sign_in.roles import CONFIGURE
from xaa.models import ReceivedSignal, SignalSource
from xaa.signals.receiving import holding, inbox, keys, releasing, state, transmitter
from xaa.signals.receiving.holding import Refused
from xaa.signals.receiving.transmitter import TransmitterError

SHOWN = 100
DAY = timedelta(days=1)


def signals_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Raises `PermissionDenied`."""
    if not request.user.has_perm("xaa.view_signalsource"):
        raise PermissionDenied
    row = get_object_or_404(SignalSource.objects.select_related("issuer"), pk=pk)
    made = ""
    if request.method == "POST":
        if not request.user.has_perm(CONFIGURE):
            raise PermissionDenied
        made = _act(request, row, request.user.get_username())
        if not made:
            return HttpResponseRedirect(reverse("admin:xaa_signalsource_signals", args=[pk]))
    signals = ReceivedSignal.objects.filter(source=row).select_related("user")
    context = {
        **console.each_context(request),
        "opts": SignalSource._meta,
        "title": "The new token" if made else "Signals",
        "source": row,
        "state": state.of(row, datetime.now(UTC)),
        "signals": signals[:SHOWN],
        "address": state.address(),
        "made": made,
        "may": request.user.has_perm(CONFIGURE),
    }
    return TemplateResponse(request, "console/signal_source.html", context)


def _act(request: HttpRequest, source: SignalSource, by: str) -> str:
    """Do what the button says; a token that was made, "" otherwise."""
    act, now = request.POST.get("act", ""), datetime.now(UTC)
    if act == "token":
        return keys.make_token(source, days=keys.USUAL_DAYS, by=by, now=now)
    if act not in _ACTS:
        return ""
    inbox.state_of(source)
    try:
        messages.success(request, _ACTS[act](request, source, by, now))
    except (Refused, TransmitterError) as refused:
        messages.error(request, str(refused))
    except OAuthError as refused:
        messages.error(request, refused.sentence)
    return ""


def _hold(request: HttpRequest, source: SignalSource, by: str, now: datetime) -> str:
    with unit_of_work():
        holding.hold(source, because=f"By {by}.", by=by, now=now)
    return "The source is held. Its events wait."


def _release(request: HttpRequest, source: SignalSource, by: str, now: datetime) -> str:
    return f"Released. Events that waited and are done now: {releasing.release(source, by=by, now=now)}."


def _discard(request: HttpRequest, source: SignalSource, by: str, now: datetime) -> str:
    return f"Dropped: {holding.discard(source, by=by, now=now)}. It goes on."


def _undo(request: HttpRequest, source: SignalSource, by: str, now: datetime) -> str:
    rows = ReceivedSignal.objects.filter(source=source).select_related("cut_off", "user", "source__issuer")
    row = next(
        (row for row in rows.filter(outcome=ReceivedSignal.Outcome.ACTED) if str(row.pk) == _which(request)), None
    )
    if row is None:
        raise Refused("There is no such event.")
    return f"Given back: {holding.undo(row, by=by, now=now)}."


def _undo_day(request: HttpRequest, source: SignalSource, by: str, now: datetime) -> str:
    done = holding.undo_since(source, now - DAY, by=by, now=now)
    return f"Events undone: {done}. Ended sign-ins and authorizations never come back."


def _withdraw(request: HttpRequest, source: SignalSource, by: str, now: datetime) -> str:
    found = next((one for one in source.tokens.select_related("source") if str(one.pk) == _which(request)), None)
    if found is None or not keys.withdraw_token(found, by=by, now=now):
        raise Refused("There is no such token that is still good.")
    return "The token is withdrawn."


def _create(request: HttpRequest, source: SignalSource, by: str, now: datetime) -> str:
    return f"The stream is {transmitter.create(source, by=by, now=now).stream_id} there."


def _delete(request: HttpRequest, source: SignalSource, by: str, now: datetime) -> str:
    transmitter.delete(source, by=by)
    return "The stream is deleted there. The source stays here."


def _verify(request: HttpRequest, source: SignalSource, by: str, now: datetime) -> str:
    transmitter.verify(source, now=now)
    return "A verification event was asked for. It comes as any event does."


def _status(request: HttpRequest, source: SignalSource, by: str, now: datetime) -> str:
    return f"The transmitter says that the stream is {transmitter.ask_status(source, now=now)}."


def _which(request: HttpRequest) -> str:
    return request.POST.get("which", "")


_ACTS: dict[str, Callable[[HttpRequest, SignalSource, str, datetime], str]] = {
    "hold": _hold,
    "release": _release,
    "discard": _discard,
    "undo": _undo,
    "undo_day": _undo_day,
    "withdraw": _withdraw,
    "create": _create,
    "delete": _delete,
    "verify": _verify,
    "status": _status,
}
