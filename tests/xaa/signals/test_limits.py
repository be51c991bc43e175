"""A flood or a wrong stream cannot empty the house: the limit, holding, previews, and the undo."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from authz.models import AuditEvent, CutOff, Notification, User
from tests.support.races import at_once
from tests.support.world import person
from tests.xaa.company import Company
from tests.xaa.signals.transmitter import BOB, Transmitter, configure
from xaa.models import ReceivedSignal, SignalSource, SignalSourceState, SubjectLink
from xaa.signals.event_types import EventType
from xaa.signals.receiving import holding, inbox, releasing

DISABLED, REVOKED = EventType.ACCOUNT_DISABLED, EventType.SESSION_REVOKED
NOW = datetime.now(UTC)


@pytest.fixture
def staff(okta: Transmitter) -> list[dict[str, str]]:
    """Five people of the IdP."""
    found = []
    for number in range(5):
        user = User.objects.create_user(f"person-{number}")
        SubjectLink.objects.create(issuer=okta.source.issuer, subject=f"{number}-at-idp", user=user)
        found.append(BOB | {"sub": f"{number}-at-idp"})
    return found


def active() -> int:
    return User.objects.filter(username__startswith="person-", is_active=True).count()


def outcomes() -> list[str]:
    return list(ReceivedSignal.objects.order_by("received", "id").values_list("outcome", flat=True))


class TestTheLimit:
    def test_beyond_it_a_source_is_held_and_people_are_told(
        self, okta: Transmitter, staff: list[dict[str, str]]
    ) -> None:
        configure(limit=2)
        for subject in staff:
            okta.send(DISABLED, subject)
        assert active() == 3
        assert sorted(outcomes()) == ["acted", "acted", "waiting", "waiting", "waiting"]
        assert AuditEvent.objects.filter(event="signal:source:held").count() == 1
        told = Notification.objects.filter(kind="signal_source.held")
        assert set(told.values_list("recipient__username", flat=True)) == set(
            User.objects.filter(role__in=("administrator", "approver"), is_active=True)
            .exclude(email="")
            .values_list("username", flat=True)
        )
        assert "Okta" in told[0].subject

    def test_a_person_counts_once(self, okta: Transmitter, staff: list[dict[str, str]]) -> None:
        configure(limit=2)
        for subject in (*staff[:2], *staff[:2]):
            okta.send(REVOKED, subject)
        assert outcomes() == ["acted"] * 4

    def test_within_an_hour(self, okta: Transmitter, staff: list[dict[str, str]]) -> None:
        configure(limit=1)
        okta.send(DISABLED, staff[0])
        ReceivedSignal.objects.update(received=datetime.now(UTC) - timedelta(hours=2))
        okta.send(DISABLED, staff[1])
        assert active() == 3

    def test_released_all_that_waits_is_done_and_it_goes_on(
        self, okta: Transmitter, staff: list[dict[str, str]]
    ) -> None:
        source = configure(limit=1)
        for subject in staff[:4]:
            okta.send(DISABLED, subject)
        assert releasing.release(source, by="alice", now=datetime.now(UTC)) == 3
        assert active() == 1
        assert outcomes() == ["acted"] * 4
        okta.send(DISABLED, staff[4])
        assert active() == 0, "what was released does not count for the limit"
        assert AuditEvent.objects.get(event="signal:source:released").detail["by"] == "alice"

    def test_discarded_nothing_of_it_is_done(self, okta: Transmitter, staff: list[dict[str, str]]) -> None:
        source = configure(limit=1)
        for subject in staff[:3]:
            okta.send(DISABLED, subject)
        assert holding.discard(source, by="alice", now=datetime.now(UTC)) == 2
        assert active() == 4
        assert SignalSourceState.objects.get().held is None

    def test_what_waits_is_done_in_the_order_in_which_it_happened(self, okta: Transmitter) -> None:
        now = int(time.time())
        source = configure()
        okta.send(EventType.SESSION_ESTABLISHED)
        holding_by_hand(source)
        okta.send(EventType.ACCOUNT_ENABLED, iat=now)
        okta.send(DISABLED, iat=now - 10)
        assert person("bob").is_active
        releasing.release(source, by="alice", now=datetime.now(UTC))
        assert person("bob").is_active
        assert CutOff.objects.get().undone is not None

    def test_too_many_that_wait_come_again(self, okta: Transmitter, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(holding, "MOST_WAITING", 0)
        holding_by_hand(configure())
        assert okta.push(okta.set(DISABLED)).status == 202
        found = okta.push(okta.set(DISABLED))
        assert found.status == 503
        assert int(found.headers["Retry-After"]) > 0

    @pytest.mark.django_db(transaction=True)
    def test_many_at_once_do_not_pass_it(self, okta: Transmitter, staff: list[dict[str, str]]) -> None:
        configure(limit=2)
        inbox.state_of(okta.source)
        tokens = [okta.set(DISABLED, subject) for subject in staff]
        answers = at_once([lambda token=token: okta.push(token).status for token in tokens])  # type: ignore[misc]
        assert answers == [202] * 5
        assert active() == 3

    @pytest.mark.django_db(transaction=True)
    def test_one_event_many_times_at_once_counts_once(self, okta: Transmitter) -> None:
        """Attack 15, on both databases."""
        token = okta.set(DISABLED)
        answers = at_once([lambda: okta.push(token).status] * 6)
        assert answers == [202] * 6
        assert ReceivedSignal.objects.count() == CutOff.objects.count() == 1
        assert AuditEvent.objects.filter(event="signal:event:received").count() == 1


def holding_by_hand(source: SignalSource) -> None:
    from authz.database.transactions import unit_of_work

    inbox.state_of(source)
    with unit_of_work():
        assert holding.hold(source, because="By alice.", by="alice", now=datetime.now(UTC))


class TestPreview:
    def test_it_says_what_would_be_and_does_nothing(self, company: Company, okta: Transmitter) -> None:
        configure(preview=True, limit=1)
        company.signed_in_tokens()
        company.redeem_assertion(company.idp.id_jag())
        okta.send(DISABLED)
        okta.send(REVOKED)
        assert person("bob").is_active
        assert not CutOff.objects.exists()
        assert list(ReceivedSignal.objects.order_by("action").values_list("action", "outcome", "ended")) == [
            ("end", "previewed", 3),
            ("sessions", "previewed", 1),
        ]
        assert SubjectLink.objects.get().not_before == 0
        assert AuditEvent.objects.filter(event="signal:event:without_effect").count() == 2


class TestUndo:
    def undo(self, **which: Any) -> str:
        row = ReceivedSignal.objects.get(**which)
        return holding.undo(row, by="alice", now=datetime.now(UTC))

    def test_the_account_comes_back(self, company: Company, okta: Transmitter) -> None:
        tokens = company.signed_in_tokens()
        okta.send(DISABLED)
        assert self.undo() == "the account"
        assert person("bob").is_active
        assert company.refresh(tokens["refresh_token"]).status_code == 400
        with pytest.raises(holding.Refused, match="already"):
            self.undo()

    def test_assertions_of_before_count_again(self, company: Company, okta: Transmitter) -> None:
        now = int(time.time())
        okta.send(REVOKED, iat=now)
        held = company.idp.id_jag(iat=now - 10)
        assert company.redeem_assertion(held).status_code == 400
        self.undo()
        assert company.redeem_assertion(held).status_code == 200

    def test_what_an_administrator_decided_since_stays(self, okta: Transmitter) -> None:
        okta.send(DISABLED)
        bob = person("bob")
        bob.role = User.Role.APPROVER
        bob.save()
        assert self.undo().startswith("nothing")
        assert not person("bob").is_active

    def test_all_of_a_wrong_stream(self, okta: Transmitter, staff: list[dict[str, str]]) -> None:
        for subject in staff:
            okta.send(DISABLED, subject)
        source, now = okta.source, datetime.now(UTC)
        assert holding.undo_since(source, now - timedelta(hours=1), by="alice", now=now) == 5
        assert active() == 5
        assert holding.undo_since(source, now - timedelta(hours=1), by="alice", now=now) == 0
        assert AuditEvent.objects.filter(event="signal:event:undone").count() == 5

    @pytest.mark.django_db(transaction=True)
    def test_two_undos_at_once_undo_it_once(self, okta: Transmitter) -> None:
        okta.send(DISABLED)
        row = ReceivedSignal.objects.get()

        def undo() -> bool:
            try:
                holding.undo(row, by="alice", now=datetime.now(UTC))
            except holding.Refused:
                return False
            return True

        assert sorted(at_once([undo, undo])) == [False, True]


def test_the_limit_of_requests(okta: Transmitter, settings: Any) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {
        "RATE_LIMITS": settings.GATEHOUSE["RATE_LIMITS"] | {"signals:source": "2/minute"}
    }
    answers = [okta.push(okta.set(EventType.SESSION_ESTABLISHED)).status for _ in range(3)]
    assert answers == [202, 202, 429]


def test_a_browser_gets_nothing_here(okta: Transmitter) -> None:
    assert Client().options("/o/signals/events").status_code == 405
