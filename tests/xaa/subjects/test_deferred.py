"""Requests across apps that are deferred: what they presented counts as of its arrival, all else as of the poll."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from authz.approvals import voting
from authz.grants.deferred import GRANT_TYPE
from authz.models import AccessRequest, Client, Deferral, Rule, UsedAssertion
from authz.operations import housekeeping
from tests.support.world import NOTES, person
from tests.xaa.company import AGENT, CHAT_MCP, Company, refused
from xaa.models import SubjectLink, TrustedIssuer

HOURS = 3 * 3600


@pytest.fixture
def waiting(company: Company, settings: Any) -> Company:
    """Everything has to wait for an approval, at Notes and at Chat."""
    settings.GATEHOUSE = settings.GATEHOUSE | {"REFRESH_REUSE_WINDOW": 0}
    scopes = ["mcp:read", "chat.read"]
    for name, subjects in (("People", {"groups": ["*"]}), ("Machines", {})):
        definition = {
            "clients": ["*"],
            "grant_types": ["*"],
            "resources": [NOTES, CHAT_MCP],
            "scopes": scopes,
        } | subjects
        Rule.objects.create(name=name, effect="require_approval", definition=definition)
    return company


def later(monkeypatch: pytest.MonkeyPatch, delay: float) -> None:
    monkeypatch.setattr("authz.endpoints.token.now", lambda: time.time() + delay)


def deferred(response: Any) -> str:
    assert refused(response) == (400, "authorization_pending")
    return str(json.loads(response.content)["deferral_code"])


def poll(company: Company, code: str) -> Any:
    Deferral.objects.update(polled=None)
    return company.token(basic=AGENT, grant_type=GRANT_TYPE, deferral_code=code)


def approve(lasts: timedelta = timedelta(days=2)) -> None:
    row, now = AccessRequest.objects.get(status="open"), datetime.now(UTC)
    voting.approve(row, by=person("alice"), scopes=row.scopes, expires=now + lasts, comment="", now=now)


def test_an_id_jag_outlives_the_wait(waiting: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    assertion = waiting.idp.id_jag()
    code = deferred(waiting.redeem_assertion(assertion, completion_mode="deferred"))
    approve()
    later(monkeypatch, HOURS)

    answer = json.loads(poll(waiting, code).content)

    assert (answer["scope"], answer["resource"]) == ("mcp:read", NOTES)
    assert refused(poll(waiting, code)) == (400, "invalid_grant")


def test_a_kept_id_jag_is_used_up(waiting: Company) -> None:
    """Beside its deferral it opens nothing, and the deferral opens one door."""
    assertion = waiting.idp.id_jag()
    code = deferred(waiting.redeem_assertion(assertion, completion_mode="deferred"))
    # The answer was lost: the same request has the same code.
    assert deferred(waiting.redeem_assertion(assertion, completion_mode="deferred")) == code
    assert refused(waiting.redeem_assertion(assertion)) == (400, "invalid_grant")
    approve()
    assert refused(waiting.redeem_assertion(assertion)) == (400, "invalid_grant")
    assert poll(waiting, code).status_code == 200
    assert refused(waiting.redeem_assertion(assertion)) == (400, "invalid_grant")


def test_a_kept_id_jag_is_not_free_again_after_housekeeping(waiting: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    code = deferred(waiting.redeem_assertion(waiting.idp.id_jag(), completion_mode="deferred"))
    approve()
    UsedAssertion.objects.update(expires=datetime.now(UTC) - timedelta(hours=1))
    housekeeping.run()
    assert not UsedAssertion.objects.exists()
    assert poll(waiting, code).status_code == 200
    assert refused(poll(waiting, code)) == (400, "invalid_grant")


def test_a_used_id_jag_is_not_kept(waiting: Company) -> None:
    rules = Rule.objects.filter(effect="require_approval")
    rules.update(enabled=False)
    assertion = waiting.idp.id_jag()
    assert waiting.redeem_assertion(assertion).status_code == 200
    rules.update(enabled=True)
    assert refused(waiting.redeem_assertion(assertion, completion_mode="deferred")) == (400, "invalid_grant")
    assert not Deferral.objects.exists()


def test_an_exchange_outlives_the_id_token(waiting: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    id_token = waiting.idp.id_token()
    code = deferred(waiting.exchange(id_token, completion_mode="deferred"))
    approve()
    later(monkeypatch, HOURS)

    answer = json.loads(poll(waiting, code).content)

    assert (answer["scope"], answer["token_type"]) == ("chat.read", "N_A")
    assert refused(waiting.exchange(id_token)) == (400, "invalid_grant")
    assert refused(poll(waiting, code)) == (400, "invalid_grant")


def test_a_workload_outlives_its_assertion(waiting: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that proves itself besides: the assertion alone is no proof at the poll."""
    Client.objects.filter(client_id=AGENT[0]).update(grant_types=["urn:ietf:params:oauth:grant-type:jwt-bearer"])
    workload = TrustedIssuer.objects.get().workloads.first()
    assert workload is not None
    workload.subject, workload.client = "job", Client.objects.get(client_id=AGENT[0])
    workload.save()
    rule = Rule.objects.get(name="Workloads read notes")
    rule.definition["clients"].append(AGENT[0])
    rule.save()
    assertion = waiting.idp.workload(sub="job")
    code = deferred(waiting.redeem_assertion(assertion, completion_mode="deferred"))
    approve()
    assert refused(waiting.redeem_assertion(assertion)) == (400, "invalid_grant")
    later(monkeypatch, HOURS)
    assert json.loads(poll(waiting, code).content)["scope"] == "mcp:read"


def test_a_refresh_is_deferred(waiting: Company) -> None:
    rules = Rule.objects.filter(effect="require_approval")
    rules.update(enabled=False)
    Rule.objects.filter(name="Engineers use agents on Notes").update(enabled=True)
    given = waiting.login(scope="mcp:read", resource=NOTES)
    rules.update(enabled=True)
    asked = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"]}
    code = deferred(waiting.token(basic=AGENT, **asked, completion_mode="deferred"))
    approve()
    answer = json.loads(poll(waiting, code).content)
    assert answer["refresh_token"] != given["refresh_token"]
    assert refused(poll(waiting, code)) == (400, "invalid_grant")


@pytest.mark.parametrize("what", ["issuer", "person", "link", "client's keys", "rule"])
def test_what_is_withdrawn_meanwhile_is_not_given(waiting: Company, what: str) -> None:
    waiting.idp_link("bob")
    code = deferred(waiting.redeem_assertion(waiting.idp.id_jag(email=None), completion_mode="deferred"))
    approve()
    if what == "issuer":
        TrustedIssuer.objects.update(accepts=[])
    elif what == "person":
        bob = person("bob")
        bob.is_active = False
        bob.save()
    elif what == "link":
        SubjectLink.objects.all().delete()
    elif what == "rule":
        everybody = {"clients": ["*"], "groups": ["*"], "grant_types": ["*"], "resources": [NOTES], "scopes": ["*"]}
        Rule.objects.create(name="No one any more", effect="deny", definition=everybody)
    else:
        Client.objects.filter(client_id=AGENT[0]).update(grant_types=["authorization_code"])
    assert refused(poll(waiting, code)) == (400, "access_denied")
    assert refused(poll(waiting, code)) == (400, "access_denied")


def test_keys_that_cannot_be_had_end_nothing(waiting: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    from authz.protocol.errors import OAuthError
    from xaa.reasons import Reason

    code = deferred(waiting.redeem_assertion(waiting.idp.id_jag(), completion_mode="deferred"))
    approve()

    def unreachable(*args: Any) -> Any:
        raise OAuthError(Reason.ISSUER_KEYS_UNAVAILABLE)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("xaa.trusted_issuers.keys_for", unreachable)
        assert refused(poll(waiting, code)) == (503, "temporarily_unavailable")
    assert poll(waiting, code).status_code == 200
