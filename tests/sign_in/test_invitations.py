"""Invitations: a link by which a person chooses their first password, once."""

import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from allauth.mfa.models import Authenticator
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client as Browser
from django.test import override_settings
from django.urls import reverse

from authz.authorizations import cut_off, removal
from authz.configuration import apply
from authz.models import AuditEvent, BrowserSession, Invitation, Notification, User
from authz.notifications import delivery
from authz.operations import backup, housekeeping
from authz.protocol.errors import OAuthError
from authz.sign_in import account_mails, invitations
from tests.sign_in.test_browser_sessions import cells
from tests.support import world
from tests.support.races import at_once
from tests.support.world import World

PASSWORD = "a-passphrase-of-my-own"
GIVEN = {"password1": PASSWORD, "password2": PASSWORD}


def invite(username: str = "nora", *, by_mail: bool = False, now: datetime | None = None) -> invitations.Made:
    user = User.objects.filter(username=username).first()
    if user is None:
        apply(f"users: [{{username: {username}, email: {username}@example.com}}]")
        user = User.objects.get(username=username)
    return invitations.invite(user, by="alice", by_subject="a", mail=by_mail, now=now or datetime.now(UTC))


def path_of(made: invitations.Made) -> str:
    return re.sub(r"https?://[^/]+", "", made.link)


def accept(path: str, **changes: str) -> int:
    return Browser().post(path, {**GIVEN, **changes}).status_code


def signs_in(username: str = "nora", password: str = PASSWORD) -> bool:
    browser = Browser()
    browser.post(reverse("account_login"), {"login": username, "password": password})
    return browser.get("/account/").status_code == 200


def test_an_invited_person_chooses_a_password_and_is_signed_in(gatehouse: World) -> None:
    path, browser = path_of(invite()), Browser()
    assert b"nora" in browser.get(path).content
    answer = browser.post(path, GIVEN)
    assert (answer.status_code, answer["Location"]) == (302, "/account/")
    assert browser.get("/account/").status_code == 200
    assert signs_in()
    assert AuditEvent.objects.get(event="person:invitation:used").detail["invited_by"] == "alice"


def test_no_table_holds_the_link(gatehouse: World) -> None:
    token = path_of(invite()).split("/")[-2]
    invite("otto", by_mail=True)
    stored = cells()
    assert len(token) == 43 and token not in stored
    delivery.run()
    sent = re.search(r"/account/invitation/([\w-]+)/", str(mail.outbox[-1].body))
    assert sent is not None and sent[1] not in stored
    assert Notification.objects.get(recipient__username="otto").sealed is None
    assert accept(f"/account/invitation/{sent[1]}/") == 302


# --- attacks ----------------------------------------------------------------------------------------------------------


def late(path: str) -> str:
    Invitation.objects.update(expires=datetime.now(UTC) - timedelta(seconds=1))
    return path


def used(path: str) -> str:
    assert accept(path) == 302
    return path


def replaced(path: str) -> str:
    invite()
    return path


def disabled(path: str) -> str:
    apply("users: [{username: nora, active: false}]")
    return path


def disabled_and_back(path: str) -> str:
    apply("users: [{username: nora, active: false}]")
    apply("users: [{username: nora}]")
    return path


def access_ended_and_given_back(path: str) -> str:
    now = datetime.now(UTC)
    row = cut_off.cut_off(
        cut_off.target("person", "nora"), kind="person", identifier="nora", reason="", by="alice", now=now
    )
    cut_off.undo(row, by="alice", now=now)
    assert User.objects.get(username="nora").is_active
    return path


def ended(path: str) -> str:
    removal.remove(User.objects.get(username="nora"))
    return path


def password_by_another_way(path: str) -> str:
    apply(f"users: [{{username: nora, password: {PASSWORD}-2}}]")
    return path


UNUSABLE: list[Callable[[str], str]] = [
    late, used, replaced, disabled, disabled_and_back, access_ended_and_given_back, ended, password_by_another_way,
    lambda path: f"{path[:-5]}AAAA/", lambda path: "/account/invitation/x/", lambda path: path.upper().replace(
        "/ACCOUNT/INVITATION/", "/account/invitation/"),
]  # fmt: skip


@pytest.mark.parametrize("spoiled", UNUSABLE)
def test_a_forged_used_replaced_or_late_link_gets_one_answer_and_gives_nothing(
    gatehouse: World, spoiled: Callable[[str], str]
) -> None:
    path = spoiled(path_of(invite()))
    reference = Browser().get("/account/invitation/forged/")
    before = list(User.objects.filter(username="nora").values_list("password", flat=True))
    for answer in (Browser().get(path), Browser().post(path, {"password1": "x-other-one-9", "password2": "x"})):
        assert (answer.status_code, answer.content) == (404, reference.content)
    answer = Browser().post(path, {"password1": "another-passphrase-9", "password2": "another-passphrase-9"})
    assert (answer.status_code, answer.content) == (404, reference.content)
    assert list(User.objects.filter(username="nora").values_list("password", flat=True)) == before
    assert not signs_in(password="another-passphrase-9")
    refused = AuditEvent.objects.filter(event="person:invitation:refused")
    assert {row.reason for row in refused} == {"invitation_unusable"}
    assert "forged" not in str([row.detail for row in refused])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [2, 6])
def test_of_many_who_use_a_link_at_once_one_does(committed_gatehouse: World, number: int) -> None:
    token = path_of(invite()).split("/")[-2]

    def use(password: str) -> str:
        try:
            invitations.accept(token, password, datetime.now(UTC))
        except OAuthError:
            return ""
        return password

    passwords = [f"{PASSWORD}-{place}" for place in range(number)]
    won = [password for password in at_once([lambda p=password: use(p) for password in passwords]) if password]
    assert len(won) == 1
    assert User.objects.get(username="nora").check_password(won[0])
    assert AuditEvent.objects.filter(event="person:invitation:used").count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_who_invite_at_once_one_link_works(committed_gatehouse: World) -> None:
    apply("users: [{username: nora}]")
    made = at_once([invite] * 4)
    assert Invitation.objects.filter(used=None, voided=None).count() == 1
    assert sorted(accept(path_of(one)) for one in made) == [302, 404, 404, 404]


@pytest.mark.django_db(transaction=True)
def test_disabling_a_person_while_they_use_the_link_leaves_no_way_in(committed_gatehouse: World) -> None:
    path = path_of(invite())
    calls: list[Callable[[], object]] = [
        lambda: accept(path),
        lambda: apply("users: [{username: nora, active: false}]"),
    ]
    at_once(calls)
    assert not signs_in()
    assert not BrowserSession.objects.filter(user__username="nora").exists()


def test_an_invited_person_has_no_way_in_before(gatehouse: World) -> None:
    invite()
    assert not signs_in(password="") and not signs_in(password="nora")
    Browser().post(reverse("account_reset_password"), {"email": "nora@example.com"})
    account_mails.wait()
    assert mail.outbox == []
    nora = User.objects.get(username="nora")
    assert not nora.has_usable_password() and nora.last_login is None


def test_looking_at_the_link_uses_nothing_up(gatehouse: World) -> None:
    """A mail scanner opens the links of a mail."""
    path = path_of(invite())
    for browser in (Browser(), Browser()):
        assert browser.get(path).status_code == 200
        assert browser.head(path).status_code == 200
    assert accept(path) == 302


@pytest.mark.parametrize("given", ["short", "password1234"])
def test_a_weak_password_is_refused_and_the_link_stays(gatehouse: World, given: str) -> None:
    path = path_of(invite())
    assert accept(path, password1=given, password2=given) == 200
    assert accept(path, password2="something-else-9") == 200
    assert accept(path) == 302


def test_a_form_from_another_site_is_refused(gatehouse: World) -> None:
    path = path_of(invite())
    assert Browser(enforce_csrf_checks=True).post(path, GIVEN).status_code == 403
    assert accept(path) == 302


def test_the_browsers_earlier_person_is_signed_out(gatehouse: World) -> None:
    gatehouse.sign_in("bob")
    browser, path = gatehouse.browser, path_of(invite())
    browser.post(path, GIVEN)
    found = BrowserSession.objects.values_list("user__username", flat=True)
    assert list(found) == ["nora"]


@pytest.mark.parametrize(
    ("username", "why"), [("bob", "has a password"), ("off", "is disabled"), ("elsewhere", "identity provider")]
)
def test_people_who_have_another_way_in_or_may_have_none_are_not_invited(
    gatehouse: World, username: str, why: str
) -> None:
    person = {
        "bob": lambda: world.person("bob"),
        "off": lambda: User.objects.create_user("off", is_active=False),
        "elsewhere": lambda: User.objects.create_user("elsewhere", is_from_elsewhere=True),
    }[username]()
    if username == "bob":
        person.set_password(PASSWORD)
        person.save()
    with pytest.raises(invitations.CannotInviteError, match=why):
        invitations.invite(person, by="alice", by_subject="", mail=False, now=datetime.now(UTC))
    assert not Invitation.objects.exists()


def test_a_restored_backup_brings_no_used_link_back(gatehouse: World) -> None:
    path = path_of(invite())
    backup._end_everything(datetime.now(UTC))
    assert accept(path) == 404


def test_old_ones_are_removed(gatehouse: World) -> None:
    invite(now=datetime.now(UTC) - timedelta(days=40))
    invite("otto")
    housekeeping.run()
    assert [row.user.username for row in Invitation.objects.all()] == ["otto"]


# --- second factors, command ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "leads_to"),
    [
        ("groups: [staff], conditions: {amr: [otp]}", "/accounts/2fa/totp/activate/"),
        ("groups: ['*'], conditions: {amr: [mfa]}", "/accounts/2fa/totp/activate/"),
        ("users: [nora], conditions: {amr: [pwd, otp]}", "/accounts/2fa/totp/activate/"),
        ("groups: [others], conditions: {amr: [otp]}", "/account/"),
        ("groups: [staff], conditions: {amr: [pwd]}", "/account/"),
        ("groups: [staff], enabled: false, conditions: {amr: [otp]}", "/account/"),
    ],
)
def test_a_rule_that_demands_a_second_factor_leads_to_setting_one_up(
    gatehouse: World, rule: str, leads_to: str
) -> None:
    apply("users: [{username: nora, groups: [staff]}]")
    apply(
        "rules: [{name: strong, effect: allow, clients: ['*'], grant_types: ['*'], resources: ['*'], scopes: ['*'],"
        f" {rule}}}]"
    )
    browser = Browser()
    answer = browser.post(path_of(invite()), GIVEN)
    assert answer["Location"] == leads_to
    assert browser.get(leads_to).status_code == 200
    assert not Authenticator.objects.exists()


def test_the_command_invites_in_an_administrators_name(gatehouse: World) -> None:
    apply("users: [{username: nora, email: nora@example.com}]")
    said = io.StringIO()
    call_command("invite", "nora", by="alice", stdout=said)
    link = re.search(r"https?://\S+", said.getvalue())
    assert link is not None and accept(re.sub(r"https?://[^/]+", "", link[0])) == 302
    with pytest.raises(CommandError, match="has a password"):
        call_command("invite", "nora", by="alice")
    with pytest.raises(CommandError, match="not an administrator"):
        call_command("invite", "nora", by="bob")
    with pytest.raises(CommandError, match="no person"):
        call_command("invite", "ghost", by="alice")
    apply("users: [{username: otto, email: otto@example.com}]")
    call_command("invite", "otto", by="alice", mail=True, stdout=said)
    assert "otto@example.com is on its way" in said.getvalue()
    without = override_settings(EMAIL_BACKEND="django.core.mail.backends.dummy.EmailBackend")
    with without, pytest.raises(CommandError, match="no mail server"):
        call_command("invite", "otto", by="alice", mail=True)
