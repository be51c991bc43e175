"""What only the audit knows: the token behind a `jti`, the request behind a reference, an address, a reason."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from django.db.models import Q
from django.urls import reverse

from authz import audit, registry
from authz.audit import periods, queries
from authz.audit.headlines import headline
from authz.console.search.forms import ip_address_of, is_hex_id, uuid_of
from authz.console.search.hits import SHOWN, Hit, finder
from authz.decisions import past_decisions
from authz.models import AuditEvent, Authorization, Client, User
from authz.protocol.errors import RefusalReason
from authz.protocol.numbers import number
from authz.protocol.timed_ids import made_at
from authz.sign_in.roles import visible

# Characters. What is shorter is a word.
SHORTEST_FOREIGN_ID = 8
# No index has what an assertion says: so many events are looked through.
LATEST = 20_000
NEVER_BY_ASSERTION = (audit.Event.TOKEN_INTROSPECTED.value, audit.Event.CALL_ALLOWED.value)


@finder("authz.view_auditevent")
def tokens(text: str, viewer: User) -> Iterator[Hit]:
    """A token leads to “Why?” at once: who allowed it, by which rules.

    A `jti` that does not say when it was made would be looked for in every event: `manage.py policy replay` does that.
    """
    if made_at(text, time.time()) is None:
        return
    try:
        event = past_decisions.event_of_token(text)
    except past_decisions.CannotReplay:
        return
    yield Hit(
        kind="Token",
        title="Why was it issued?",
        sub=f"{event.time:%Y-%m-%d %H:%M:%S} UTC",
        url=reverse("admin:replay", args=[event.pk]),
        is_exact=True,
        ends=("authorization", event.authorization) if _is_live(event.authorization) else None,
    )


def _is_live(authorization: str) -> bool:
    pk = uuid_of(authorization)
    return pk is not None and Authorization.objects.filter(pk=pk, revoked=None).exists()


@finder("authz.view_auditevent")
def requests(text: str, viewer: User) -> Iterator[Hit]:
    """The events of one request, by the id that is in its answer, on its error page and in the log."""
    if not is_hex_id(text):
        return
    found = list(queries.of_request(text)[:2])
    if len(found) == 1:
        url = reverse("admin:authz_auditevent_change", args=[found[0].pk])
        yield Hit(kind="Request", title=found[0].event, sub=text, url=url, is_exact=True)
    elif found:
        url = _events(q=f"request_id:{text}", time__gte=(found[-1].time - timedelta(minutes=1)).isoformat())
        yield Hit(kind="Request", title="Its events", sub=text, url=url, is_exact=True)


@finder("authz.view_client")
def own_answers(text: str, viewer: User) -> Iterator[Hit]:
    """The answers to a developer's own agents by the reference in the error answer; nothing of other agents."""
    if not is_hex_id(text) or viewer.has_perm("authz.view_auditevent"):
        return
    theirs = queries.of_request(text).filter(client_id__in=visible(viewer, Client.objects.all()).values("client_id"))
    for event in theirs[:SHOWN]:
        url = reverse("admin:answer", args=[event.pk])
        yield Hit(kind="Answer", title=headline(event.event), sub=event.client_id, url=url, is_exact=True)


@finder("authz.view_auditevent")
def addresses(text: str, viewer: User) -> Iterator[Hit]:
    if address := ip_address_of(text):
        title = f"Events from {address}"
        yield Hit(kind="Address", title=title, url=_events(q=f"address:{address}"), is_exact=True)


@finder("authz.view_auditevent")
def reasons(text: str, viewer: User) -> Iterator[Hit]:
    name = text.lower().replace(" ", "_").replace("-", "_")
    if (told := registry.reason_explanations().get(name)) is not None:
        yield Hit(kind="Reason", title=name, sub=told.why, url=_events(q=f"reason:{name}"), is_exact=True)


@finder("authz.view_auditevent")
def error_codes(text: str, viewer: User) -> Iterator[Hit]:
    """A client has the code of an answer alone: the reasons behind it, of those that occurred."""
    vocabularies = RefusalReason.__subclasses__()
    of_code = {str(reason.value) for vocabulary in vocabularies for reason in vocabulary if reason.code == text}
    if not of_code:
        return
    explained = registry.reason_explanations()
    for name in queries.reasons():
        if name in of_code:
            why = explained[name].why if name in explained else ""
            yield Hit(kind="Reason", title=name, sub=why, url=_events(q=f"reason:{name}"))


@finder("authz.view_auditevent")
def times(text: str, viewer: User) -> Iterator[Hit]:
    """What happened then: in a period, on a day, or in the minute around a moment of a log, a header or a claim."""
    if period := periods.meant(text, datetime.now(UTC)):
        yield Hit(kind="Time", title=f"Events of {text}", url=_events(**_bounds(period)), is_exact=True)


@finder("authz.view_auditevent")
def numbers(text: str, viewer: User) -> Iterator[Hit]:
    """An event by its number, as exports and proofs have it."""
    pk = number(text, most=2**62)
    event = AuditEvent.objects.filter(pk=pk).first() if pk is not None else None
    if event is not None:
        url = reverse("admin:authz_auditevent_change", args=[event.pk])
        yield Hit(kind="Event", title=headline(event.event), sub=text, url=url, is_exact=True)


# How the audit's search writes what a hit names (authz/console/audit/search.py).
WORDS = {"client": "client", "person": "person", "resource": "resource", "authorization": "authorization"}


def of_thing(hit: Hit, period: tuple[datetime, datetime | None]) -> Hit:
    """The events of what was found, in a period."""
    kind, identifier = hit.ends or ("", "")
    begin, end = period
    words = f"from {begin:%Y-%m-%d %H:%M}" + (f" to {end:%Y-%m-%d %H:%M}" if end else "") + " UTC"
    url = _events(q=f"{WORDS[kind]}:{identifier}", **_bounds(period))
    return Hit(kind="Events", title=f"{hit.title}, {words}", sub=hit.sub, url=url, is_exact=hit.is_exact)


def _bounds(period: tuple[datetime, datetime | None]) -> dict[str, str]:
    """The parameters of a period; a moment is widened by half a minute on each side."""
    begin, end = period
    if end is not None and end - begin <= timedelta(seconds=1):
        begin, end = begin - timedelta(seconds=30), end + timedelta(seconds=30)
    bounds = {"time__gte": begin.isoformat()}
    return bounds if end is None else bounds | {"time__lt": end.isoformat()}


@finder("authz.view_auditevent")
def event_names(text: str, viewer: User) -> Iterator[Hit]:
    if text.count(":") == 2 and text in queries.event_names():
        yield Hit(kind="Event", title=text, url=_events(event=text), is_exact=True)


@finder("authz.view_auditevent")
def unknown_agents(text: str, viewer: User) -> Iterator[Hit]:
    """A client that was never registered is in the audit all the same, refused."""
    if " " not in text and queries.about("client_id", text).exists():
        url = f"{reverse('admin:story')}?{urlencode({'client_id': text})}"
        yield Hit(kind="Events", title=f"What {text} asked for", url=url)


@finder("authz.view_auditevent")
def assertions(text: str, viewer: User) -> Iterator[Hit]:
    """Tokens that rest on an assertion, by its `jti`, or by the workload that it names, among the latest events."""
    if " " in text or len(text) < SHORTEST_FOREIGN_ID:
        return
    newest = AuditEvent.objects.order_by("-id").values_list("id", flat=True).first() or 0
    latest = AuditEvent.objects.filter(id__gt=newest - LATEST).exclude(event__in=NEVER_BY_ASSERTION)
    named = (
        Q(detail__assertion_jti=text) | Q(detail__said__jti=text) | Q(detail__workload=text) | Q(detail__said__sub=text)
    )
    for event in latest.filter(named).order_by("-id")[:SHOWN]:
        url = reverse("admin:authz_auditevent_change", args=[event.pk])
        sub = f"{event.time:%Y-%m-%d %H:%M:%S} UTC, {event.client_id}"
        yield Hit(kind="Assertion", title=headline(event.event), sub=sub, url=url, is_exact=True)


@finder("authz.view_auditevent")
def ended_authorizations(text: str, viewer: User) -> Iterator[Hit]:
    """An authorization that is gone is still in the audit."""
    pk = uuid_of(text)
    if pk is not None and not Authorization.objects.filter(pk=pk).exists() and _has_events(str(pk)):
        url = f"{reverse('admin:story')}?{urlencode({'authorization': str(pk)})}"
        yield Hit(kind="Authorization", title="Its whole story", sub=text, url=url, is_exact=True)


def _has_events(authorization: str) -> bool:
    return queries.about("authorization", authorization).exists()


def _events(**query: str) -> str:
    return f"{reverse('admin:authz_auditevent_changelist')}?{urlencode(query)}"
