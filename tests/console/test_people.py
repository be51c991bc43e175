"""A person's page: what needs doing first, where they are signed in and how, and what is ended there."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group
from django.test import Client as Browser
from django.urls import reverse

from authz.configuration import apply
from authz.models import AuditEvent, Authorization, BrowserSession, Client, CutOff, User
from authz.sign_in import invitations, sign_ins
from tests.console.conftest import Page
from tests.support import world
from tests.support.world import World, submit
from xaa.models import SubjectLink, TrustedIssuer

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0"
    " Mobile/15E148 Safari/604.1"
)
PASSWORD = "bobs-long-passphrase"


def page(browser: Browser, username: str = "bob") -> str:
    user = User.objects.get(username=username)
    return browser.get(reverse("admin:authz_user_change", args=[user.pk])).content.decode()


def sign_in(username: str = "bob", user_agent: str = FIREFOX, address: str = "198.51.100.7") -> Browser:
    browser = Browser(HTTP_USER_AGENT=user_agent, REMOTE_ADDR=address)
    browser.post(reverse("account_login"), {"login": username, "password": f"{username}-password"})
    return browser


def digests(username: str = "bob") -> list[str]:
    return list(BrowserSession.objects.filter(user__username=username).values_list("digest", flat=True))


def end_several(*ids: str) -> str:
    return f"{reverse('admin:end_sign_ins')}?{'&'.join(f'id={one}' for one in ids)}"


def test_sign_ins_say_where_with_which_browser_and_how(signed_in: Page) -> None:
    browser = signed_in("auditor")
    sign_in()
    sign_in(user_agent=PHONE, address="2001:db8::7")
    text = page(browser)
    for words in ("Firefox on Windows", "198.51.100.7", "Safari on iPhone", "2001:db8::7", "password"):
        assert words in text
    assert text.index("Safari on iPhone") < text.index("Firefox on Windows")  # the newest first
    assert "End those selected" not in text  # an auditor ends nothing


def test_a_browsers_name_is_never_shown_as_it_was_sent(signed_in: Page) -> None:
    browser = signed_in("administrator")
    sign_in(user_agent="<script>alert(1)</script> Mozilla/9 (secret)")
    assert "an unknown browser" in page(browser)
    assert "alert(1)" not in page(browser) + str(list(BrowserSession.objects.values_list("session_data", flat=True)))


def test_a_second_factor_and_an_issuer_are_named(gatehouse: World) -> None:
    browser = sign_in()
    session = browser.session
    records = session["account_authentication_methods"]
    session["account_authentication_methods"] = [*records, {"method": "mfa", "type": "totp", "at": time.time()}]
    session["sign-in elsewhere"] = {"issuer": "https://idp.example", "amr": ["hwk"]}
    session.save()
    (row,) = sign_ins.of_person(world.person("bob"), datetime.now(UTC))
    assert row.how == "https://idp.example, password, authenticator app, hwk"


def test_several_sign_ins_end_at_once_with_what_rests_on_them(gatehouse: World, signed_in: Page) -> None:
    kept, first = sign_in(), sign_in()
    gatehouse.signed_in_tokens()
    (resting,) = Authorization.objects.filter(revoked=None)
    administrator = signed_in("administrator")
    mine = digests("bob")
    signed_out = [one for one in mine if one == resting.session_digest or _is_of(first, one)]
    preview = administrator.get(end_several(*signed_out)).content.decode()
    assert "1 live authorization." in preview and "End 2 sign-ins" in preview
    assert len(digests("bob")) == len(mine)
    submit(administrator, end_several(*signed_out), {"reason": "a stolen laptop"})
    resting.refresh_from_db()
    assert resting.revoked is not None
    assert (first.get("/account/").status_code, kept.get("/account/").status_code) == (302, 200)
    assert CutOff.objects.filter(kind="session", reason="a stolen laptop").count() == 2
    assert AuditEvent.objects.filter(event="policy:access:cut_off").count() == 2


def _is_of(browser: Browser, digest: str) -> bool:
    from authz.sign_in.session import session_digest

    return session_digest(browser.session.session_key or "") == digest


def test_the_list_of_sign_ins_says_the_same_and_ends_several(signed_in: Page) -> None:
    browser = signed_in("administrator")
    sign_in("bob")
    sign_in("charlie", user_agent=PHONE, address="2001:db8::7")
    listed = reverse("admin:xaa_session_changelist")
    text = browser.get(listed).content.decode()
    for words in ("Firefox on Windows", "198.51.100.7", "Safari on iPhone", "2001:db8::7"):
        assert words in text
    chosen = [*digests("bob"), *digests("charlie")]
    answer = browser.post(listed, {"action": "end_selected", "_selected_action": chosen})
    assert answer["Location"] in {end_several(*chosen), end_several(*reversed(chosen))}
    assert len(digests("bob")) == 1
    submit(browser, answer["Location"], {"reason": ""})
    assert digests("bob") == digests("charlie") == []


@pytest.mark.parametrize("role", ["auditor", "developer", "none"])
def test_other_roles_end_no_sign_in(signed_in: Page, role: str) -> None:
    browser = signed_in(role)
    sign_in("bob")
    before = digests("bob")
    assert browser.post(end_several(*before), {"reason": "x"}).status_code in {302, 403}
    assert digests("bob") == before


def test_a_form_of_another_page_ends_nothing(signed_in: Page) -> None:
    browser = signed_in("administrator")
    sign_in("bob")
    sign_in("bob")
    one, other = digests("bob")
    shown = browser.get(end_several(one)).context["shown_field"]
    browser.post(end_several(one, other), {"reason": "", "shown": shown.split('value="')[1].split('"')[0]})
    assert len(digests("bob")) == 2


@pytest.mark.parametrize("asked", ["?id=nothing", "", "?id=" + "a" * 64])
def test_an_unknown_sign_in_is_no_sign_in(signed_in: Page, asked: str) -> None:
    text = signed_in("administrator").get(f"{reverse('admin:end_sign_ins')}{asked}").content.decode()
    assert "No sign-in was chosen" in text and "danger" not in text


# --- what needs doing first -------------------------------------------------------------------------------------------


def first_of(browser: Browser, username: str) -> list[str]:
    user = User.objects.get(username=username)
    response = browser.get(reverse("admin:authz_user_change", args=[user.pk]))
    return [task.text for task in response.context["attention"]]


def test_what_needs_doing_first(gatehouse: World, signed_in: Page) -> None:
    browser = signed_in("administrator")
    apply("users: [{username: nora}]")
    nora, now = User.objects.get(username="nora"), datetime.now(UTC)
    assert first_of(browser, "nora") == ["Has no password yet"]
    invitations.invite(nora, by="alice", by_subject="", mail=False, now=now)
    assert first_of(browser, "nora") == ["Invited, and has not chosen a password yet"]
    nora.invitations.update(expires=now - timedelta(days=1))
    assert first_of(browser, "nora") == ["The invitation was not used, and no longer works"]
    apply(f"users: [{{username: nora, password: {PASSWORD}, role: administrator}}]")
    assert first_of(browser, "nora") == ["An administrator without a second factor"]


def test_last_seen_is_what_the_person_did_and_not_what_was_done_to_them(signed_in: Page) -> None:
    browser = signed_in("administrator")
    apply("users: [{username: nora}]")
    nora = User.objects.get(username="nora")
    invitations.invite(nora, by="alice", by_subject="", mail=False, now=datetime.now(UTC))
    address = reverse("admin:authz_user_change", args=[nora.pk])
    assert browser.get(address).context["last_seen"] is None
    apply("users: [{username: nora, password: nora-password}]")
    sign_in("nora")
    assert browser.get(address).context["last_seen"] is not None


def test_a_disabled_person_whose_access_goes_on_is_told_first(gatehouse: World, signed_in: Page) -> None:
    gatehouse.signed_in_tokens()
    browser = signed_in("administrator")
    Client.objects.filter(client_id="nightly-report").update(owner=world.person("bob"))
    User.objects.filter(username="bob").update(is_active=False)
    assert first_of(browser, "bob") == ["Disabled, with 1 live authorization", "Disabled, and owns 1 agent"]


def test_groups_say_where_they_come_from(signed_in: Page) -> None:
    browser = signed_in("administrator")
    bob = world.person("bob")
    issuer = TrustedIssuer.objects.create(issuer="https://idp.example", name="Our directory")
    SubjectLink.objects.create(issuer=issuer, subject="b", user=bob, groups=["staff"], given=["staff"])
    bob.groups.add(Group.objects.get_or_create(name="staff")[0])
    own = sorted(set(bob.groups.values_list("name", flat=True)) - {"staff"})
    shown = dict(browser.get(reverse("admin:authz_user_change", args=[bob.pk])).context["groups_from"])
    assert shown == {"staff": "Our directory", **dict.fromkeys(own, "")}


# --- second factors ---------------------------------------------------------------------------------------------------


def factors_of(username: str) -> str:
    return reverse("admin:authz_user_factors", args=[User.objects.get(username=username).pk])


def test_removing_second_factors_signs_the_person_out_and_is_recorded(signed_in: Page) -> None:
    browser, bobs = signed_in("administrator"), sign_in("bob")
    Authenticator.objects.create(user=world.person("bob"), type="totp", data={})
    assert "Authenticator app" in page(browser)
    browser.post(factors_of("bob"))
    assert not Authenticator.objects.exists()
    assert bobs.get("/account/").status_code == 302
    event = AuditEvent.objects.get(event="person:factor:reset")
    assert (event.subject, event.detail["by"], event.detail["factors"]) == (
        str(world.person("bob").subject), "alice", ["totp"],
    )  # fmt: skip


def test_an_administrators_session_alone_does_not_remove_their_own_second_factor(signed_in: Page) -> None:
    """Attack 38: a stolen session would."""
    browser = signed_in("administrator")
    Authenticator.objects.create(user=world.person("alice"), type="totp", data={})
    assert browser.post(factors_of("alice")).status_code == 403
    assert Authenticator.objects.count() == 1


@pytest.mark.parametrize("role", ["approver", "auditor", "developer", "none"])
def test_other_roles_remove_no_second_factor(signed_in: Page, role: str) -> None:
    browser = signed_in(role)
    Authenticator.objects.create(user=world.person("alice"), type="totp", data={})
    assert browser.post(factors_of("alice")).status_code in {302, 403}
    assert Authenticator.objects.count() == 1


# --- one's own --------------------------------------------------------------------------------------------------------


def test_a_person_sees_and_ends_their_own_sign_ins_alone(gatehouse: World) -> None:
    here, there = sign_in("bob"), sign_in("bob", user_agent=PHONE)
    stranger = sign_in("charlie")
    text = here.get(reverse("account_sign_ins")).content.decode()
    assert "Safari on iPhone" in text and "This browser" in text
    everyones = list(BrowserSession.objects.values_list("digest", flat=True))
    here.post(reverse("account_sign_ins"), {"id": everyones})
    assert here.get("/account/").status_code == 200
    assert there.get("/account/").status_code == 302
    assert stranger.get("/account/").status_code == 200
