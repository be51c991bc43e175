"""Asks across apps that wait for a human: nothing is used up meanwhile, and the same request then works."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from authz.approvals import voting
from authz.models import AccessRequest, Rule
from tests.support.world import NOTES, person
from tests.xaa.company import AGENT, CHAT_MCP, TOKEN_EXCHANGE, Company, refused


def ask_first(*, resource: str, scopes: list[str], machines: bool = False) -> None:
    definition = {"clients": ["*"], "grant_types": ["*"], "resources": [resource], "scopes": scopes}
    if not machines:
        definition["groups"] = ["*"]
    Rule.objects.create(name="Ask a human first", effect="require_approval", definition=definition)


def waits(response: Any) -> AccessRequest:
    assert refused(response) == (400, "authorization_pending")
    answer = json.loads(response.content)
    assert answer["error_uri"].endswith(f"/account/requests/{answer['access_request']}")
    return AccessRequest.objects.get(pk=answer["access_request"])


def approve(row: AccessRequest) -> None:
    now = datetime.now(UTC)
    ends = now + timedelta(hours=1)
    voting.approve(row, by=person("alice"), scopes=row.scopes, expires=ends, comment="", now=now)


def test_an_id_jag_waits_and_is_then_redeemed_once(company: Company, settings: Any) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"REFRESH_REUSE_WINDOW": 0}
    ask_first(resource=NOTES, scopes=["mcp:read"])
    assertion = company.idp.id_jag(jti="one")

    row = waits(company.redeem_assertion(assertion))
    assert row.user == person("bob")
    assert waits(company.redeem_assertion(assertion)) == row
    approve(row)
    redeemed = company.redeem_assertion(assertion)
    assert redeemed.status_code == 200
    assert company.introspect(json.loads(redeemed.content)["access_token"])["active"] is True
    assert refused(company.redeem_assertion(assertion)) == (400, "invalid_grant")

    # The approval's end is seen by introspection at once.
    AccessRequest.objects.update(expires=datetime.now(UTC) - timedelta(seconds=1))
    assert company.introspect(json.loads(redeemed.content)["access_token"]) == {"active": False}


def test_an_id_jag_is_not_issued_before_its_approval(company: Company) -> None:
    ask_first(resource=CHAT_MCP, scopes=["chat.history"])
    id_token = company.login()["id_token"]

    row = waits(company.exchange(id_token, scope="chat.read chat.history"))
    assert (row.user, row.resource, row.grant_type) == (person("bob"), CHAT_MCP, TOKEN_EXCHANGE)
    assert row.scopes == ["chat.history"]
    # What needs no approval is to be had meanwhile, by an ask for it alone.
    assert json.loads(company.exchange(id_token, scope="chat.read").content)["scope"] == "chat.read"

    approve(row)
    issued = json.loads(company.exchange(id_token, scope="chat.read chat.history").content)
    assert issued["scope"] == "chat.read chat.history"

    AccessRequest.objects.update(expires=datetime.now(UTC) + timedelta(seconds=90))
    assert json.loads(company.exchange(id_token, scope="chat.history").content)["expires_in"] <= 90
    AccessRequest.objects.update(expires=datetime.now(UTC) - timedelta(seconds=1))
    assert waits(company.exchange(id_token, scope="chat.history")) != row


def test_a_workload_waits_and_the_same_assertion_then_works_once(company: Company) -> None:
    ask_first(resource=NOTES, scopes=["mcp:read"], machines=True)
    assertion = company.idp.workload()

    row = waits(company.redeem_assertion(assertion, basic=None))
    assert (row.client.client_id, row.user) == ("wif-workload", None)
    approve(row)
    redeemed = company.redeem_assertion(assertion, basic=None)
    assert redeemed.status_code == 200
    assert company.introspect(json.loads(redeemed.content)["access_token"])["active"] is True
    assert refused(company.redeem_assertion(assertion, basic=None)) == (400, "invalid_grant")

    AccessRequest.objects.update(expires=datetime.now(UTC) - timedelta(seconds=1))
    assert company.introspect(json.loads(redeemed.content)["access_token"]) == {"active": False}


def test_an_approval_across_apps_is_none_for_signing_in(company: Company) -> None:
    """It covers the grant that asked, and no other way to the same server."""
    ask_first(resource=NOTES, scopes=["mcp:read"])
    approve(waits(company.redeem_assertion(company.idp.id_jag())))
    company.sign_in("bob")
    assert company.ask(client_id=AGENT[0]).status_code == 403
    assert AccessRequest.objects.get(status="open").grant_type == "authorization_code"
