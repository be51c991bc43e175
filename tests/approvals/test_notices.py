"""Both sides are told about an access request, and the page that waits says who was: no more and no less than is so."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client as Browser
from django.test import override_settings

from authz.approvals import access_requests, notices, reminders, voting
from authz.approvals.voting import NotDecided
from authz.configuration import ConfigurationError, apply, export
from authz.models import AccessRequest, AuditEvent, Client, Notification, Rule, User, WebhookEndpoint
from authz.notifications import delivery
from tests.support import world
from tests.support.races import at_once
from tests.support.webhook_receiver import Receiver, webhook_receiver
from tests.support.world import NOTES, SECRET, World

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def approvers(gatehouse: World) -> User:
    """Olga approves, and Alice administers; Charlie has an address and no business here."""
    definition = {"clients": ["*"], "groups": ["*"], "grant_types": ["*"], "resources": [NOTES], "scopes": ["*"]}
    definition["approvers"] = {"users": ["olga"], "roles": ["administrator"]}
    Rule.objects.create(name="Ask a human first", effect="require_approval", definition=definition)
    Client.objects.filter(client_id="desktop-app").update(owner=world.person("charlie"))
    return User.objects.create(username="olga", email="olga@example.com")


@pytest.fixture
def receiver(gatehouse: World) -> Iterator[Receiver]:
    with webhook_receiver() as found:
        yield found


def page(gatehouse: World, **changes: Any) -> str:
    answer: Any = gatehouse.browser.get(gatehouse.authorize_url(**changes))
    return str(answer.content.decode())


def asked_page(gatehouse: World, **changes: Any) -> str:
    return str(gatehouse.ask(**changes).content.decode())


def bob_asks(gatehouse: World) -> AccessRequest:
    gatehouse.sign_in("bob")
    gatehouse.ask()
    return AccessRequest.objects.get()


def approve(request: AccessRequest, by: User, lasts: timedelta = HOUR) -> None:
    now = datetime.now(UTC)
    voting.approve(request, by=by, scopes=request.scopes, expires=now + lasts, comment="For the audit.", now=now)


def sent() -> dict[str, Any]:
    """The mails that are due now, by recipient."""
    mail.outbox.clear()
    delivery.run()
    return {message.to[0]: message for message in mail.outbox}


class TestThePeople:
    def test_those_who_may_decide_are_told_once_with_what_they_need(self, gatehouse: World) -> None:
        request = bob_asks(gatehouse)
        page(gatehouse)
        mails = sent()
        assert set(mails) == {"olga@example.com", "alice@example.com"}
        assert mails["olga@example.com"].subject == "“Desktop app” waits for an approval at Notes"
        body = mails["olga@example.com"].body
        for fact in ("desktop-app", "bob", NOTES, "mcp:read", "“Ask a human first”", "127.0.0.1"):
            assert fact in body
        assert f"http://127.0.0.1:8000/account/requests/{request.pk}\n" in body
        assert sent() == {}

    def test_an_approval_is_told_to_the_person_and_the_agents_owner(self, gatehouse: World, approvers: User) -> None:
        request = bob_asks(gatehouse)
        sent()
        approve(request, approvers)
        mails = sent()
        assert set(mails) == {"bob@example.com", "charlie@example.com"}
        assert "olga approved mcp:read, until" in mails["bob@example.com"].body
        assert "olga wrote: For the audit." in mails["bob@example.com"].body

    def test_a_denial_is_told_with_its_reason(self, gatehouse: World, approvers: User) -> None:
        request = bob_asks(gatehouse)
        sent()
        voting.deny(request, by=approvers, comment="No need.", now=datetime.now(UTC))
        assert "olga wrote: No need." in sent()["bob@example.com"].body

    def test_a_refused_decision_notifies_no_one(self, gatehouse: World) -> None:
        request = bob_asks(gatehouse)
        sent()
        with pytest.raises(NotDecided):
            approve(request, world.person("bob"))
        assert sent() == {}

    def test_an_approval_that_was_ended_is_told(self, gatehouse: World, approvers: User) -> None:
        request = bob_asks(gatehouse)
        approve(request, approvers)
        sent()
        voting.cancel(request, by=approvers, now=datetime.now(UTC))
        assert "olga ended the approval" in sent()["bob@example.com"].body

    def test_a_withdrawn_request_notifies_no_one(self, gatehouse: World) -> None:
        request = bob_asks(gatehouse)
        sent()
        assert voting.cancel(request, by=world.person("bob"), now=datetime.now(UTC))
        assert sent() == {}

    def test_an_agents_name_brings_no_link_into_a_mail(self, gatehouse: World) -> None:
        Client.objects.filter(client_id="desktop-app").update(name="Sign in at https://evil.example/approve")
        bob_asks(gatehouse)
        message = sent()["olga@example.com"]
        assert "evil.example" not in message.subject + message.body

    def test_who_asks_for_one_thing_after_the_other_does_not_fill_mail_boxes(
        self, gatehouse: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(notices, "MOST_AN_HOUR", 1)
        gatehouse.sign_in("bob")
        gatehouse.ask(scope="mcp:read")
        assert "No one. Send one of them the reference" in asked_page(gatehouse, scope="mcp:write")
        assert AccessRequest.objects.count() == 2
        assert Notification.objects.count() == 2, "one for each approver"


class TestAnEndThatIsNear:
    def test_it_is_told_once_before_it_ends(self, gatehouse: World, approvers: User) -> None:
        request = bob_asks(gatehouse)
        approve(request, approvers, timedelta(days=10))
        sent()
        reminders.run()
        assert sent() == {}
        self.ends_in(request, 23 * HOUR)
        reminders.run()
        reminders.run()
        assert "ends by itself" in sent()["bob@example.com"].body
        assert sent() == {}

    def test_an_hour_needs_no_reminder(self, gatehouse: World, approvers: User) -> None:
        request = bob_asks(gatehouse)
        approve(request, approvers, HOUR)
        request.refresh_from_db()
        assert request.remind is None

    def test_what_has_ended_meanwhile_is_not_said_to_end_soon(self, gatehouse: World, approvers: User) -> None:
        request = bob_asks(gatehouse)
        approve(request, approvers, timedelta(days=10))
        sent()
        self.ends_in(request, -HOUR)
        reminders.run()
        assert sent() == {}

    def ends_in(self, request: AccessRequest, delay: timedelta) -> None:
        """As if so much of its time had passed."""
        request.refresh_from_db()
        assert request.expires is not None
        assert request.remind is not None
        passed = request.expires - datetime.now(UTC) - delay
        AccessRequest.objects.update(expires=request.expires - passed, remind=request.remind - passed)


@pytest.mark.django_db(transaction=True)
def test_two_nodes_tell_of_an_end_once(gatehouse: World, approvers: User) -> None:
    request = bob_asks(gatehouse)
    approve(request, approvers, timedelta(days=10))
    AccessRequest.objects.update(remind=datetime.now(UTC))
    at_once([reminders.run] * 4)
    assert Notification.objects.filter(kind="access_request.ends_soon", recipient__username="bob").count() == 1


class TestThePageThatWaits:
    def test_it_says_who_was_told_and_whether_it_has_left(self, gatehouse: World) -> None:
        gatehouse.sign_in("bob")
        assert "on its way" in asked_page(gatehouse)
        delivery.run()
        after = page(gatehouse)
        assert "on its way" not in after
        assert "Told by mail" in after
        assert "olga" in after

    @override_settings(EMAIL_BACKEND="django.core.mail.backends.dummy.EmailBackend")
    def test_without_a_mail_server_it_says_that_no_mail_was_sent(self, gatehouse: World) -> None:
        gatehouse.sign_in("bob")
        assert "No one. Send one of them the reference" in asked_page(gatehouse)

    def test_a_reason_is_kept_and_told_once(self, gatehouse: World) -> None:
        request = bob_asks(gatehouse)
        sent()
        url = gatehouse.authorize_url()
        answer = gatehouse.press(url, reason="I write\r\nthe <b>report</b>.")
        assert answer["Location"] == url
        assert "I write the &lt;b&gt;report&lt;/b&gt;." in page(gatehouse)
        assert "I write the <b>report</b>." in sent()["olga@example.com"].body
        gatehouse.press(url, reason="And it is urgent.")
        assert sent() == {}
        request.refresh_from_db()
        assert request.reason == "And it is urgent."
        assert AuditEvent.objects.filter(event="policy:access_request:explained").count() == 2

    def test_a_reason_needs_the_pages_own_token(self, gatehouse: World) -> None:
        bob_asks(gatehouse)
        browser = Browser(enforce_csrf_checks=True)
        browser.cookies = gatehouse.browser.cookies
        assert browser.post(gatehouse.authorize_url(), {"reason": "Because."}).status_code == 403
        assert AccessRequest.objects.get().reason == ""

    def test_a_person_cannot_give_a_reason_for_another(self, gatehouse: World) -> None:
        request = bob_asks(gatehouse)
        alice = world.person("alice")
        assert not access_requests.add_justification(request, by=alice, reason="I say so.", now=datetime.now(UTC))

    def test_a_machines_reason_comes_from_its_owner(self, gatehouse: World) -> None:
        rule = {"clients": ["*"], "grant_types": ["*"], "resources": [NOTES], "scopes": ["*"]}
        Rule.objects.create(name="Machines, too", effect="require_approval", definition=rule)
        gatehouse.token(basic=("nightly-report", SECRET), grant_type="client_credentials")
        request = AccessRequest.objects.get()
        gatehouse.sign_in("alice")
        address = f"/account/requests/{request.pk}"
        assert b"Why is it needed?" in gatehouse.browser.get(address).content
        assert gatehouse.browser.post(address, {"reason": "The nightly report."}).status_code == 302
        request.refresh_from_db()
        assert request.reason == "The nightly report."


class TestWhoHasNoRoleInTheConsole:
    def test_an_approver_who_is_named_decides_on_a_page_of_their_own(self, gatehouse: World, approvers: User) -> None:
        request = bob_asks(gatehouse)
        browser = Browser()
        browser.force_login(approvers, backend="authz.sign_in.password_backend.PasswordBackend")
        decide = f"/account/requests/{request.pk}/decide"
        assert decide in browser.get("/account/requests/").content.decode()
        assert browser.get(f"/account/requests/{request.pk}")["Location"] == decide
        assert b"Who decides" in browser.get(decide).content
        answer = world.submit(
            browser, decide, {"scopes": ["mcp:read"], "lasts": "1h", "comment": "", "decision": "approve"}
        )
        assert answer.status_code == 302
        request.refresh_from_db()
        assert (request.status, request.decided_by) == ("approved", approvers)

    @pytest.mark.parametrize("username", ["bob", "charlie"])
    def test_the_requester_the_owner_and_other_people_do_not(self, gatehouse: World, username: str) -> None:
        request = bob_asks(gatehouse)
        gatehouse.sign_in(username)
        decide = f"/account/requests/{request.pk}/decide"
        assert gatehouse.browser.get(decide).status_code == 404
        given = {"scopes": ["mcp:read"], "lasts": "1h", "decision": "approve"}
        assert gatehouse.browser.post(decide, given).status_code == 404
        request.refresh_from_db()
        assert request.status == "open"
        assert decide not in gatehouse.browser.get("/account/requests/").content.decode()

    def test_what_was_decided_in_like_cases_is_shown(self, gatehouse: World, approvers: User) -> None:
        voting.deny(bob_asks(gatehouse), by=approvers, comment="Too much.", now=datetime.now(UTC))
        gatehouse.ask(scope="mcp:write")
        request = AccessRequest.objects.get(status="open")
        browser = Browser()
        browser.force_login(approvers, backend="authz.sign_in.password_backend.PasswordBackend")
        assert "Too much." in browser.get(f"/account/requests/{request.pk}/decide").content.decode()


class TestAnUnapprovedAgent:
    @pytest.fixture(autouse=True)
    def _pending(self, gatehouse: World) -> None:
        Client.objects.filter(client_id="desktop-app").update(status=Client.Status.PENDING)

    def test_an_unknown_client_learns_no_names_and_notifies_no_one(self, gatehouse: World) -> None:
        shown = page(gatehouse)
        assert "alice" not in shown
        assert "/accounts/login/?next=/o/authorize" in shown
        assert not Notification.objects.exists()

    def test_a_person_who_is_signed_in_lets_them_be_told_once(self, gatehouse: World) -> None:
        gatehouse.sign_in("bob")
        assert "alice@example.com" in page(gatehouse)
        assert not Notification.objects.exists()
        for _ in range(2):
            shown = asked_page(gatehouse)
        assert "on its way" in shown
        mails = sent()
        assert set(mails) == {"alice@example.com"}
        assert "bob wants to use an agent that isn't approved yet" in mails["alice@example.com"].body

    def test_made_up_agents_do_not_fill_mail_boxes(self, gatehouse: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(notices, "MOST_AN_HOUR", 1)
        Client.objects.filter(client_id="web-app").update(status=Client.Status.PENDING)
        gatehouse.sign_in("bob")
        gatehouse.ask()
        assert "No one. Send one of them the reference" in asked_page(gatehouse, client_id="web-app")
        assert Notification.objects.count() == 1


class TestSystems:
    def test_a_webhook_tells_who_asks_for_what(self, gatehouse: World, receiver: Receiver, approvers: User) -> None:
        request = bob_asks(gatehouse)
        approve(request, approvers)
        delivery.run()
        opened, approved = sorted(receiver.deliveries(), key=lambda found: str(found["body"]["timestamp"]))
        assert opened["body"]["type"] == "access_request.opened"
        assert opened["body"]["data"] == {
            "url": f"http://127.0.0.1:8000/account/requests/{request.pk}",
            "access_request": str(request.pk),
            "client_id": "desktop-app",
            "subject": str(world.person("bob").subject),
            "resource": NOTES,
            "scopes": ["mcp:read"],
            "rules": ["Ask a human first"],
            "approved_scopes": [],
            "expires": None,
        }
        assert approved["body"]["type"] == "access_request.approved"
        assert approved["body"]["data"]["approved_scopes"] == ["mcp:read"]

    def test_an_endpoint_is_configured_by_a_file_and_exported_without_its_secret(self, gatehouse: World) -> None:
        text = """
        webhooks:
          - name: Chat
            url: https://chat.example/gatehouse
            events: [access_request.opened]
            secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
        """
        (change,) = apply(text)
        assert change.after["secret"] == "(hidden)"
        assert apply(text) == []
        assert "MfKQ9r8" not in export()
        assert "https://chat.example/gatehouse" in export()
        without = text.replace("secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "enabled: false")
        apply(without)
        row = WebhookEndpoint.objects.get()
        assert not row.enabled
        assert row.secret, "left out, it stays"

    @pytest.mark.parametrize(
        "item",
        [
            "{name: a, url: 'http://chat.example/', secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}",
            "{name: a, url: 'https://user@chat.example/', secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}",
            "{name: a, url: 'file:///etc/passwd', secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}",
            "{name: a, url: 'https://chat.example/', secret: short}",
            "{name: a, url: 'https://chat.example/'}",
            "{name: a, url: 'https://chat.example/', events: ['<b>'], secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}",
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, gatehouse: World, item: str) -> None:
        with pytest.raises(ConfigurationError):
            apply(f"webhooks:\n  - {item}")
        assert not WebhookEndpoint.objects.exists()

    @pytest.mark.parametrize("approvers_key", ["{}", "{groups: ['*']}", "{owner: true, count: 2}", "{boss: x}"])
    def test_approvers_that_cannot_be_meant_are_refused(self, gatehouse: World, approvers_key: str) -> None:
        with pytest.raises(ConfigurationError, match="approvers"):
            apply(f"resources:\n  - {{identifier: '{NOTES}', approvers: {approvers_key}}}")
