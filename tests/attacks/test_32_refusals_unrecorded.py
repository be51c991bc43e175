"""Attack 32: a refusal is in the audit, or it is not answered. At every door a right guess and a wrong one look alike
while the audit is out of order, and neither leaves anything.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.contrib.sessions.backends.base import SessionBase
from django.db import connection
from django.test import Client as Browser

from authz.limits import refusal_sampling
from authz.models import AuditEvent, User
from cimd.models import Policy
from tests.support import world
from tests.support.world import SECRET, World, basic_header

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def away() -> Iterator[None]:
    """The table is not where it was."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE authz_auditevent RENAME TO authz_auditevent_away")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE authz_auditevent_away RENAME TO authz_auditevent")


@contextmanager
def refusing() -> Iterator[None]:
    """A foreign trigger refuses each row."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$"
            )
            cursor.execute(
                "CREATE TRIGGER refuse BEFORE INSERT ON authz_auditevent FOR EACH ROW EXECUTE FUNCTION refuse()"
            )
        else:
            cursor.execute(
                "CREATE TRIGGER refuse BEFORE INSERT ON authz_auditevent BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("DROP FUNCTION refuse() CASCADE")
            else:
                cursor.execute("DROP TRIGGER refuse")


OUT_OF_ORDER = {"away": away, "refusing": refusing}


def code_of(user: User) -> str:
    secret = user.authenticator_set.get(type="totp").wrap()  # type: ignore[attr-defined]
    return str(format_hotp_value(hotp_value(_secret(secret), int(time.time()) // 30)))


def _secret(totp: TOTP) -> str:
    from allauth.mfa.utils import decrypt

    return str(decrypt(totp.instance.data["secret"]))


def with_second_factor(username: str) -> User:
    user = world.person(username)
    TOTP.activate(user, generate_totp_secret())
    return user


def login(password: str) -> Callable[[World], Any]:
    return lambda gatehouse: gatehouse.browser.post("/accounts/login/", {"login": "bob", "password": password})


def first_of_two(password: str) -> Callable[[World], Any]:
    def post(gatehouse: World) -> Any:
        with_second_factor("bob")
        return login(password)(gatehouse)

    return post


def second_factor(right: bool) -> Callable[[World], Callable[[World], Any]]:
    def prepare(gatehouse: World) -> Callable[[World], Any]:
        bob = with_second_factor("bob")
        assert login("bob-password")(gatehouse)["Location"].startswith("/accounts/2fa/")
        code = code_of(bob) if right else "000000"
        return lambda gatehouse: gatehouse.browser.post("/accounts/2fa/authenticate/", {"code": code})

    return prepare


def signed_in(username: str, method: str, path: str, **data: Any) -> Callable[[World], Callable[[World], Any]]:
    def prepare(gatehouse: World) -> Callable[[World], Any]:
        gatehouse.sign_in(username)
        return lambda gatehouse: getattr(gatehouse.browser, method)(path, data)

    return prepare


def at_once(post: Callable[[World], Any]) -> Callable[[World], Callable[[World], Any]]:
    return lambda _: post


def token(secret: str, **changes: Any) -> Callable[[World], Callable[[World], Any]]:
    params = {"grant_type": "client_credentials"} | changes
    return at_once(lambda gatehouse: gatehouse.token(basic=("nightly-report", secret), **params))


def machine(endpoint: str, secret: str) -> Callable[[World], Callable[[World], Any]]:
    headers = {"authorization": basic_header("notes-server", secret)}
    return at_once(lambda gatehouse: gatehouse.post(endpoint, {"token": "abc"}, **headers))


def register(method: str, **body: Any) -> Callable[[World], Callable[[World], Any]]:
    def prepare(gatehouse: World) -> Callable[[World], Any]:
        Policy.objects.update_or_create(pk=1, defaults={"registration": True})
        path = "/o/register" + ("/nobody" if method == "get" else "")
        return lambda gatehouse: getattr(gatehouse.browser, method)(path, body or None, "application/json")

    return prepare


def api(method: str, path: str, body: Any = None, username: str = "") -> Callable[[World], Callable[[World], Any]]:
    def prepare(gatehouse: World) -> Callable[[World], Any]:
        if username:
            gatehouse.sign_in(username)
        headers = {} if username else {"authorization": "Bearer wrong"}
        content = json.dumps(body) if body is not None else ""
        return lambda gatehouse: gatehouse.browser.generic(
            method, f"/api/v1/{path}", content, "application/json", headers=headers
        )

    return prepare


def approve_own(gatehouse: World) -> Callable[[World], Any]:
    User.objects.filter(username="bob").update(role=User.Role.APPROVER, is_staff=True)
    row = world.client("pending-agent")
    row.owner = world.person("bob")
    row.save()
    return api("POST", f"agents/{row.pk}/approve", {}, "bob")(gatehouse)


def beyond_the_role(gatehouse: World) -> Callable[[World], Any]:
    User.objects.filter(username="bob").update(role=User.Role.AUDITOR, is_staff=True)
    return signed_in("bob", "get", "/console/authz/client/add/")(gatehouse)


def forged(gatehouse: World) -> Callable[[World], Any]:
    browser = Browser(enforce_csrf_checks=True, raise_request_exception=False)
    return lambda _: browser.post("/accounts/login/", {"login": "bob", "password": "bob-password"})


Prepare = Callable[[World], Callable[[World], Any]]
REFUSED: dict[str, Prepare] = {
    "token, wrong secret": token("wrong" * 10),
    "token, wrong scope": token(SECRET, scope="nothing:here"),
    "introspect": machine("introspect", "wrong" * 10),
    "revoke": machine("revoke", "wrong" * 10),
    "register": register("post", redirect_uris=["https://evil.example/"]),
    "an unknown registration": register("get"),
    "authorize, unknown client": at_once(lambda g: g.browser.get(g.authorize_url(client_id="nobody"))),
    "authorize, agent not approved": at_once(lambda g: g.browser.get(g.authorize_url(client_id="waiting-app"))),
    "sign-in": at_once(login("wrong")),
    "sign-in of an unknown person": at_once(
        lambda g: g.browser.post("/accounts/login/", {"login": "x", "password": "y"})
    ),
    "first of two factors": at_once(first_of_two("wrong")),
    "second factor": second_factor(right=False),
    "signing in anew": signed_in("bob", "post", "/accounts/reauthenticate/", password="wrong"),
    "changing the password": signed_in(
        "bob", "post", "/accounts/password/change/", oldpassword="wrong", password1="a-long-new-one", password2="x"
    ),
    "console without a role": signed_in("bob", "get", "/console/login/"),
    "console, beyond the role": beyond_the_role,
    "a forged form": forged,
    "API, wrong token": api("GET", "agents"),
    "API, no role": api("GET", "agents", username="charlie"),
    "API, approving one's own": approve_own,
}
RIGHT: dict[str, Prepare] = {
    "token": token(SECRET),
    "sign-in": at_once(login("bob-password")),
    "first of two factors": at_once(first_of_two("bob-password")),
    "second factor": second_factor(right=True),
    "signing in anew": signed_in("bob", "post", "/accounts/reauthenticate/", password="bob-password"),
    "changing the password": signed_in(
        "bob", "post", "/accounts/password/change/",
        oldpassword="bob-password", password1="a-long-new-one", password2="a-long-new-one",
    ),
}  # fmt: skip


@pytest.fixture
def gatehouse(committed_gatehouse: World) -> World:
    committed_gatehouse.browser.raise_request_exception = False
    row = world.client("desktop-app")
    row.pk, row.client_id, row.status = None, "waiting-app", "pending"
    row.save()
    return committed_gatehouse


def refused_events() -> int:
    return AuditEvent.objects.exclude(reason="").count()


@pytest.mark.parametrize("door", REFUSED)
def test_a_refusal_is_in_the_audit(gatehouse: World, door: str) -> None:
    ask = REFUSED[door](gatehouse)
    before = refused_events()
    response = ask(gatehouse)
    assert response.status_code != 503
    assert refused_events() > before


@pytest.mark.parametrize("door", [*REFUSED, *(f"right: {name}" for name in RIGHT)])
@pytest.mark.parametrize("how", OUT_OF_ORDER)
def test_or_it_is_not_answered(gatehouse: World, door: str, how: str) -> None:
    ask = (RIGHT[door.removeprefix("right: ")] if door.startswith("right: ") else REFUSED[door])(gatehouse)
    before = _standing(gatehouse)
    with OUT_OF_ORDER[how]():
        response = ask(gatehouse)
    assert response.status_code == 503, (response.status_code, response.content[:500])
    assert response["Retry-After"]
    # No effect stays, such as an unrecorded sign-in.
    assert "sessionid" not in response.cookies
    after = _standing(gatehouse)
    assert after[0] in (before[0], None)
    assert after[1] <= before[1]
    assert after[2] == before[2]


def _standing(gatehouse: World) -> tuple[str | None, int, object]:
    """Who is signed in, how many factors they have shown, and all passwords."""
    session: SessionBase = gatehouse.browser.session
    passwords = list(User.objects.order_by("pk").values_list("username", "password"))
    return session.get("_auth_user_id"), len(session.get("account_authentication_methods", [])), passwords


@pytest.mark.parametrize("name", sorted(set(RIGHT) & set(REFUSED)))
def test_right_and_wrong_get_the_same_answer(gatehouse: World, name: str) -> None:
    # Of the browser's part of the page, the reference is all that differs.
    answers = set()
    for doors in (REFUSED, RIGHT):
        gatehouse.browser = Browser()
        gatehouse.browser.raise_request_exception = False
        world.person("bob").authenticator_set.all().delete()  # type: ignore[attr-defined]
        ask = doors[name](gatehouse)
        with away():
            response = ask(gatehouse)
        reference = response["X-Request-Id"].encode()
        answers.add((response.status_code, response.content.replace(reference, b"")))
    assert len(answers) == 1


def test_what_sampling_left_out_is_not_lost(gatehouse: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusal_sampling, "SOURCE_BURST", 1.0)
    monkeypatch.setattr(refusal_sampling, "SOURCE_RATE", 0.0)
    refusal_sampling.reset()
    for _ in range(4):
        assert gatehouse.token(grant_type="client_credentials", client_id="nobody").status_code == 401
    monkeypatch.setattr(refusal_sampling, "SOURCE_RATE", 1e9)
    with away():
        assert gatehouse.token(grant_type="client_credentials", client_id="nobody").status_code == 503
    assert gatehouse.token(grant_type="client_credentials", client_id="nobody").status_code == 401
    assert AuditEvent.objects.latest("id").detail["left_out"] == 3


def test_beyond_the_budget_nothing_is_answered_either(gatehouse: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusal_sampling, "SOURCE_BURST", 2.0)
    monkeypatch.setattr(refusal_sampling, "SOURCE_RATE", 0.0)
    refusal_sampling.reset()
    with away():
        for _ in range(5):
            assert gatehouse.token(grant_type="client_credentials", client_id="nobody").status_code == 503
    for _ in range(3):
        assert gatehouse.token(grant_type="client_credentials", client_id="nobody").status_code == 401
