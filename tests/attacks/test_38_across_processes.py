"""Attack 38 against a real server: who guesses is counted by all of its processes, and time tells nothing."""

import math
import re
import time
from collections.abc import Iterator

import pytest
import requests
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value

from tests.attacks.signing_in import TOTP_SECRET
from tests.support import processes
from tests.support.processes import RunningGatehouse

PASSWORD = "a-long-passphrase"
PEOPLE = f"""
from allauth.mfa.models import Authenticator
from authz.models import User
from authz.keys.second_factors import Adapter
for name in ("tara", "tim", "known"):
    user = User.objects.create_user(name, email=f"{{name}}@example.com", password="{PASSWORD}")
    if name != "known":
        Authenticator.objects.create(user=user, type="totp", data={{"secret": Adapter().encrypt("{TOTP_SECRET}")}})
User.objects.create_user("off", email="off@example.com", password="{PASSWORD}", is_active=False)
User.objects.create_user("without", email="without@example.com")
"""


@pytest.fixture(scope="module")
def house(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGatehouse]:
    limits = "sign_in:account=none,sign_in:account_everywhere=none,sign_in:address=none"
    where = tmp_path_factory.mktemp("sign-in")
    with processes.running(database_url, where, workers=3, GATEHOUSE_RATE_LIMITS=limits) as running:
        running.manage("shell", "-c", PEOPLE)
        yield running


def browser(house: RunningGatehouse) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.headers["Connection"] = "close"  # any process may get the next request
    return session


def send(session: requests.Session, url: str, **fields: str) -> requests.Response:
    page = session.get(url, timeout=30).text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    data = {"csrfmiddlewaretoken": token[1] if token else "", **fields}
    return session.post(url, data=data, headers={"Referer": url}, timeout=30, allow_redirects=False)


def second_factor(house: RunningGatehouse, login: str, code: str) -> requests.Response:
    session = browser(house)
    first = send(session, f"{house.origin}/accounts/login/", login=login, password=PASSWORD)
    assert first.headers["Location"] == "/accounts/2fa/authenticate/", first.text[:500]
    return send(session, f"{house.origin}/accounts/2fa/authenticate/", code=code)


def test_wrong_second_factors_are_counted_together(house: RunningGatehouse) -> None:
    answers = [second_factor(house, "tara", "000000").status_code for _ in range(14)]
    assert answers == [200] * 11 + [429] * 3


def test_a_code_is_good_once_for_all_of_them(house: RunningGatehouse) -> None:
    while time.time() % 30 > 20:  # not at the end of its half minute
        time.sleep(0.5)
    code = format_hotp_value(hotp_value(TOTP_SECRET, int(time.time()) // 30))
    assert [second_factor(house, "tim", code).status_code for _ in range(4)] == [302, 200, 200, 200]


@pytest.mark.any_database
def test_an_unknown_account_takes_as_long_as_a_known_one(house: RunningGatehouse) -> None:
    """By the quickest of several attempts, in rounds: a busy machine needs more of them, a difference stays."""
    logins = ["known", "known@example.com", "nobody", "nobody@example.com", "off@example.com", "without@example.com"]
    quickest = dict.fromkeys(logins, math.inf)
    for number in range(24):
        for login in logins:
            quickest[login] = min(quickest[login], seconds_to_refuse(house, login))
        if number >= 3 and max(quickest.values()) < 1.7 * min(quickest.values()):
            return
    pytest.fail(f"the time reveals whether an account exists: {quickest}")


def seconds_to_refuse(house: RunningGatehouse, login: str) -> float:
    session, url = browser(house), f"{house.origin}/accounts/login/"
    token = re.search(r'value="([^"]+)"', session.get(url, timeout=30).text)
    fields = {"csrfmiddlewaretoken": token[1] if token else "", "login": login, "password": "wrong"}
    began = time.perf_counter()
    answer = session.post(url, data=fields, headers={"Referer": url}, timeout=30)
    took = time.perf_counter() - began
    assert answer.status_code == 200
    return took
