"""A server passes a call on: it exchanges the token that it was given for one of the next server (RFC 8693)."""

import json

from authz.models import AuditEvent, Authorization
from tests.delegation.chain import ACCESS_TOKEN, ARCHIVE, SEARCH, SECRETS, Chains
from tests.support.world import NOTES, claims, person


def test_the_person_stays_the_subject_and_everyone_on_the_way_is_named(chains: Chains) -> None:
    first = chains.first()
    response = json.loads(chains.pass_on(first).content)
    # > issued_token_type: REQUIRED (RFC 8693 §2.2.1)
    assert response["issued_token_type"] == ACCESS_TOKEN
    assert response["token_type"] == "Bearer"
    assert response["scope"] == "search:read"
    assert "refresh_token" not in response
    second = claims(response["access_token"])
    assert second["sub"] == str(person("bob").subject)
    assert second["client_id"] == "notes-server"
    assert second["aud"] == SEARCH
    assert [second["act"]["sub"], second["act"]["act"]["sub"]] == ["notes-server", "desktop-app"]
    assert second["auth_time"] == claims(first)["auth_time"]
    third = claims(chains.third(response["access_token"]))
    assert third["sub"] == second["sub"]
    assert third["act"]["sub"] == "search-server"
    assert third["act"]["act"] == second["act"]
    assert third["aud"] == ARCHIVE
    assert third["exp"] <= second["exp"] <= claims(first)["exp"]


def test_the_next_server_sees_the_chain_at_introspection(chains: Chains) -> None:
    third = chains.third()
    answer = chains.introspect(third, basic=("archive-server", SECRETS["archive-server"]))
    assert answer["active"] is True
    assert answer["username"] == "bob"
    assert answer["act"] == claims(third)["act"]
    # Another server learns nothing about it.
    assert chains.introspect(third) == {"active": False}


def test_each_hop_is_an_authorization_under_its_parent_and_serves_again(chains: Chains) -> None:
    first = chains.first()
    second, again = chains.second(first), chains.second(first)
    assert claims(second)["authorization"] == claims(again)["authorization"]
    hop = Authorization.objects.get(pk=claims(second)["authorization"])
    assert str(hop.parent_id) == claims(first)["authorization"]
    assert hop.user == person("bob")
    wider = chains.second(chains.first("mcp:read mcp:write"))
    assert claims(wider)["scope"] == "search:read search:index"


def test_an_agent_that_acts_for_itself_stays_the_subject_of_its_chain(chains: Chains) -> None:
    first = chains.machine_token(resource=NOTES)["access_token"]
    second = claims(chains.second(first))
    assert second["sub"] == claims(first)["sub"] == "nightly-report"
    assert second["act"]["act"]["sub"] == "nightly-report"
    assert chains.is_live(chains.second(first), "search-server")
    event = AuditEvent.objects.filter(event="token:access:issued", client_id="notes-server").latest("id")
    assert event.subject == ""
    # Its own authorization at Search is another one, and both stand beside each other.
    assert Authorization.objects.filter(parent=None, client__client_id="nightly-report").count() == 1


def test_an_exchange_is_audited_with_what_it_rests_on(chains: Chains) -> None:
    first = chains.first()
    second = chains.second(first)
    event = AuditEvent.objects.filter(event="token:access:issued", client_id="notes-server").latest("id")
    assert event.authorization == claims(second)["authorization"]
    assert event.detail["subject_jti"] == claims(first)["jti"]
    assert event.detail["parent"] == claims(first)["authorization"]
    assert event.detail["through"] == ["desktop-app"]
    assert event.detail["rules"] == ["Notes asks Search"]
    assert first not in json.dumps(event.detail)
