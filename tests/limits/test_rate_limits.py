"""A source with too many failures waits, and no other does."""

import json
import time
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse

from authz.limits import rate_limits
from authz.limits.addresses import network_of
from authz.models import AuditEvent
from authz.settings import RATE_LIMITS, env_rates
from authz.telemetry import metrics
from demo.processes import free_port
from tests.support.world import SECRET, World, basic_header, without_reference

WRONG = "wrong" * 10


@pytest.fixture
def limits(settings: Any) -> Any:
    def change(**rates: str) -> None:
        changed = {name.replace("__", ":"): rate for name, rate in rates.items()}
        settings.GATEHOUSE = settings.GATEHOUSE | {"RATE_LIMITS": dict.fromkeys(RATE_LIMITS, "none") | changed}

    return change


def ask(
    world: World, secret: str = SECRET, client: str = "nightly-report", address: str = "192.0.2.1", **more: str
) -> HttpResponse:
    answer: Any = world.browser.post(
        f"/o/{more.pop('endpoint', 'token')}",
        urlencode({"grant_type": "client_credentials", **more}),
        content_type="application/x-www-form-urlencoded",
        headers={"authorization": basic_header(client, secret)},
        REMOTE_ADDR=address,
    )
    return answer  # type: ignore[no-any-return]


def is_made_to_wait(answer: HttpResponse) -> bool:
    if answer.status_code != 429:
        return False
    assert json.loads(answer.content)["error"] == "temporarily_unavailable"
    assert 1 <= int(answer["Retry-After"]) <= 61
    assert answer["Cache-Control"] == "no-store"
    return True


class TestByDefault:
    def test_hundreds_of_wrong_requests_are_within_the_limit(self, gatehouse: World) -> None:
        for _ in range(200):
            assert ask(gatehouse, WRONG).status_code == 401
        assert ask(gatehouse).status_code == 200
        assert ask(gatehouse, client="notes-server", secret=WRONG).status_code == 401

    def test_what_is_right_is_not_limited(self) -> None:
        assert {name for name, rate in RATE_LIMITS.items() if rate != "none"} == {
            "refused:client",
            "refused:address",
            "sign_in:account",
            "sign_in:account_everywhere",
            "sign_in:address",
            "second_factor:account",
            "reset:account",  # each of them sends a mail
            "reset:address",
            "login:address",
            "scim:directory",  # one that sends in a loop
            "ssf:receiver",  # one that polls in a loop
            "par:address",  # each of them is a row for a while
            "signals:source",  # the same
            "mcp:asker",  # servers MUST rate limit tool invocations
            "mcp_ask:asker",  # each of them may send a mail
            "mcp_ask_audit:asker",  # each of them may hold a thread for minutes
        }

    def test_asking_costs_a_look(self, gatehouse: World) -> None:
        began, many = time.process_time(), 20_000
        for _ in range(many):
            rate_limits.admit("nightly-report")
            rate_limits.proven("nightly-report", is_confidential=True)
            rate_limits.served("nightly-report")
        assert (time.process_time() - began) / many < 20e-6  # 3 µs where it was written


def test_the_run_directory_was_removed(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"RUN_DIRECTORY": "/nowhere"}
    assert rate_limits._node.__wrapped__().incr("a", 60) == 1


class TestGuessing:
    """Attack 32: guesses at a secret, as many as the line carries."""

    def test_a_guesser_waits_and_a_right_guess_reveals_nothing(self, gatehouse: World, limits: Any) -> None:
        limits(refused__client="5/minute")
        for _ in range(6):
            assert ask(gatehouse, WRONG).status_code == 401
        answers = [ask(gatehouse, secret) for secret in (WRONG, SECRET)]
        assert all(is_made_to_wait(answer) for answer in answers)
        assert len({without_reference(answer) for answer in answers}) == 1

    def test_the_agent_itself_works_elsewhere_and_others_work_here(self, gatehouse: World, limits: Any) -> None:
        limits(refused__client="5/minute")
        for _ in range(10):
            ask(gatehouse, WRONG)
        assert ask(gatehouse, address="192.0.2.2").status_code == 200
        params = {"grant_type": "client_credentials", "client_id": "posting-agent", "client_secret": SECRET}
        assert gatehouse.token(**params).status_code == 200

    def test_introspection_and_revocation_count_too(self, gatehouse: World, limits: Any) -> None:
        limits(refused__client="4/minute")
        for endpoint in ("introspect", "revoke", "introspect", "revoke", "token"):
            assert ask(gatehouse, WRONG, endpoint=endpoint, token="x").status_code == 401
        for endpoint in ("introspect", "revoke", "token"):
            assert is_made_to_wait(ask(gatehouse, endpoint=endpoint, token="x"))

    def test_it_is_over_when_the_window_ends(self, gatehouse: World, limits: Any) -> None:
        limits(refused__client="1/second")
        for _ in range(3):
            ask(gatehouse, WRONG)
        time.sleep(1.1)
        assert ask(gatehouse).status_code == 200

    def test_waiting_is_not_counted_as_being_wrong(self, gatehouse: World, limits: Any) -> None:
        limits(refused__client="2/second")
        for _ in range(3):
            ask(gatehouse, WRONG)
        for _ in range(20):
            ask(gatehouse)
        time.sleep(1.1)
        assert ask(gatehouse).status_code == 200

    def test_an_ask_that_waits_for_a_human_may_be_repeated(self, gatehouse: World, limits: Any) -> None:
        from authz.protocol.errors import OAuthError, Reason

        limits(refused__client="1/minute")
        for reason in (Reason.APPROVAL_PENDING, Reason.UNAVAILABLE, Reason.SIGNING_KEY_MISSING):
            for _ in range(5):
                rate_limits.refused(OAuthError(reason), "nightly-report")
        rate_limits.admit("nightly-report")

    def test_the_audit_and_the_metrics_show_it(self, gatehouse: World, limits: Any) -> None:
        limits(refused__client="1/minute")
        for _ in range(3):
            ask(gatehouse, WRONG)
        event = AuditEvent.objects.get(reason="rate_limited")
        assert (event.event, event.client_id) == ("token:access:refused", "nightly-report")
        assert event.detail["detail"] == "refused:client"
        assert metrics.RATE_LIMITED.cells["token", "refused:client"][0] >= 1


class TestOneAddress:
    def test_a_flood_of_made_up_agents_waits(self, gatehouse: World, limits: Any) -> None:
        limits(refused__address="5/minute")
        for number in range(6):
            assert ask(gatehouse, WRONG, client=f"made-up-{number}").status_code == 401
        assert is_made_to_wait(ask(gatehouse, WRONG, client="made-up-once-more"))
        assert ask(gatehouse, WRONG, client="made-up", address="192.0.2.2").status_code == 401

    def test_an_agent_that_was_served_there_is_not_made_to_wait_for_its_neighbours(
        self, gatehouse: World, limits: Any
    ) -> None:
        limits(refused__address="5/minute")
        assert ask(gatehouse).status_code == 200
        for number in range(10):
            ask(gatehouse, WRONG, client=f"made-up-{number}")
        assert ask(gatehouse).status_code == 200
        assert is_made_to_wait(ask(gatehouse, client="notes-server"))

    def test_an_ipv6_customer_has_one_address(self, gatehouse: World, limits: Any) -> None:
        limits(refused__address="5/minute")
        for number in range(6):
            ask(gatehouse, WRONG, client="made-up", address=f"2001:db8:7:8::{number:x}")
        assert is_made_to_wait(ask(gatehouse, WRONG, client="made-up", address="2001:db8:7:8:ffff::1"))
        assert ask(gatehouse, WRONG, client="made-up", address="2001:db8:7:9::1").status_code == 401

    @pytest.mark.parametrize(
        ("header", "senders"),
        [
            ("X-Forwarded-For", ("192.0.2.1", "192.0.2.1:50000", "192.0.2.2:50000")),
            ("X-Forwarded-For", ("192.0.2.1:50000", '"192.0.2.1"', "192.0.2.2")),
            ("X-Forwarded-For", ("[2001:db8::1]:443", "2001:DB8::1", "[2001:db8:1::1]:443")),
            ("X-Forwarded-For", ("::ffff:192.0.2.1", " 192.0.2.1 ", "192.0.2.2")),
            ("X-Forwarded-For", ("198.51.100.1, 192.0.2.1:1", "192.0.2.1", "198.51.100.1")),
            ("Forwarded", ("for=192.0.2.1;proto=https", 'For="192.0.2.1:50000"', "for=192.0.2.2")),
            ("Forwarded", ('for="[2001:db8::1]:443"', 'for="[2001:db8::1]"', 'for="[2001:db8:1::1]"')),
        ],
    )
    def test_an_address_is_the_same_however_a_proxy_writes_it(
        self, gatehouse: World, limits: Any, settings: Any, header: str, senders: tuple[str, str, str]
    ) -> None:
        one, same, other = senders
        limits(refused__address="2/minute")
        proxied = {"TRUSTED_PROXIES": ["10.0.0.0/8"], "PROXY_HEADER": header.lower()}
        settings.GATEHOUSE = settings.GATEHOUSE | proxied

        def through_proxy(sender: str) -> int:
            response = gatehouse.browser.post(
                "/o/token",
                "grant_type=client_credentials&client_id=made-up",
                content_type="application/x-www-form-urlencoded",
                REMOTE_ADDR="10.0.0.1",
                headers={header: sender, "X-Real-IP": "203.0.113.99"},
            )
            return int(response.status_code)

        for _ in range(3):
            through_proxy(one)
        assert through_proxy(same) == 429
        assert through_proxy(other) == 401

    def test_behind_a_proxy_it_is_the_senders_own(self, gatehouse: World, limits: Any, settings: Any) -> None:
        limits(refused__address="2/minute")
        settings.GATEHOUSE = settings.GATEHOUSE | {"TRUSTED_PROXIES": ["10.0.0.0/8"]}
        form = "application/x-www-form-urlencoded"

        def through_proxy(sender: str) -> Any:
            return gatehouse.browser.post(
                "/o/token",
                "grant_type=client_credentials&client_id=made-up",
                content_type=form,
                REMOTE_ADDR="10.0.0.1",
                headers={"x-forwarded-for": f"203.0.113.99, {sender}"},
            )

        for _ in range(3):
            through_proxy("192.0.2.1")
        assert through_proxy("192.0.2.1").status_code == 429
        assert through_proxy("192.0.2.2").status_code == 401

    @pytest.mark.parametrize(
        ("address", "network"),
        [
            ("192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("fe80::1%eth0", "fe80::/64"),
            ("", ""),
            ("not:an:address", "not:an:address"),
        ],
    )
    def test_the_counted_form_of_an_address(self, address: str, network: str) -> None:
        assert network_of(address) == network


class TestAsConfigured:
    def test_an_agent_has_what_it_may_ask_in_all(self, gatehouse: World, limits: Any) -> None:
        limits(token__client="3/minute")
        assert [ask(gatehouse, address=f"192.0.2.{n}").status_code for n in range(5)] == [200, 200, 200, 429, 429]

    def test_a_stranger_spends_nothing_of_it(self, gatehouse: World, limits: Any) -> None:
        limits(token__client="3/minute")
        for _ in range(10):
            assert ask(gatehouse, WRONG).status_code == 401
        assert ask(gatehouse).status_code == 200

    def test_an_address_has_what_it_may_ask_in_all(self, gatehouse: World, limits: Any) -> None:
        limits(introspect__address="2/minute")
        codes = [ask(gatehouse, endpoint="introspect", token="x").status_code for _ in range(3)]
        assert codes == [200, 200, 429]
        assert ask(gatehouse).status_code == 200

    def test_the_authorization_endpoint_says_it_on_a_page(self, gatehouse: World, limits: Any) -> None:
        limits(authorize__address="2/minute")
        answers = [gatehouse.browser.get(gatehouse.authorize_url()) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [302, 302, 429]
        assert answers[2]["Retry-After"]
        assert "text/html" in answers[2]["Content-Type"]

    def test_registration_is_limited(self, gatehouse: World, limits: Any) -> None:
        from authz.configuration import apply

        apply('cimd: {registration: true, registration_hosts: ["app.example.com"]}')
        limits(refused__address="2/minute")
        answers = [gatehouse.browser.post("/o/register", "{}", content_type="application/json") for _ in range(4)]
        assert [answer.status_code for answer in answers][-1] == 429
        assert answers[-1]["Retry-After"]

    @pytest.mark.parametrize("text", ["token:client=often", "tokens:client=1/second", "token:client", "a=b=c"])
    def test_what_cannot_be_read_stops_the_server(self, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
        monkeypatch.setenv("GATEHOUSE_RATE_LIMITS", text)
        with pytest.raises(ImproperlyConfigured, match="GATEHOUSE_RATE_LIMITS"):
            env_rates("GATEHOUSE_RATE_LIMITS", RATE_LIMITS)

    def test_what_can_be_read_changes_only_itself(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GATEHOUSE_RATE_LIMITS", "token:client=100/second, refused:client=none")
        changed = env_rates("GATEHOUSE_RATE_LIMITS", RATE_LIMITS)
        assert (changed["token:client"], changed["refused:client"]) == ("100/second", "none")
        assert changed["sign_in:account"] == RATE_LIMITS["sign_in:account"]


class TestSigningIn:
    @staticmethod
    def sign_in(world: World, password: str, username: str = "bob", address: str = "192.0.2.1") -> Any:
        return world.browser.post("/accounts/login/", {"login": username, "password": password}, REMOTE_ADDR=address)

    def test_guesses_at_a_password_wait_and_a_right_one_tells_nothing(self, gatehouse: World, limits: Any) -> None:
        limits(sign_in__account="3/minute")
        for _ in range(4):
            assert self.sign_in(gatehouse, WRONG).status_code == 200
        for password in (WRONG, "bob-password"):
            answer = self.sign_in(gatehouse, password)
            assert answer.status_code == 429
            assert 1 <= int(answer["Retry-After"]) <= 61
            assert "_auth_user_id" not in gatehouse.browser.session
        assert AuditEvent.objects.filter(event="person:session:refused", reason="rate_limited").exists()

    def test_bob_himself_signs_in_from_elsewhere(self, gatehouse: World, limits: Any) -> None:
        limits(sign_in__account="3/minute")
        for _ in range(6):
            self.sign_in(gatehouse, WRONG)
        assert self.sign_in(gatehouse, "bob-password", address="192.0.2.2").status_code == 302

    def test_guesses_from_everywhere_wait_too(self, gatehouse: World, limits: Any) -> None:
        limits(sign_in__account_everywhere="3/minute")
        for number in range(4):
            self.sign_in(gatehouse, WRONG, address=f"192.0.2.{number}")
        assert self.sign_in(gatehouse, WRONG, username="BOB ", address="192.0.2.99").status_code == 429

    def test_one_password_for_everybody_waits_by_its_address(self, gatehouse: World, limits: Any) -> None:
        limits(sign_in__address="3/minute")
        for number in range(4):
            self.sign_in(gatehouse, WRONG, username=f"person-{number}")
        assert self.sign_in(gatehouse, "bob-password").status_code == 429

    def test_signing_in_rightly_is_not_counted(self, gatehouse: World, limits: Any) -> None:
        limits(sign_in__account="1/minute", sign_in__address="1/minute")
        for _ in range(4):
            gatehouse.browser.logout()
            assert self.sign_in(gatehouse, "bob-password").status_code == 302


class TestWithoutTheSharedCounters:
    @pytest.fixture(autouse=True)
    def _away(self, settings: Any) -> None:
        settings.CACHE_URL = f"redis://127.0.0.1:{free_port()}/0"

    def test_each_node_counts_alone(self, gatehouse: World, limits: Any) -> None:
        limits(refused__client="5/minute")
        for _ in range(6):
            assert ask(gatehouse, WRONG).status_code == 401
        assert is_made_to_wait(ask(gatehouse))

    def test_what_is_right_never_asks_them(self, gatehouse: World, monkeypatch: pytest.MonkeyPatch) -> None:
        def asked(*_: object) -> None:
            raise AssertionError("a network round trip")

        monkeypatch.setattr(rate_limits, "_hit", asked)
        assert ask(gatehouse).status_code == 200

    def test_the_cache_is_the_process_own(self, settings: Any) -> None:
        settings.CACHES = {
            "default": {"BACKEND": "authz.limits.shared_cache.SharedCache", "LOCATION": settings.CACHE_URL}
        }
        cache = caches["default"]
        cache.set("key", "value", 60)
        assert (cache.get("key"), cache.add("key", "other"), cache.get_many(["key"])) == (
            "value",
            False,
            {"key": "value"},
        )
        cache.delete("key")
        assert cache.get("key", "gone") == "gone"
