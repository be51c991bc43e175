"""An ID-JAG whose ask waits for a human: it isn't used up, and the same one is redeemed once it is approved."""

import json
from datetime import UTC, datetime, timedelta

from authz import access_requests
from authz.models import AccessRequest, Rule
from tests.support.world import NOTES, person
from tests.xaa.company import Company, refused


def test_an_id_jag_waits_and_is_then_redeemed_once(company: Company) -> None:
    definition = {"clients": ["*"], "groups": ["*"], "grant_types": ["*"], "resources": [NOTES], "scopes": ["mcp:read"]}
    Rule.objects.create(name="Ask a human first", effect="require_approval", definition=definition)
    assertion = company.idp.id_jag(jti="one")

    answer = json.loads(company.redeem_assertion(assertion).content)
    assert answer["error"] == "authorization_pending"
    row = AccessRequest.objects.get(pk=answer["access_request"])
    assert row.user == person("bob")

    now = datetime.now(UTC)
    access_requests.approve(
        row, by=person("alice"), scopes=row.scopes, expires=now + timedelta(hours=1), comment="", now=now
    )
    redeemed = company.redeem_assertion(assertion)
    assert redeemed.status_code == 200
    assert company.introspect(json.loads(redeemed.content)["access_token"])["active"] is True
    assert refused(company.redeem_assertion(assertion)) == (400, "invalid_grant")

    # The approval's end is seen by introspection at once.
    AccessRequest.objects.update(expires=datetime.now(UTC) - timedelta(seconds=1))
    assert company.introspect(json.loads(redeemed.content)["access_token"]) == {"active": False}
