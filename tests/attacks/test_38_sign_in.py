"""Attack 38: people of an issuer that is gone, Host in mails, time that tells, and a sign-in that leads elsewhere."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import hashers
from django.core import mail

from authz.limits import rate_limits
from authz.models import User
from authz.sign_in import account_mails
from tests.attacks.signing_in import NEW
from tests.support.world import World


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The calls of the hasher."""
    calls: list[str] = []
    hasher = hashers.MD5PasswordHasher
    encode = hasher.encode

    def counted(self: Any, password: str, salt: str) -> Any:
        calls.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(hasher, "encode", counted)
    yield calls


@pytest.mark.parametrize(
    "login",
    [
        "bob", "bob@example.com", "BOB@EXAMPLE.COM", "nobody", "nobody@example.com", "switched-off",
        "off@example.com", "without", "without@example.com", "shared@example.com", "linked@example.com", "a" * 200,
    ],
)  # fmt: skip
def test_a_sign_in_takes_the_same_work_for_each_account(gatehouse: World, hashed: list[str], login: str) -> None:
    from xaa.models import SignInClient, SubjectLink, TrustedIssuer

    User.objects.create_user("switched-off", email="off@example.com", password=NEW, is_active=False)
    User.objects.create_user("without", email="without@example.com")
    for name in ("one", "two"):
        User.objects.create_user(name, email="shared@example.com", password=NEW)
    linked = User.objects.create_user("linked", email="linked@example.com", password=NEW)
    issuer = TrustedIssuer.objects.create(issuer="https://idp.example", name="IdP", accepts=["id_token"])
    SignInClient.objects.create(issuer=issuer, client_id="gatehouse")
    SubjectLink.objects.create(issuer=issuer, subject="linked", user=linked)
    hashed.clear()
    answer: Any = gatehouse.browser.post("/accounts/login/", {"login": login, "password": "not-the-password"})
    assert len(hashed) == 1
    assert answer.status_code == 200


class TestMails:
    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9999", "localhost:1", "[::1]", "127.0.0.1", "LOCALHOST"])
    def test_are_built_from_the_issuer(self, gatehouse: World, host: str) -> None:
        gatehouse.browser.post("/accounts/password/reset/", {"email": "bob@example.com"}, headers={"host": host})
        account_mails.wait()
        body = str(mail.outbox[0].body)
        links = [word for word in body.split() if "://" in word]
        assert links[0].startswith("http://127.0.0.1:8000/accounts/password/reset/key/")
        assert all(link.startswith("http://127.0.0.1:8000") for link in links)
        assert host == "127.0.0.1" or host not in body

    @pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8000"])
    def test_another_host_gets_none(self, gatehouse: World, host: str) -> None:
        answer = gatehouse.browser.post(
            "/accounts/password/reset/", {"email": "bob@example.com"}, headers={"host": host}
        )
        account_mails.wait()
        assert (answer.status_code, mail.outbox) == (400, [])

    @pytest.mark.parametrize(
        "address",
        ["nobody@example.com", "off@example.com", "elsewhere@example.com", "bob@example.com", "vıctim@example.com"],
    )
    def test_the_page_does_not_tell_who_has_an_account(self, gatehouse: World, address: str) -> None:
        User.objects.create_user("off", email="off@example.com", password=NEW, is_active=False)
        User.objects.create_user("elsewhere", email="elsewhere@example.com", is_from_elsewhere=True)
        answer: Any = gatehouse.browser.post("/accounts/password/reset/", {"email": address}, follow=True)
        account_mails.wait()
        assert [message.to for message in mail.outbox] == ([[address]] if address == "bob@example.com" else [])
        assert answer.redirect_chain == [("/accounts/password/reset/done/", 302)]
        assert address not in answer.content.decode()

    def test_goes_to_the_address_that_is_known(self, gatehouse: World) -> None:
        gatehouse.browser.post("/accounts/password/reset/", {"email": "BOB@example.COM"})
        account_mails.wait()
        assert [message.to for message in mail.outbox] == [["bob@example.com"]]

    def test_many_of_them_wait_known_or_not(self, gatehouse: World) -> None:
        for address in ("bob@example.com", "nobody@example.com"):
            rate_limits.reset()
            answers = [
                gatehouse.browser.post("/accounts/password/reset/", {"email": address}).status_code for _ in range(7)
            ]
            assert answers == [302] * 5 + [429] * 2
        account_mails.wait()
        assert len(mail.outbox) == 5

    def test_a_mail_server_that_is_away_shows_nothing(
        self, gatehouse: World, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_PORT = 1
        answer = gatehouse.browser.post("/accounts/password/reset/", {"email": "bob@example.com"})
        account_mails.wait()
        assert answer.status_code == 302
        assert "mail about an account was not sent" in caplog.text


@pytest.mark.parametrize(
    "address",
    [
        "//localhost/",
        "http://localhost/",
        "http://127.0.0.1:9999/",
        "https://evil.example/",
        "//evil.example",
        "http:///x",
    ],
)
def test_a_sign_in_leads_to_no_other_origin(gatehouse: World, address: str) -> None:
    form = {"login": "bob", "password": "bob-password", "next": address}
    answer = gatehouse.browser.post("/accounts/login/", form, headers={"host": "localhost"})
    assert answer["Location"] == "/account/"
