"""Telling: written with what it tells of, sent at least once, each receiver for itself, and seen where it fails."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from smtplib import SMTPRecipientsRefused, SMTPServerDisconnected
from typing import Any

import pytest
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from authz import notifications
from authz.database.transactions import unit_of_work
from authz.environment_readers import env_mail_server as mail_server
from authz.models import AuditEvent, Notification, User, WebhookEndpoint
from authz.notifications import Kind, plain, tell
from authz.notifications import delivery as notification_delivery
from authz.operations import housekeeping
from authz.protocol.standard_webhooks import SecretError, headers, key
from tests.support.document_host import reply
from tests.support.races import at_once
from tests.support.webhook_receiver import Receiver, webhook_receiver

HOUR = timedelta(hours=1)


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create(username="alice", email="alice@example.com")


@pytest.fixture
def bob(db: None) -> User:
    return User.objects.create(username="bob", email="bob@example.com")


@pytest.fixture
def receiver(db: None) -> Iterator[Receiver]:
    with webhook_receiver() as found:
        yield found


def told(*people: User, **changes: Any) -> list[User]:
    given: dict[str, Any] = {"subject": "A request waits", "body": "Please decide.", **changes}
    with unit_of_work():
        return tell(Kind.ACCESS_REQUESTED, people, **given)


def later(delay: timedelta) -> None:
    """As if so much time had passed."""
    for row in Notification.objects.exclude(due=None):
        Notification.objects.filter(pk=row.pk).update(due=row.due - delay)  # type: ignore[operator]


class TestTelling:
    def test_each_gets_one_mail_with_what_and_where(self, alice: User, bob: User) -> None:
        assert told(alice, bob, alice, link="/account/requests/1") == [alice, bob]
        assert not mail.outbox, "nothing is sent before it is committed"
        notification_delivery.run()
        assert sorted(sent.to[0] for sent in mail.outbox) == ["alice@example.com", "bob@example.com"]
        assert mail.outbox[0].subject == "A request waits"
        assert "Please decide.\n\nhttp://127.0.0.1:8000/account/requests/1\n" in mail.outbox[0].body
        assert {row.state for row in Notification.objects.all()} == {"sent"}

    def test_a_rolled_back_change_sends_nothing(self, alice: User) -> None:
        with pytest.raises(RuntimeError), unit_of_work():
            tell(Kind.ACCESS_REQUESTED, [alice], subject="s", body="b")
            raise RuntimeError("the change failed")
        assert not Notification.objects.exists()

    def test_inactive_people_and_those_without_an_address_get_no_mail(self, alice: User, bob: User) -> None:
        alice.email, bob.is_active = "", False
        assert told(alice, bob) == []

    def test_a_person_deactivated_meanwhile_gets_nothing(self, alice: User) -> None:
        told(alice)
        User.objects.update(is_active=False)
        notification_delivery.run()
        assert not mail.outbox

    @override_settings(EMAIL_BACKEND="django.core.mail.backends.dummy.EmailBackend")
    def test_without_a_mail_server_no_mail_counts_as_sent(self, alice: User) -> None:
        assert told(alice) == []
        assert not Notification.objects.exists()

    def test_a_line_break_in_a_subject_makes_no_header(self, alice: User) -> None:
        told(alice, subject="Approve\r\nBcc: charlie@example.com")
        notification_delivery.run()
        assert mail.outbox[0].to == ["alice@example.com"]
        assert mail.outbox[0].subject == "Approve Bcc: charlie@example.com"

    @pytest.mark.parametrize(
        "name", ["Sign in at https://evil.example", "evil.example", "mail me@evil.example", "a\n\nhttp://evil.example/"]
    )
    def test_text_from_outside_is_no_link(self, name: str) -> None:
        shown = plain(name)
        assert "://" not in shown
        assert "evil.example" not in shown
        assert "@" not in shown
        assert "\n" not in shown

    def test_notifications_are_found_by_their_subject(self, alice: User, bob: User) -> None:
        told(alice, about="4f2c")
        told(bob, about="other")
        assert [row.recipient for row in notifications.told_about("4f2c", Kind.ACCESS_REQUESTED)] == [alice]


class TestWebhooks:
    def test_it_is_signed_as_standard_webhooks_says(self, receiver: Receiver) -> None:
        told(data={"access_request": "4f2c"}, link="/account/requests/4f2c")
        notification_delivery.run()
        (delivery,) = receiver.deliveries()
        row = Notification.objects.get()
        assert delivery["id"] == f"msg_{row.message.hex}"
        assert abs(delivery["timestamp"] - time.time()) < 60
        assert delivery["body"] == {
            "type": "access_request.opened",
            "timestamp": row.created.isoformat(),
            "data": {"url": "http://127.0.0.1:8000/account/requests/4f2c", "access_request": "4f2c"},
        }
        assert row.state == "sent"

    def test_the_signature_is_that_of_the_specifications_libraries(self) -> None:
        # From the test suite of the reference implementations.
        made = headers(
            key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
            timestamp=1614265330,
            payload=b'{"test": 2432232314}',
        )
        assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

    @pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_$$"])
    def test_a_weak_or_misshapen_secret_is_refused(self, secret: str) -> None:
        with pytest.raises(SecretError):
            key(secret)

    def test_the_secret_is_ciphertext_at_rest_and_bound_to_its_row(self, receiver: Receiver) -> None:
        stored = bytes(WebhookEndpoint.objects.get().secret)
        assert key(receiver.secret) not in stored
        # Swapped into another row it opens nothing.
        WebhookEndpoint.objects.create(name="Other", url=receiver.endpoint.url, events=["*"], secret=stored)
        told()
        notification_delivery.run()
        assert len(receiver.deliveries()) == 1
        failed = Notification.objects.get(endpoint__name="Other")
        assert failed.state == "waiting"
        assert "GATEHOUSE_SECRET_KEY" in failed.failure

    def test_an_endpoint_gets_what_it_listens_to(self, db: None) -> None:
        with webhook_receiver("Denials", events=("access_request.denied",)) as denials:
            told()
            notification_delivery.run()
            assert denials.deliveries() == []

    def test_an_endpoint_that_is_switched_off_gets_nothing(self, receiver: Receiver) -> None:
        told()
        WebhookEndpoint.objects.update(enabled=False)
        told()
        notification_delivery.run()
        assert receiver.deliveries() == []
        assert Notification.objects.count() == 1

    def test_a_private_address_that_is_not_allowed_is_not_called(self, receiver: Receiver) -> None:
        with override_settings():
            WebhookEndpoint.objects.update(url=f"https://127.0.0.1:{receiver.host.port}/hook")
            told()
            notification_delivery.run()
        assert receiver.host.connections == 0
        assert "not on the public Internet" in Notification.objects.get().failure

    def test_whatever_a_receiver_says_with_its_2xx_is_a_yes(self, receiver: Receiver) -> None:
        receiver.answers(reply(b"x" * 10_000))
        told()
        notification_delivery.run()
        assert Notification.objects.get().state == "sent"

    def test_gone_switches_the_endpoint_off(self, receiver: Receiver) -> None:
        receiver.answers(reply(b"", status="410 Gone"))
        told()
        told()
        notification_delivery.run()
        assert not WebhookEndpoint.objects.get().enabled
        assert {row.state for row in Notification.objects.all()} == {"failed"}
        assert AuditEvent.objects.get(event="configuration:object:changed").detail["because"] == "it answered 410 Gone"


class TestTheMailServer:
    @pytest.mark.parametrize(
        ("url", "expected"),
        [
            ("smtp://me:p%40ss@mail.example.com", ("mail.example.com", 587, "me", "p@ss", True, False)),
            ("smtps://mail.example.com", ("mail.example.com", 465, "", "", False, True)),
            ("smtp+plain://relay:2525", ("relay", 2525, "", "", False, False)),
        ],
    )
    def test_its_url_is_read(self, url: str, expected: tuple[object, ...]) -> None:
        assert tuple(mail_server(url).values()) == expected

    @pytest.mark.parametrize("url", ["mail.example.com", "http://mail.example.com", "smtp://", "smtp:secret@x"])
    def test_another_url_stops_the_server_and_shows_no_password(self, url: str) -> None:
        with pytest.raises(ImproperlyConfigured) as raised:
            mail_server(url)
        assert "secret" not in str(raised.value)


OK = reply(b"", status="204 No Content")


class TestFailing:
    def test_it_is_tried_again_with_the_same_id_until_it_arrives(self, receiver: Receiver) -> None:
        receiver.answers(reply(b"", status="500 Oops"))
        told()
        notification_delivery.run()
        notification_delivery.run()
        assert len(receiver.deliveries()) == 1, "not before it is due again"
        row = Notification.objects.get()
        assert (row.state, row.attempts) == ("waiting", 1)
        assert "500" in row.failure
        assert WebhookEndpoint.objects.get().failing_since is not None
        receiver.answers(reply(b""))
        later(HOUR)
        notification_delivery.run()
        first, second = receiver.deliveries()
        assert first["id"] == second["id"]
        assert Notification.objects.get().state == "sent"
        assert WebhookEndpoint.objects.get().failing_since is None

    def test_it_is_given_up_after_three_days_and_seen(self, receiver: Receiver) -> None:
        receiver.answers(reply(b"", status="500 Oops"))
        told()
        for _ in range(12):
            notification_delivery.run()
            later(timedelta(hours=30))
        assert len(receiver.deliveries()) == 1 + len(notification_delivery.RETRIES)
        assert Notification.objects.get().state == "failed"

    def test_a_dead_endpoint_holds_up_no_other(self, receiver: Receiver, alice: User) -> None:
        with webhook_receiver("Dead") as dead:
            dead.answers(reply(b"", after=30))
            for _ in range(3):
                told(alice)
            began = time.monotonic()
            notification_delivery.run()
            assert time.monotonic() - began < 15
            assert len(receiver.deliveries()) == 3
            assert len(mail.outbox) == 3
            assert len(dead.host.requests) == 1, "after a failure the queue pauses"
            # Its other messages rest a while, and not for as long as the one that failed.
            assert not Notification.objects.filter(endpoint=dead.endpoint, due__lte=datetime.now(UTC)).exists()
            later(notification_delivery.REST)
            assert Notification.objects.filter(endpoint=dead.endpoint, due__lte=datetime.now(UTC)).count() == 3

    def test_so_many_wait_for_one_receiver_and_the_oldest_are_given_up(
        self, receiver: Receiver, alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(notification_delivery, "MOST_WAITING", 3)
        WebhookEndpoint.objects.update(enabled=False)
        with webhook_receiver("Away") as away:
            for number in range(5):
                told(alice, data={"number": number})
            later_rows = Notification.objects.filter(endpoint=away.endpoint)
            later_rows.update(due=datetime.now(UTC) + notification_delivery.REST)
            notification_delivery.run()
            kept = [row.data["number"] for row in later_rows.filter(due__isnull=False).order_by("created")]
            assert kept == [2, 3, 4]
            assert set(later_rows.filter(due=None).values_list("failure", flat=True)) == {
                notification_delivery.TOO_MANY
            }
        assert len(mail.outbox) >= 3  # mail has a bound of its own

    def test_a_slow_receiver_delays_no_other(self, receiver: Receiver, alice: User) -> None:
        """Not even for one round: each queue goes on when its own message is sent (attack 41)."""
        arrived: list[int] = []
        with webhook_receiver("Slow") as slow:
            # It takes each message in the end, so it never rests.
            slow.answers(
                lambda connection, head: (
                    time.sleep(2) or arrived.append(len(receiver.host.requests)) or OK(connection, head)
                )
            )
            for _ in range(4):
                told(alice)
            notification_delivery.run()
            assert len(slow.host.requests) == 4
            assert len(receiver.deliveries()) == 4
        assert arrived[0] == 4, "all of the others' were there before its first was done"

    def test_a_refused_address_holds_up_no_other(self, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
        real = mail.send_mail

        def refuses_alice(subject: str, body: str, sender: None, to: list[str]) -> int:
            if to == ["alice@example.com"]:
                raise SMTPRecipientsRefused({to[0]: (550, b"no such user")})
            return real(subject, body, sender, to)

        monkeypatch.setattr(mail, "send_mail", refuses_alice)
        told(alice, bob)
        notification_delivery.run()
        assert [sent.to for sent in mail.outbox] == [["bob@example.com"]]
        assert "550" in Notification.objects.get(recipient=alice).failure

    def test_a_mail_server_that_is_away_is_tried_again(self, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        def away(*_: object) -> int:
            raise SMTPServerDisconnected

        with monkeypatch.context() as patched:
            patched.setattr(mail, "send_mail", away)
            told(alice)
            notification_delivery.run()
        assert Notification.objects.get().state == "waiting"
        later(HOUR)
        notification_delivery.run()
        assert len(mail.outbox) == 1

    def test_a_message_of_a_crashed_sender_is_sent_by_another(self, alice: User) -> None:
        told(alice)
        assert notification_delivery._claim(datetime.now(UTC))
        notification_delivery.run()
        assert not mail.outbox
        later(notification_delivery.CLAIM)
        notification_delivery.run()
        assert len(mail.outbox) == 1

    def test_old_notifications_are_removed(self, alice: User) -> None:
        told(alice)
        told(alice)
        first = Notification.objects.all()[0]
        Notification.objects.filter(pk=first.pk).update(created=datetime.now(UTC) - timedelta(days=31))
        housekeeping.run()
        assert Notification.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_nodes_at_once_send_it_once() -> None:
    alice = User.objects.create(username="alice", email="alice@example.com")
    for _ in range(3):
        told(alice)
    at_once([notification_delivery.run for _ in range(4)])
    assert len(mail.outbox) == 3
