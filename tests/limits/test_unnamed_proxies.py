"""A proxy that `GATEHOUSE_TRUSTED_PROXIES` does not name: it is reported, and locks no one out."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.checks import run_checks

from authz.limits import rate_limits, unnamed_proxies
from authz.limits.addresses import client_address
from authz.limits.sightings import Sightings
from authz.models import PeriodicTask
from authz.operations import doctor
from authz.telemetry import metrics
from tests.support.world import World

WRONG = "wrong" * 10
HTTPS = {"ISSUER": "https://auth.example.com/o"}


@pytest.fixture(autouse=True)
def nothing_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unnamed_proxies, "_seen", Sightings("unnamed_proxies"))


@pytest.fixture
def gatehouse_settings(settings: Any) -> Any:
    def change(**values: Any) -> None:
        settings.GATEHOUSE = settings.GATEHOUSE | values

    return change


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("values", "is_said"),
    [
        (HTTPS, True),
        ({"ISSUER": "https://10.0.0.1"}, True),
        (HTTPS | {"TRUSTED_PROXIES": ["10.0.0.1/32"]}, False),
        (HTTPS | {"TRUSTED_PROXIES": ["0.0.0.0/0", "::/0"]}, False),
        ({"ISSUER": "http://127.0.0.1:8000/o"}, False),
        ({"ISSUER": "http://localhost/o"}, False),
    ],
)
def test_check_deploy_says_that_none_is_named(gatehouse_settings: Any, values: dict[str, Any], is_said: bool) -> None:
    gatehouse_settings(**values)
    said = {message.id for message in run_checks(include_deployment_checks=True, databases=["default"])}
    assert ("authz.W002" in said) is is_said


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("proxies", "meta", "is_noticed"),
    [
        ([], {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "192.0.2.1"}, True),
        ([], {"REMOTE_ADDR": "10.0.0.1", "HTTP_FORWARDED": "for=192.0.2.1"}, True),
        ([], {"REMOTE_ADDR": "203.0.113.1", "HTTP_X_FORWARDED_FOR": "192.0.2.1"}, True),
        (["10.0.0.2/32"], {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "192.0.2.1"}, True),
        (["10.0.0.1/32"], {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "192.0.2.1"}, False),
        (["10.0.0.1/32"], {"REMOTE_ADDR": "8.8.8.8", "HTTP_X_FORWARDED_FOR": "192.0.2.1"}, False),
        ([], {"REMOTE_ADDR": "10.0.0.1"}, False),
        ([], {"REMOTE_ADDR": "", "HTTP_X_REAL_IP": "192.0.2.1"}, False),
    ],
)
def test_doctor_names_who_writes_a_proxys_header(
    gatehouse_settings: Any, proxies: list[str], meta: dict[str, str], is_noticed: bool
) -> None:
    gatehouse_settings(TRUSTED_PROXIES=proxies)
    before = metrics.FORWARDED_UNTRUSTED.cells.get((), [0.0])[0]
    for _ in range(3):
        client_address(meta)
    unnamed_proxies.note()
    findings = doctor.examine()["proxies"]
    assert [finding.level for finding in findings] == (["warning"] if is_noticed else [])
    assert all(meta["REMOTE_ADDR"] in finding.says and " 3 in a minute" in finding.says for finding in findings)
    assert metrics.FORWARDED_UNTRUSTED.cells.get((), [0.0])[0] - before == (3 if is_noticed else 0)


@pytest.mark.django_db
def test_it_is_noted_once_a_minute_and_forgotten_after_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attack: a header in each request is no way to keep the database busy, or to be told of for ever."""
    for _ in range(3):
        unnamed_proxies.look({"HTTP_FORWARDED": "for=192.0.2.1"}, "10.0.0.1")
        unnamed_proxies.note()
    [row] = PeriodicTask.objects.filter(name=unnamed_proxies.ROW)
    assert row.failures == 1
    assert list(doctor.proxies(row.failed + 3600)) != []
    assert list(doctor.proxies(row.failed + 25 * 3600)) == []


class TestSigningIn:
    """Attack: after 31 wrong passwords no person behind that proxy could sign in for a minute."""

    @staticmethod
    def sign_in(world: World, username: str, password: str, sender: str) -> int:
        answer = world.browser.post(
            "/accounts/login/",
            {"login": username, "password": password},
            REMOTE_ADDR="10.0.0.1",
            headers={"x-forwarded-for": sender},
        )
        return int(answer.status_code)

    @pytest.fixture
    def one_address_for_all(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """The limits are remembered, so each test reads them anew and leaves none of its own behind."""
        rate_limits._limits.cache_clear()
        monkeypatch.setattr(unnamed_proxies, "stands_for_all_visitors", lambda: True)
        yield
        rate_limits._limits.cache_clear()

    @pytest.mark.usefixtures("one_address_for_all")
    def test_wrong_passwords_lock_no_one_out(self, gatehouse: World) -> None:
        for number in range(40):
            assert self.sign_in(gatehouse, f"nobody-{number}", WRONG, "203.0.113.1") == 200
        assert self.sign_in(gatehouse, "bob", "bob-password", "192.0.2.1") == 302

    @pytest.mark.usefixtures("one_address_for_all")
    def test_a_stranger_who_goes_on_waits_all_the_same(
        self, gatehouse: World, gatehouse_settings: Any, settings: Any
    ) -> None:
        gatehouse_settings(RATE_LIMITS=settings.GATEHOUSE["RATE_LIMITS"] | {"sign_in:address": "2/minute"})
        statuses = [self.sign_in(gatehouse, f"nobody-{number}", WRONG, f"192.0.2.{number}") for number in range(43)]
        assert statuses == [200] * 41 + [429] * 2

    def test_where_the_proxy_is_named_the_stranger_alone_waits(self, gatehouse: World, gatehouse_settings: Any) -> None:
        gatehouse_settings(TRUSTED_PROXIES=["10.0.0.0/8"])
        statuses = [self.sign_in(gatehouse, f"nobody-{number}", WRONG, "203.0.113.1") for number in range(33)]
        assert statuses[-1] == 429
        assert self.sign_in(gatehouse, "bob", "bob-password", "192.0.2.1") == 302
