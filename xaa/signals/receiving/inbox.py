"""Takes one event of a source: verified, claimed, limited and acted on. Both ways in come through here."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import DatabaseError

from authz.database import replay
from authz.database.transactions import long_statements, unit_of_work
from authz.models import User
from authz.protocol import jwts
from authz.protocol.errors import OAuthError
from authz.protocol.jwts import JwtError
from authz.telemetry import metrics
from xaa.models import ReceivedSignal, SignalSource, SignalSourceState
from xaa.signals.event_types import OF_ACCOUNTS, OF_STREAMS
from xaa.signals.receiving import deciding, effects, holding, keys, people, stream_events, writing
from xaa.signals.receiving.about import About, Effect
from xaa.signals.receiving.actions import ENDING, Action, Limit, action_of
from xaa.signals.receiving.reasons import BY_JWT_PROBLEM, SignalReason
from xaa.signals.receiving.set_claims import LONGEST_AGE, TYP, SecurityEvent, read
from xaa.signals.receiving.why import Why
from xaa.subjects import subject_effects

Outcome = ReceivedSignal.Outcome
HOUR = timedelta(hours=1)
REPEATED = "repeated"


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of an event: an outcome, or `REPEATED` for one that was taken before."""

    jti: str
    outcome: str


def take(source: SignalSource, token: str, now: float) -> Taken:
    """Not inside `unit_of_work()`. Raises `OAuthError`; then nothing of the event counts, and it may come again."""
    keys.trust_of(source)
    state = state_of(source)
    event = verified(source, state, token, now)
    taken = subject_effects.with_retries(lambda: _taken(source, event, now))
    metrics.SIGNALS.add(taken.outcome)
    return taken


def failed(source: SignalSource, error: OAuthError) -> None:
    """Keep what last went wrong, for the console and `doctor`. No request fails for it."""
    note(source, f"{error.reason.value}: {error.detail}" if error.detail else error.reason.value)


def note(source: SignalSource, failure: str) -> None:
    values = {"failed": datetime.now(UTC), "failure": failure[:255]}
    try:
        SignalSourceState.objects.update_or_create(source=source, defaults=values)
    except DatabaseError:
        return


def state_of(source: SignalSource) -> SignalSourceState:
    return SignalSourceState.objects.get_or_create(source=source)[0]


def verified(source: SignalSource, state: SignalSourceState, token: str, now: float) -> SecurityEvent:
    """The event in a SET of this source. Raises `OAuthError`."""
    transmitter = keys.transmitter_of(source)
    try:
        unverified = jwts.parse(token)
        # Asked before the keys are, so that what another one issued cannot make us fetch.
        if unverified.claims.get("iss") != transmitter:
            raise OAuthError(SignalReason.ISSUER)
        # > SSF events MUST use explicit typing as defined in Section 2.3 of RFC 8417. (SSF 1.0 §4.1.1)
        found = jwts.verify(unverified, keys.verification_keys(source, state, unverified), typ={TYP})
    except JwtError as error:
        raise OAuthError(BY_JWT_PROBLEM.get(error.problem, SignalReason.TOKEN_MALFORMED)) from None
    return read(found.claims, transmitter=transmitter, audiences=keys.audiences_of(source, state), now=now)


def _taken(source: SignalSource, event: SecurityEvent, now: float) -> Taken:
    moment = datetime.fromtimestamp(now, UTC)
    with long_statements(), unit_of_work():
        # One event of a source at a time: the limit and the order of events are about all of them.
        state = SignalSourceState.objects.select_for_update().get(source=source)
        stream_events.check(state, event, moment)
        if state.held is not None and holding.is_full(source):
            raise OAuthError(SignalReason.FULL, detail=source.name)
        # Claimed once, by one statement (invariant 3); what follows is in its transaction.
        if not replay.claim(f"signals:{source.pk}", event.jti, event.issued + LONGEST_AGE + jwts.CLOCK_SKEW):
            return Taken(event.jti, REPEATED)
        SignalSourceState.objects.filter(pk=state.pk).update(last=moment)
        row = judged(source, state, event, moment)
    if row.outcome == Outcome.ACTED and row.action in {Action.DECIDE, Action.ADDRESS} and row.user is not None:
        decided(source, row, moment)
    return Taken(event.jti, row.outcome)


def decided(source: SignalSource, row: ReceivedSignal, now: datetime) -> None:
    """After the transaction: what the rules no longer allow of the person ends."""
    assert row.user is not None  # noqa: S101  the caller has looked
    if ended := deciding.decide_anew(row.user, source, now):
        ReceivedSignal.objects.filter(pk=row.pk).update(ended=ended)


def judged(source: SignalSource, state: SignalSourceState, event: SecurityEvent, now: datetime) -> ReceivedSignal:
    """What comes of a claimed event, written down. Inside `unit_of_work()`, which holds the state's row."""
    if event.event_type in OF_STREAMS:
        return stream_events.take(source, state, event, now)
    action = action_of(event.event_type, event.members, source.actions)
    if action is Action.RECORD or event.subject is None:
        person = _person(source, state, event) if event.subject is not None else None
        user = person.user if isinstance(person, people.Person) else None
        return writing.write(source, event, now, Outcome.RECORDED, user=user)
    found = _person(source, state, event)
    if isinstance(found, Why):
        outcome = Outcome.REFUSED if found.is_confusion else Outcome.NO_PERSON
        return writing.write(source, event, now, outcome, action=action, note=found.sentence)
    about = About(source, keys.trust_of(source), found, event, now)
    if source.preview:
        would = effects.preview(about, action)
        return writing.write(source, event, now, Outcome.PREVIEWED, user=found.user, action=action, ended=would)
    if state.held is not None:
        return writing.write(source, event, now, Outcome.WAITING, user=found.user, action=action)
    if action in ENDING and limit(source, state, found.user, now).is_reached:
        holding.hold(source, because=holding.too_many(source), by="", now=now)
        return writing.write(source, event, now, Outcome.WAITING, user=found.user, action=action)
    return acted(about, action)


def acted(about: About, action: Action, instead: ReceivedSignal | None = None) -> ReceivedSignal:
    """The effect of an event, written down; in the place of the row that waited, if one did."""
    if _is_outdated(about):
        return writing.write(
            about.source,
            about.event,
            about.now,
            Outcome.OUTDATED,
            user=about.person.user,
            action=action,
            instead=instead,
        )
    effect: Effect = effects.take(about, action)
    return writing.write(
        about.source,
        about.event,
        about.now,
        Outcome.KEPT if effect.kept else Outcome.ACTED,
        user=about.person.user,
        action=action,
        effect=effect,
        instead=instead,
    )


def _person(source: SignalSource, state: SignalSourceState, event: SecurityEvent) -> people.Person | Why:
    assert event.subject is not None  # noqa: S101  the callers have looked
    return people.find(source, keys.transmitter_of(source), event.subject, state.critical)


def _is_outdated(about: About) -> bool:
    """Whether a later event has said how the account is: events come in any order."""
    if about.event.event_type not in OF_ACCOUNTS:
        return False
    of_account = [event_type.value for event_type in OF_ACCOUNTS]
    later = ReceivedSignal.objects.filter(
        source=about.source,
        user=about.person.user,
        event_type__in=of_account,
        happened__gt=datetime.fromtimestamp(about.event.happened, UTC),
        outcome__in=(Outcome.ACTED, Outcome.KEPT),
    )
    return later.exists()


def limit(source: SignalSource, state: SignalSourceState, user: User, now: datetime) -> Limit:
    """How the source stands within the hour, or since it was last released, with this person in mind."""
    since = max(now - HOUR, state.counted_from or now - HOUR)
    lately = ReceivedSignal.objects.filter(source=source, outcome=Outcome.ACTED, received__gt=since)
    ended = lately.filter(action__in=ENDING).exclude(action=Action.DECIDE, ended=0)
    people_ended = set(ended.values_list("user", flat=True).distinct()[: source.limit + 1])
    return Limit(len(people_ended), source.limit, user.pk in people_ended)
