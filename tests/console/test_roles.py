"""Who may do what in the console, as one table, asked over HTTP."""

import pytest
from django.urls import reverse

from authz.models import AuditEvent, Authorization, Client, User
from authz.sign_in.roles import allows
from tests.console.conftest import Page
from tests.console.test_agents import terms
from tests.support.world import World, client, submit

pytestmark = pytest.mark.any_database

OK, NO, AWAY = 200, 403, 302


def address(name: str, *args: object) -> str:
    return reverse(f"admin:{name}", args=args)


PAGES = [
    # page, administrator, approver, auditor, developer
    ("index", OK, OK, OK, OK),
    ("authz_client_changelist", OK, OK, OK, OK),
    ("authz_client_add", OK, NO, NO, OK),
    ("authz_protectedresource_changelist", OK, OK, OK, OK),
    ("authz_protectedresource_add", OK, NO, NO, NO),
    ("authz_rule_changelist", OK, OK, OK, NO),
    ("authz_rule_add", OK, NO, NO, NO),
    ("authz_authorization_changelist", OK, OK, OK, NO),
    ("authz_authorization_add", NO, NO, NO, NO),
    ("authz_auditevent_changelist", OK, OK, OK, NO),
    ("authz_auditevent_add", NO, NO, NO, NO),
    ("authz_signingkey_changelist", OK, OK, OK, NO),
    ("authz_signingkey_add", NO, NO, NO, NO),
    ("authz_user_changelist", OK, OK, OK, NO),
    ("authz_user_add", OK, NO, NO, NO),
    ("auth_group_changelist", OK, OK, OK, NO),
    ("simulator", OK, OK, OK, OK),
    ("who_reaches", OK, OK, OK, NO),
    ("reach_matrix", OK, OK, OK, NO),
    ("reach_matrix_export", OK, OK, OK, NO),
    ("story", OK, OK, OK, NO),
    ("switch_overview", OK, OK, OK, NO),
]
ROLES = ("administrator", "approver", "auditor", "developer")


@pytest.mark.parametrize(("page", "role", "status"), [
    (page, role, status) for page, *statuses in PAGES for role, status in zip(ROLES, statuses, strict=True)
])  # fmt: skip
def test_a_role_sees_what_it_may(signed_in: Page, page: str, role: str, status: int) -> None:
    assert signed_in(role).get(address(page)).status_code == status


@pytest.mark.parametrize("page", [page for page, *_ in PAGES])
def test_a_person_without_a_role_is_refused(signed_in: Page, page: str) -> None:
    response = signed_in("none").get(address(page), follow=True)

    assert response.status_code == NO
    assert b"navigation" not in response.content


def test_a_stranger_is_sent_to_the_one_sign_in(gatehouse: World) -> None:
    response = gatehouse.browser.get(address("authz_client_changelist"), follow=True)

    assert response.redirect_chain[-1][0] == "/accounts/login/?next=/console/authz/client/"


@pytest.mark.parametrize(("role", "moved"), [
    ("administrator", True), ("approver", True), ("auditor", False), ("developer", False),
])  # fmt: skip
def test_who_may_approve_an_agent(signed_in: Page, role: str, moved: bool) -> None:
    agent = client("pending-agent")

    submit(signed_in(role), address("authz_client_switch", agent.pk, "approved"), terms())

    assert (client("pending-agent").status == "approved") is moved


@pytest.mark.parametrize(("role", "ended"), [
    ("administrator", True), ("approver", True), ("auditor", False), ("developer", False), ("none", False),
])  # fmt: skip
def test_who_may_end_an_authorization(signed_in: Page, gatehouse: World, role: str, ended: bool) -> None:
    gatehouse.machine_token()
    row = Authorization.objects.get()

    submit(signed_in(role), f"{address('switch', 'authorization')}?id={row.pk}")

    row.refresh_from_db()
    assert (row.revoked is not None) is ended


def test_a_developer_sees_only_agents_of_their_own(signed_in: Page) -> None:
    browser = signed_in("developer")
    erin = User.objects.get(username="erin")
    mine = Client.objects.create(client_id="erins-tool", name="Erin's tool", owner=erin)

    page = browser.get(address("authz_client_changelist")).content.decode()

    assert "erins-tool" in page
    assert "nightly-report" not in page
    assert browser.get(address("authz_client_change", mine.pk)).status_code == OK
    assert browser.get(address("authz_client_change", client("nightly-report").pk)).status_code == AWAY


def test_a_developer_cannot_register_an_approved_agent_or_one_of_another_owner(signed_in: Page) -> None:
    browser = signed_in("developer")
    alice = User.objects.get(username="alice")
    form = {
        "name": "Erin's tool", "client_id": "erins-tool", "grant_types": ["client_credentials"],
        "token_endpoint_auth_method": "client_secret_basic", "status": "approved", "owner": alice.username,
    }  # fmt: skip

    browser.post(address("authz_client_add"), form)

    agent = client("erins-tool")
    assert agent.status == "pending"
    assert agent.owner is not None
    assert agent.owner.username == "erin"


def test_a_developer_cannot_change_what_was_approved(signed_in: Page) -> None:
    browser = signed_in("developer")
    agent = Client.objects.create(client_id="tool", owner=User.objects.get(username="erin"), status="approved")

    response = browser.post(address("authz_client_change", agent.pk), {"name": "Something else"})

    assert response.status_code == NO
    assert client("tool").name == ""


def test_a_switched_off_account_has_no_permission() -> None:
    assert allows("approver", "authz.approve_client")
    assert not allows("none", "authz.view_client")
    assert not allows("", "authz.view_client")
    assert not allows("auditor", "authz.change_client")


@pytest.mark.parametrize("verb", ["get", "post"])
def test_no_role_changes_or_deletes_an_audit_event(signed_in: Page, gatehouse: World, verb: str) -> None:
    gatehouse.machine_token()
    event = AuditEvent.objects.first()
    assert event is not None
    browser = signed_in("administrator")

    deleted = getattr(browser, verb)(address("authz_auditevent_delete", event.pk), {"post": "yes"})
    changed = browser.post(address("authz_auditevent_change", event.pk), {"event": "forged"})

    assert deleted.status_code == NO
    assert changed.status_code == NO
    event.refresh_from_db()
    assert event.event != "forged"
