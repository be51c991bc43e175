"""What operators see: metrics, probes, correlation ids, logs."""

import json
import logging
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.mail import EmailMessage
from django.db import connection
from django.db.models import QuerySet
from django.test import Client as Browser
from prometheus_client.parser import text_string_to_metric_families

from authz import audit
from authz.limits import refusal_sampling
from authz.models import AuditEvent, PeriodicTask, SigningKey
from authz.notifications import logged_mail
from authz.operations import logs, readiness
from authz.protocol.trace_context import TraceParent, parse
from authz.telemetry import metrics
from tests.support.world import SECRET, World

TOKEN = "a metrics token for tests, long enough"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture(autouse=True)
def _fresh() -> None:
    readiness.forget()
    for metric in metrics.ALL.values():
        metric.cells.clear()


@pytest.fixture
def shown(settings: Any) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"METRICS_TOKEN": TOKEN}


def refusals_recorded() -> QuerySet[AuditEvent]:
    return AuditEvent.objects.filter(event="token:access:refused").order_by("id")


def scrape(browser: Browser) -> dict[tuple[str, ...], float]:
    answer = browser.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


class TestTraceParent:
    def test_a_good_one_is_read(self) -> None:
        assert parse(f"00-{TRACE}-{PARENT}-01") == TraceParent(TRACE, PARENT, True)
        assert parse(f"00-{TRACE}-{PARENT}-00") == TraceParent(TRACE, PARENT, False)

    def test_a_later_version_may_say_more(self) -> None:
        assert parse(f"cc-{TRACE}-{PARENT}-01-what-comes-later") is not None

    @pytest.mark.parametrize(
        "header",
        [
            "",
            TRACE,
            f"00-{TRACE}-{PARENT}",
            f"00-{TRACE.upper()}-{PARENT}-01",
            f"ff-{TRACE}-{PARENT}-01",
            f"00-{TRACE}-{PARENT}-01-more",
            f"00-{'0' * 32}-{PARENT}-01",
            f"00-{TRACE}-{'0' * 16}-01",
            f"00-{TRACE[:-1]}-{PARENT}-01",
            f"00-{TRACE}-{PARENT}-01,00-{TRACE}-{PARENT}-01",
            f"00-{TRACE}-{PARENT}-01\n",
        ],
    )
    def test_what_is_not_well_formed_was_never_sent(self, header: str) -> None:
        assert parse(header) is None


class TestCorrelation:
    def test_a_request_is_known_by_its_trace_in_the_answer_and_the_audit(self, gatehouse: World) -> None:
        answer = gatehouse.post("token", "grant_type=client_credentials", traceparent=f"00-{TRACE}-{PARENT}-01")
        assert answer["X-Request-Id"] == TRACE
        assert refusals_recorded().get().request_id == TRACE

    def test_a_malformed_trace_gets_a_new_one(self, gatehouse: World) -> None:
        answer = gatehouse.post("token", "grant_type=client_credentials", traceparent=f"00-{'0' * 32}-{PARENT}-01")
        assert re.fullmatch("[0-9a-f]{32}", answer["X-Request-Id"])
        assert answer["X-Request-Id"] != "0" * 32

    def test_a_page_has_one_too(self, gatehouse: World) -> None:
        page = gatehouse.browser.get("/accounts/login/", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
        assert page["X-Request-Id"] == TRACE


class TestMetrics:
    def test_there_are_none_without_a_token(self, gatehouse: World) -> None:
        assert gatehouse.browser.get("/metrics").status_code == 404
        assert gatehouse.browser.get("/metrics", headers={"authorization": "Bearer "}).status_code == 404

    @pytest.mark.usefixtures("shown")
    @pytest.mark.parametrize("header", ["", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer é"])
    def test_a_request_without_the_token_sees_no_metrics(self, gatehouse: World, header: str) -> None:
        answer = gatehouse.browser.get("/metrics", headers={"authorization": header})
        assert answer.status_code == 401
        assert b"gatehouse" not in answer.content

    @pytest.mark.usefixtures("shown")
    def test_tokens_are_counted_by_grant_and_result(self, gatehouse: World) -> None:
        gatehouse.machine_token()
        gatehouse.machine_token()
        gatehouse.token(basic=("nightly-report", "wrong" * 10), grant_type="client_credentials")
        gatehouse.token(basic=("nightly-report", SECRET), grant_type="made-up-by-a-stranger")
        seen = scrape(gatehouse.browser)
        assert seen["gatehouse_token_requests_total", "client_credentials", "issued"] == 2
        assert seen["gatehouse_token_requests_total", "client_credentials", "invalid_client"] == 1
        assert seen["gatehouse_token_requests_total", "other", "unsupported_grant_type"] == 1
        assert seen["gatehouse_refusals_total", "token:access:refused", "client_secret_wrong"] == 1
        assert seen["gatehouse_responses_total", "token", "200"] == 2
        assert seen["gatehouse_response_seconds_count", "token"] == 4
        assert seen["gatehouse_response_seconds_bucket", "token", "+Inf"] == 4
        assert seen["gatehouse_policy_seconds_count",] == 2

    @pytest.mark.usefixtures("shown")
    def test_no_label_comes_from_a_request(self, gatehouse: World) -> None:
        gatehouse.token(grant_type="evil-label", client_id="evil-label")
        gatehouse.browser.get("/evil-label")
        gatehouse.browser.get("/o/authorize?client_id=evil-label")
        answer = gatehouse.browser.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
        assert b"evil-label" not in answer.content

    @pytest.mark.usefixtures("shown")
    def test_periodic_tasks_show_their_age_and_their_lag(
        self, gatehouse: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from authz.operations import housekeeping

        PeriodicTask.objects.create(name="authz.operations.housekeeping", succeeded=1234.0, failures=3)
        lag = {"gatehouse_lag_of_a_task": ("How far behind it is.", 7.0)}
        monkeypatch.setattr(housekeeping, "measures", lambda: lag, raising=False)
        seen = scrape(gatehouse.browser)
        assert seen["gatehouse_periodic_succeeded_timestamp_seconds", "authz.operations.housekeeping"] == 1234
        assert seen["gatehouse_periodic_failures", "authz.operations.housekeeping"] == 3
        assert seen["gatehouse_lag_of_a_task",] == 7
        assert seen["gatehouse_database_size_bytes",] > 0

    @pytest.mark.usefixtures("shown")
    def test_the_processes_are_added_up(self, gatehouse: World, tmp_path: Path, settings: Any) -> None:
        settings.GATEHOUSE = settings.GATEHOUSE | {"RUN_DIRECTORY": str(tmp_path)}
        gatehouse.machine_token()
        metrics.publish()
        mine = next(tmp_path.glob("metrics-*.json"))
        mine.rename(tmp_path / "metrics-1.json")
        seen = scrape(gatehouse.browser)
        assert seen["gatehouse_token_requests_total", "client_credentials", "issued"] == 2
        assert seen["gatehouse_response_seconds_count", "token"] == 2

    @pytest.mark.usefixtures("shown")
    def test_of_processes_that_saw_different_things_the_last_one_is_right(
        self, gatehouse: World, tmp_path: Path, settings: Any
    ) -> None:
        settings.GATEHOUSE = settings.GATEHOUSE | {"RUN_DIRECTORY": str(tmp_path)}
        metrics.KEYS_FAILURES.set(3, "https://idp.example/jwks")
        metrics.publish()
        mine = next(tmp_path.glob("metrics-*.json"))
        mine.rename(tmp_path / "metrics-1.json")  # a worker that has ended since
        metrics.KEYS_FAILURES.set(0, "https://idp.example/jwks")
        assert scrape(gatehouse.browser)["gatehouse_jwks_failures", "https://idp.example/jwks"] == 0

    def test_counting_a_token_costs_little(self) -> None:
        def count() -> None:
            metrics.TOKENS.add("client_credentials", "issued")
            metrics.POLICY_SECONDS.observe(0.00004)
            metrics.answered("token", 200, 0.0012)

        began, many = time.process_time(), 20_000
        for _ in range(many):
            count()
        # 2 µs on the machine it was written on; five times as much room for a slower one.
        assert (time.process_time() - began) / many < 10e-6


@pytest.mark.django_db
class TestProbes:
    def test_alive_is_alive(self, client: Browser) -> None:
        answer = client.get("/healthz")
        assert (answer.status_code, answer.json()) == (200, {"status": "alive"})

    def test_ready_is_ready(self, gatehouse: World) -> None:
        answer = gatehouse.browser.get("/readyz")
        assert (answer.status_code, answer.json()) == (200, {"status": "ready"})
        assert not AuditEvent.objects.filter(event="readiness").exists()

    @pytest.mark.parametrize(
        ("break_it", "reason"),
        [
            ("DELETE FROM django_migrations WHERE app = 'authz' AND name = '0001_initial'", "migrations_missing"),
            ("UPDATE authz_signingkey SET retired = '2020-01-01' WHERE alg = 'ES256'", "signing_key_unusable"),
            ("ALTER TABLE authz_auditevent RENAME TO authz_auditevent_away", "audit_unwritable"),
            ("ALTER TABLE authz_generation RENAME TO authz_generation_away", "migrations_missing"),
        ],
    )
    def test_a_broken_part_makes_it_not_ready(self, gatehouse: World, break_it: str, reason: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(break_it)
        answer = gatehouse.browser.get("/readyz")
        assert answer.status_code == 503
        assert answer.json() == {"status": "not_ready", "reasons": [reason]}
        assert answer["Retry-After"]

    def test_a_key_that_this_secret_does_not_open_is_not_ready(self, gatehouse: World) -> None:
        key = SigningKey.objects.get(alg="RS256")
        SigningKey.objects.filter(pk=key.pk).update(encrypted=b"\0" * len(bytes(key.encrypted)))
        assert gatehouse.browser.get("/readyz").json()["reasons"] == ["signing_key_unusable"]

    def test_asking_often_asks_the_database_once(self, gatehouse: World, django_assert_max_num_queries: Any) -> None:
        gatehouse.browser.get("/readyz")
        with django_assert_max_num_queries(0):
            assert gatehouse.browser.get("/readyz").status_code == 200


class TestLogs:
    @staticmethod
    def record(message: str, *args: object) -> logging.LogRecord:
        return logging.LogRecord("authz.test", logging.WARNING, __file__, 1, message, args, None)

    def test_a_line_is_one_object_with_the_correlation_id(self) -> None:
        with audit.origin("192.0.2.7", TRACE, "token"):
            line = logs.JsonFormatter().format(self.record("first\nsecond %s", '"quoted"'))
        assert "\n" not in line
        said = json.loads(line)
        assert said["message"] == 'first\nsecond "quoted"'
        assert (said["request_id"], said["address"], said["level"]) == (TRACE, "192.0.2.7", "warning")

    def test_what_the_start_says_are_lines_of_the_log(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO, "authz.start"):
            logs.Lines().write("made RS256 a\n\nmade ES256 b\n")
        assert [record.getMessage() for record in caplog.records] == ["made RS256 a", "made ES256 b"]

    def test_a_mail_without_a_mail_server_is_one_object_with_its_links(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        link = "https://auth.example/accounts/password/reset/key/1-abc/"
        message = EmailMessage("Your password\u2028", f"password: {link}\n", "a@example.com", ["bob@example.com"])
        logged_mail.EmailBackend().send_messages([message])
        (line,) = [line for line in capsys.readouterr().out.splitlines() if "bob@" in line]
        said = json.loads(line)
        assert link in said["mail"]
        assert said["message"].startswith("mail to bob@example.com: Your password")

    def test_a_plain_line_has_it_too(self) -> None:
        formatter = logs.PlainFormatter("{request_id} {message}", style="{")
        with audit.origin("192.0.2.7", TRACE):
            assert formatter.format(self.record("said")) == f"{TRACE} said"

    def test_an_exceptions_text_is_scrubbed(self) -> None:
        try:
            raise ValueError("DETAIL: Failing row contains password=correct-horse-battery")
        except ValueError as error:
            record = self.record("failed")
            record.exc_info = (type(error), error, error.__traceback__)
        for formatter in (logs.JsonFormatter(), logs.PlainFormatter()):
            assert "correct-horse" not in formatter.format(record)

    @pytest.mark.parametrize(
        "secret",
        [
            "Authorization: Basic bmlnaHRseTpzZWNyZXQ=",
            "Bearer canary-canary-canary",
            "client_secret=canary-canary-canary&x=1",
            "{'code': 'canary-canary-canary'}",
            '{"refresh_token": "canary-canary-canary"}',
            "eyJhbGciOiJSUzI1NiJ9.canary-canary-canary.c2ln",
            "-----BEGIN EC PRIVATE KEY-----\ncanary\n-----END EC PRIVATE KEY-----",
            "postgres://user:canary-canary@127.0.0.1/db",
            '{"kty":"EC","d":"canary-canary-canary-canary"}',
        ],
    )
    def test_what_looks_like_a_secret_is_removed(self, secret: str) -> None:
        scrubbed = logs.scrub(f"before {secret} after")
        assert "canary" not in scrubbed
        assert "bmlnaHRseTpzZWNyZXQ" not in scrubbed
        assert scrubbed.startswith("before ")

    def test_what_operators_need_stays(self) -> None:
        line = "token:access:refused reason=client_secret_wrong status code: 503 for nightly-report at /o/token"
        assert logs.scrub(line) == line


class TestNoiseHidesNoRefusal:
    """Attack 32: one source of refusals hides what the others do."""

    @pytest.fixture(autouse=True)
    def _tight(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(refusal_sampling, "RATE", 0.0)
        monkeypatch.setattr(refusal_sampling, "SOURCE_RATE", 0.0)
        monkeypatch.setattr(refusal_sampling, "BURST", 10.0)
        monkeypatch.setattr(refusal_sampling, "SOURCE_BURST", 3.0)
        refusal_sampling.reset()

    @staticmethod
    def refused(world: World, address: str = "192.0.2.1", agent: str = "", times: int = 1) -> None:
        for _ in range(times):
            data = {"grant_type": "client_credentials", "client_id": "nobody"}
            if agent:
                data = {"grant_type": "refresh_token", "client_id": agent, "client_secret": SECRET}
            TestNoiseHidesNoRefusal.post(world, data, address)

    @staticmethod
    def post(world: World, data: dict[str, str], address: str) -> None:
        form = "application/x-www-form-urlencoded"
        answer: Any = world.browser.post("/o/token", urlencode(data), content_type=form, REMOTE_ADDR=address)
        assert answer.status_code in {400, 401}

    def test_a_noisy_address_spends_its_own_budget(self, gatehouse: World) -> None:
        self.refused(gatehouse, "192.0.2.1", times=20)
        self.refused(gatehouse, "192.0.2.2")
        recorded = list(refusals_recorded().values_list("address", flat=True))
        assert recorded == ["192.0.2.1"] * 3 + ["192.0.2.2"]

    def test_a_noisy_agent_drowns_no_other_at_the_same_address(self, gatehouse: World) -> None:
        self.refused(gatehouse, agent="posting-agent", times=20)
        self.refused(gatehouse)
        last = refusals_recorded().last()
        assert last is not None
        assert (last.client_id, last.detail["left_out"]) == ("nobody", 17)

    def test_many_unknown_clients_do_not_hide_an_authenticated_agents_refusals(self, gatehouse: World) -> None:
        for number in range(20):
            self.refused(gatehouse, f"192.0.2.{number}", times=2)
        self.refused(gatehouse, agent="posting-agent")
        assert refusals_recorded().filter(client_id="nobody").count() == 10
        assert refusals_recorded().filter(client_id="posting-agent").count() == 1

    def test_an_unauthenticated_claim_does_not_spend_an_agents_budget(self, gatehouse: World) -> None:
        for _ in range(20):
            data = {"grant_type": "client_credentials", "client_id": "posting-agent", "client_secret": "w" * 40}
            self.post(gatehouse, data, "192.0.2.1")
        self.refused(gatehouse, agent="posting-agent")
        assert AuditEvent.objects.filter(reason="grant_type_not_registered").count() == 1

    def test_an_ipv6_customer_is_one_source(self, gatehouse: World) -> None:
        for number in range(20):
            self.refused(gatehouse, f"2001:db8:1:2::{number:x}")
        assert refusals_recorded().count() == 3

    def test_the_count_is_recorded_when_the_noise_has_stopped(
        self, gatehouse: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.refused(gatehouse, "192.0.2.1", times=20)
        refusal_sampling.record_left_out()
        assert not AuditEvent.objects.filter(event="audit:refusals:left_out").exists()  # it may yet go with another
        monkeypatch.setattr(refusal_sampling, "REPORTED_AFTER", 0.0)
        refusal_sampling.record_left_out()
        refusal_sampling.record_left_out()
        told = AuditEvent.objects.get(event="audit:refusals:left_out").detail
        assert told["left_out"] == 17
        assert told["events"] == {"token:access:refused": 17}
        assert told["loudest"] == [{"network": "192.0.2.1", "client_id": "", "count": 17}]
