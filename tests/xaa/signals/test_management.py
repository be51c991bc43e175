"""Streams at the transmitter: made, verified, updated and deleted from here; what it says of them; files and pages."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.urls import reverse

from authz.configuration import ConfigurationError, apply, export
from authz.models import AuditEvent
from tests.cimd.test_console import browser
from tests.support.world import person
from tests.xaa.company import IDP
from tests.xaa.signals.there import TOKEN, There, there
from tests.xaa.signals.transmitter import Transmitter, configure
from xaa.models import ReceivedSignal, SignalSource, SignalSourceState, SignalSourceToken, TrustedIssuer
from xaa.signals.event_types import EventType
from xaa.signals.receiving import doctor, keys, state, transmitter, upkeep

__all__ = ["there"]
STREAM = "f67e39a0a4d34d56b3aa1bc4cff0069f"
DISABLED = EventType.ACCOUNT_DISABLED
ABOUT_IT = {"format": "opaque", "id": STREAM}


@pytest.fixture
def ours(okta: Transmitter, there: There) -> Transmitter:
    okta.source = configure(token=TOKEN)
    return okta


def signals(*arguments: str) -> str:
    output = StringIO()
    call_command("signals", *arguments, stdout=output)
    return output.getvalue()


def row() -> SignalSourceState:
    return SignalSourceState.objects.get()


def test_a_stream_is_made_verified_and_deleted(ours: Transmitter, there: There) -> None:
    assert STREAM in signals("create", "Okta")
    stream = there.stream
    assert stream is not None
    assert stream["delivery"]["endpoint_url"] == state.address()
    assert EventType.SESSION_REVOKED in stream["events_requested"]
    assert row().critical == ["user"]
    ours.token = stream["delivery"]["authorization_header"].removeprefix("Bearer ")
    # The aud that it said counts now, and the one of before does not.
    ours.send(DISABLED, aud="https://receiver.example.com/web")
    assert ours.push(ours.set(DISABLED)).body["err"] == "invalid_audience"

    signals("verify", "Okta")
    said = there.verified[0]
    verification = {"aud": "https://receiver.example.com/web"}
    wrong = ours.push(ours.set(EventType.VERIFICATION, ABOUT_IT, {"state": "other"}, **verification))
    assert wrong.body["err"] == "invalid_state"
    ours.send(EventType.VERIFICATION, ABOUT_IT, {"state": said["state"]}, **verification)
    assert row().verified is not None
    assert row().failure == ""

    signals("update", "Okta", "--new-token")
    assert ours.push(ours.set(DISABLED)).body["err"] == "authentication_failed"
    assert there.stream is not None
    assert signals("status", "Okta", "paused") == "paused\n"
    assert row().status == "paused"
    assert signals("status", "Okta") == "paused\n"
    signals("delete", "Okta")
    assert there.stream is None
    assert row().stream_id == ""
    made = (
        AuditEvent.objects.filter(event="signal:source:managed").order_by("pk").values_list("detail__what", flat=True)
    )
    assert list(made) == ["created", "updated", "status paused", "deleted"]


def test_a_stream_to_poll(ours: Transmitter, there: There) -> None:
    configure(delivery="poll")
    signals("create", "Okta")
    assert row().poll_url == f"{IDP}/ssf/poll"
    assert there.stream is not None
    assert there.stream["delivery"] == {"method": "urn:ietf:rfc:8936", "endpoint_url": f"{IDP}/ssf/poll"}


def test_one_that_it_has_already_is_taken_over(ours: Transmitter, there: There) -> None:
    signals("create", "Okta")
    SignalSourceState.objects.update(stream_id="")
    assert STREAM in signals("create", "Okta")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"iss": "https://other-idp.example"}, "another issuer"),
        ({"aud": None}, "aud"),
        ({"aud": 7}, "aud"),
        ({"stream_id": ""}, "no id"),
        ({"delivery": {"method": "urn:ietf:rfc:8936"}}, "another way"),
    ],
)
def test_an_answer_that_is_not_believed(ours: Transmitter, there: There, changes: dict[str, Any], words: str) -> None:
    there.changes = changes
    good = SignalSourceToken.objects.filter(withdrawn=None).count()
    with pytest.raises(CommandError, match=words):
        signals("create", "Okta")
    assert SignalSourceToken.objects.filter(withdrawn=None).count() == good, "the token that it was given is of no use"
    assert not SignalSourceState.objects.exclude(stream_id="").exists()


def test_an_audience_that_is_not_ours(ours: Transmitter, there: There) -> None:
    configure(audience=["us"])
    with pytest.raises(CommandError, match="not as expected"):
        signals("create", "Okta")


def test_a_document_of_another_issuer(ours: Transmitter, there: There) -> None:
    there.document["issuer"] = "https://other-idp.example"
    with pytest.raises(CommandError, match="another issuer"):
        signals("create", "Okta")


def test_where_the_document_is() -> None:
    assert transmitter.metadata_addresses("https://tr.example.com/issuer1/") == (
        "https://tr.example.com/.well-known/ssf-configuration/issuer1",
        "https://tr.example.com/.well-known/risc-configuration/issuer1",
    )


def test_a_token_that_is_refused_there(ours: Transmitter, there: There) -> None:
    configure(token="another")
    with pytest.raises(CommandError, match="401"):
        signals("create", "Okta")


class TestStreamEvents:
    def test_a_status_is_kept_and_doctor_tells(self, ours: Transmitter) -> None:
        ours.send(EventType.STREAM_UPDATED, ABOUT_IT, {"status": "paused", "reason": "Internal error"})
        assert (row().status, row().status_reason) == ("paused", "Internal error")
        assert any("has paused the stream (Internal error)" in one.says for one in doctor.sources())
        ours.send(EventType.STREAM_UPDATED, ABOUT_IT, {"status": "enabled"})
        assert row().status == "enabled"
        assert AuditEvent.objects.filter(event="signal:source:status_changed").count() == 2

    def test_an_older_one_changes_nothing(self, ours: Transmitter) -> None:
        now = int(datetime.now(UTC).timestamp())
        ours.send(EventType.STREAM_UPDATED, ABOUT_IT, {"status": "enabled"}, iat=now)
        ours.send(EventType.STREAM_UPDATED, ABOUT_IT, {"status": "disabled"}, iat=now - 60)
        assert row().status == "enabled"

    def test_one_that_it_sends_of_itself(self, ours: Transmitter) -> None:
        ours.send(EventType.VERIFICATION, ABOUT_IT)
        assert row().verified is not None

    def test_of_another_stream(self, ours: Transmitter) -> None:
        signals("create", "Okta")
        aud = {"aud": "https://receiver.example.com/web"}
        for subject in ({"format": "opaque", "id": "another"}, {"format": "email", "email": "bob@example.com"}):
            found = ours.push(ours.set(EventType.VERIFICATION, subject, **aud))
            assert found.body["err"] == "invalid_request"


class TestUpkeep:
    def test_a_silent_stream_is_asked_once_a_day(self, ours: Transmitter, there: There) -> None:
        signals("create", "Okta")
        upkeep.run()
        upkeep.run()
        assert len(there.verified) == 1
        SignalSourceState.objects.update(asked=datetime.now(UTC) - timedelta(days=2), last=datetime.now(UTC))
        upkeep.run()
        assert len(there.verified) == 1

    def test_old_events_go_and_those_that_wait_stay(self, ours: Transmitter) -> None:
        ours.send(DISABLED)
        ours.send(DISABLED)
        first = ReceivedSignal.objects.order_by("pk")[:1].values("pk")
        ReceivedSignal.objects.update(received=datetime.now(UTC) - timedelta(days=31))
        ReceivedSignal.objects.filter(pk__in=list(first.values_list("pk", flat=True))).update(outcome="waiting")
        upkeep.run()
        assert ReceivedSignal.objects.get().outcome == "waiting"


class TestConfiguration:
    def test_it_is_exported_as_it_was_applied(self, okta: Transmitter) -> None:
        configure(token=TOKEN, actions={"session-revoked": "end"}, audience=["us"], limit=5)
        (found,) = yaml.safe_load(export())["signal_sources"]
        assert found["actions"] == {"session-revoked": "end"}
        assert TOKEN not in export()
        assert apply(export(), dry_run=True) == []
        assert keys.opened(SignalSource.objects.get()) == TOKEN
        configure(limit=6)
        assert keys.opened(SignalSource.objects.get()) == TOKEN, "one that is not named stays"

    @pytest.mark.parametrize(
        ("item", "problem"),
        [
            ("{name: x}", "issuer"),
            ("{name: x, issuer: 'https://nowhere.example'}", "nowhere"),
            (f"{{name: x, issuer: '{IDP}', jwks_uri: 'http://169.254.169.254/'}}", "not a URL that this server calls"),
            (f"{{name: x, issuer: '{IDP}', poll_url: 'https://idp.example/poll'}}", "no use with push"),
            (f"{{name: x, issuer: '{IDP}', delivery: poll, poll_url: 'file:///etc/passwd'}}", "not a URL that"),
            (f"{{name: x, issuer: '{IDP}', actions: {{account-disabled: nothing}}}}", "is none of"),
            (f"{{name: x, issuer: '{IDP}', actions: {{account-enabled: end}}}}", "is none of"),
            (f"{{name: x, issuer: '{IDP}', limit: 0}}", "limit"),
        ],
    )
    def test_what_is_refused(self, okta: Transmitter, item: str, problem: str) -> None:
        with pytest.raises(ConfigurationError, match=problem):
            apply(f"signal_sources: [{item}]")


class TestCommand:
    def test_tokens_events_and_what_is_held(self, okta: Transmitter) -> None:
        made = signals("token", "Okta", "--days", "3")
        okta.token = next(line.split()[1] for line in made.splitlines() if line.startswith("token"))
        signals("hold", "Okta", "--by", "alice")
        okta.send(DISABLED)
        (one,) = json.loads(signals("list", "--json"))
        assert (one["waiting"], one["held_because"], len(one["tokens"])) == (1, "By alice.", 2)
        assert "held" in signals("list")
        assert signals("release", "Okta") == "Released. Events that waited: 1.\n"
        assert not person("bob").is_active
        assert "account-disabled" in signals("events", "Okta")
        assert json.loads(signals("events", "Okta", "--json"))[0]["outcome"] == "acted"
        assert signals("undo", "Okta").startswith("Events undone: 1.")
        assert person("bob").is_active
        assert signals("discard", "Okta") == "Dropped: 0.\n"
        assert signals("withdraw", "Okta", "--all") == "Withdrawn: 2.\n"

    @pytest.mark.parametrize("arguments", [("token", "None"), ("token", "Okta", "--days", "0"), ("create", "Okta")])
    def test_what_is_refused(self, okta: Transmitter, there: There, arguments: tuple[str, ...]) -> None:
        with pytest.raises(CommandError):
            signals(*arguments)


class TestConsole:
    def page(self) -> str:
        return reverse("admin:xaa_signalsource_signals", args=[SignalSource.objects.get().pk])

    def test_its_pages(self, okta: Transmitter) -> None:
        okta.send(DISABLED)
        alice = browser("alice", "administrator")
        text = alice.get(self.page()).content.decode()
        assert "account-disabled" in text
        assert ">Undo<" in text
        change = reverse("admin:xaa_signalsource_change", args=[okta.source.pk])
        assert state.address() in alice.get(change).content.decode()
        assert alice.get(reverse("admin:xaa_signalsource_changelist")).status_code == 200
        issuer = reverse("admin:xaa_trustedissuer_change", args=[okta.source.issuer.pk])
        assert self.page() in alice.get(issuer).content.decode()

    def test_a_source_is_added_and_changed(self, okta: Transmitter) -> None:
        alice = browser("alice", "administrator")
        form = {"name": "Second", "issuer": TrustedIssuer.objects.get(issuer=IDP).pk, "delivery": "push", "limit": 7}
        form |= {"enabled": "on", "our_token": TOKEN, "actions": "session-revoked:end"}
        added: Any = alice.post(reverse("admin:xaa_signalsource_add"), form)
        assert added.status_code == 302, added.context["errors"]
        found = SignalSource.objects.get(name="Second")
        assert (found.limit, found.actions, keys.opened(found)) == (7, {"session-revoked": "end"}, TOKEN)
        change = reverse("admin:xaa_signalsource_change", args=[found.pk])
        assert "session-revoked:end" in alice.get(change).content.decode()
        alice.post(change, form | {"limit": 8, "our_token": ""})
        found.refresh_from_db()
        assert (found.limit, keys.opened(found)) == (8, TOKEN)
        answer: Any = alice.post(change, form | {"actions": "session-revoked:explode"})
        assert b"explode is none of" in answer.content

    def test_its_buttons(self, okta: Transmitter) -> None:
        alice = browser("alice", "administrator")
        made: Any = alice.post(self.page(), {"act": "token"})
        okta.token = made.context["made"]
        alice.post(self.page(), {"act": "hold"})
        okta.send(DISABLED)
        assert person("bob").is_active
        assert b"Held since" in alice.get(self.page()).content
        assert b"is held" in alice.get(reverse("admin:index")).content
        alice.post(self.page(), {"act": "release"})
        assert not person("bob").is_active
        alice.post(self.page(), {"act": "undo", "which": str(ReceivedSignal.objects.get().pk)})
        assert person("bob").is_active
        for act in ("undo", "undo_day", "discard", "withdraw", "verify", "status", "delete", "nonsense"):
            assert alice.post(self.page(), {"act": act, "which": "1"}).status_code == 302

    def test_who_may_not(self, okta: Transmitter) -> None:
        approver = browser("charlie", "approver")
        assert approver.get(self.page()).status_code == 200
        assert approver.post(self.page(), {"act": "token"}).status_code == 403


class TestDoctor:
    def problems(self) -> list[str]:
        return [one.says for one in doctor.sources()]

    def test_one_that_is_well(self, okta: Transmitter) -> None:
        SignalSourceToken.objects.update(expires=datetime.now(UTC) + timedelta(days=90))
        okta.send(DISABLED)
        assert self.problems() == []

    def test_what_is_wrong(self, okta: Transmitter) -> None:
        assert "expires on" in self.problems()[0]
        SignalSourceToken.objects.all().delete()
        assert "no token" in self.problems()[0]
        configure(delivery="poll")
        assert "no address to poll" in self.problems()[0]
        long_ago = datetime.now(UTC) - timedelta(days=9)
        SignalSourceState.objects.update_or_create(
            source=okta.source,
            defaults={"stream_id": "1", "last": long_ago, "failed": datetime.now(UTC), "held": long_ago},
        )
        assert len(self.problems()) == 4


class TestApi:
    def test_sources_events_and_acts(self, okta: Transmitter) -> None:
        alice = browser("alice", "administrator")

        def post(path: str, body: dict[str, Any]) -> Any:
            return alice.post(f"/api/v1/{path}", json.dumps(body), content_type="application/json")

        assert post("signals/sources/Okta", {"act": "hold"}).json() == {"act": "hold", "events": 1}
        okta.send(DISABLED)
        (one,) = alice.get("/api/v1/signals/sources").json()["items"]
        assert (one["name"], one["waiting"]) == ("Okta", 1)
        assert post("signals/sources/Okta", {"act": "release"}).json()["events"] == 1
        (event,) = alice.get("/api/v1/signals?username=bob&outcome=acted").json()["items"]
        assert event["event_type"] == DISABLED
        assert post(f"signals/{event['id']}/undo", {}).json() == {"given_back": "the account"}
        assert post(f"signals/{event['id']}/undo", {}).status_code == 409
        assert person("bob").is_active
        for path, body, status in (
            ("signals/nothing/undo", {}, 404),
            ("signals/sources/None", {"act": "hold"}, 404),
            ("signals/sources/Okta", {"act": "explode"}, 422),
            ("signals/sources/Okta", {"act": "undo", "hours": 0}, 422),
        ):
            assert post(path, body).status_code == status, path
