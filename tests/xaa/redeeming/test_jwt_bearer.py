"""Redeeming ID-JAGs and workload assertions at the token endpoint, end to end."""

import json
import time
from typing import Any

import pytest

from authz.authorizations import AuthorizationReference, machine
from authz.authorizations.machine import MachineGrant
from authz.conf import conf
from authz.models import AuditEvent, Authorization, Client, Rule, User
from tests.support.world import NOTES, PAYROLL, claims, person, without_reference
from tests.xaa.company import AGENT, CHARLIES_AGENT, IDP, JWT_BEARER, Company, refused
from xaa.models import SubjectLink, TrustedIssuer, WorkloadBinding


def test_an_id_jag_becomes_an_access_token_for_its_resource(company: Company) -> None:
    response = company.redeem_assertion(company.idp.id_jag(jti="one", acr="mfa", amr=["pwd", "otp"]))
    assert response.status_code == 200, response.content
    body = json.loads(response.content)
    assert set(body) == {"access_token", "token_type", "expires_in", "scope", "resource"}  # no refresh token
    assert body["resource"] == NOTES
    assert body["token_type"] == "Bearer"
    assert body["scope"] == "mcp:read"
    token = claims(body["access_token"])
    assert token["aud"] == NOTES
    assert token["sub"] == str(person("bob").subject)
    assert token["client_id"] == AGENT[0]
    assert token["acr"] == "mfa"
    assert token["amr"] == ["pwd", "otp"]
    assert company.introspect(body["access_token"])["active"] is True


def test_the_token_knows_its_id_jag(company: Company) -> None:
    body = json.loads(company.redeem_assertion(company.idp.id_jag(jti="one")).content)
    authorization = Authorization.objects.get(pk=claims(body["access_token"])["authorization"])
    assert authorization.lineage == {"issuer": IDP, "tenant": "", "sub": "bob-at-idp", "assertion_jti": "one"}
    event = AuditEvent.objects.filter(event="token:access:issued", client_id=AGENT[0]).get()
    assert event.detail["assertion_jti"] == "one"
    assert event.detail["issuer"] == IDP
    assert event.detail["rules"] == ["Engineers reach Notes across apps"]


def test_scopes_are_narrowed_to_what_policy_allows(company: Company) -> None:
    body = json.loads(company.redeem_assertion(company.idp.id_jag(scope="mcp:read mcp:write other")).content)
    assert body["scope"] == "mcp:read"


def test_without_a_scope_in_the_id_jag_policy_decides(company: Company) -> None:
    body = json.loads(company.redeem_assertion(company.idp.id_jag(scope=None)).content)
    assert body["scope"] == "mcp:read"


@pytest.mark.parametrize(
    ("changes", "params", "answer"),
    [
        ({}, {"scope": "mcp:write"}, (400, "invalid_scope")),  # not in the assertion
        ({"scope": "payroll:read"}, {}, (400, "invalid_scope")),  # nothing of it exists here
        ({"scope": "mcp:write"}, {}, (400, "invalid_grant")),  # exists, and is denied to the person
        ({}, {"resource": PAYROLL}, (400, "invalid_target")),  # not in the assertion
        ({"resource": "https://unknown.example/mcp"}, {}, (400, "invalid_grant")),
        ({"resource": "https://unknown.example/mcp"}, {"resource": NOTES}, (400, "invalid_grant")),
        ({"resource": []}, {}, (400, "invalid_grant")),
        ({"resource": []}, {"resource": NOTES}, (400, "invalid_grant")),
        ({"resource": ""}, {"resource": NOTES}, (400, "invalid_grant")),
        ({"resource": "not a URI"}, {}, (400, "invalid_grant")),
        ({"resource": "urn:notes"}, {}, (400, "invalid_grant")),
        ({}, {"resource": "https://unknown.example/mcp"}, (400, "invalid_target")),
        ({}, {"resource": "not a URI"}, (400, "invalid_target")),
        ({"resource": None}, {"resource": "https://unknown.example/mcp"}, (400, "invalid_target")),
        ({"resource": None}, {"resource": f"{NOTES} {PAYROLL}"}, (400, "invalid_target")),
        ({"resource": [NOTES, PAYROLL]}, {}, (400, "invalid_target")),  # which of them?
        ({"authorization_details": [{"type": "x"}]}, {}, (400, "invalid_authorization_details")),
        ({"cnf": {"jkt": "x"}}, {}, (400, "invalid_grant")),
    ],
)
def test_nothing_is_broadened(
    company: Company, changes: dict[str, Any], params: dict[str, Any], answer: tuple[int, str]
) -> None:
    assert refused(company.redeem_assertion(company.idp.id_jag(**changes), **params)) == answer


def test_a_request_picks_one_of_several_resources(company: Company) -> None:
    response = company.redeem_assertion(company.idp.id_jag(resource=[PAYROLL, NOTES]), resource=NOTES)
    assert claims(json.loads(response.content)["access_token"])["aud"] == NOTES


def test_only_a_request_with_an_assertion_is_one(company: Company) -> None:
    assert refused(company.token(basic=AGENT, grant_type=JWT_BEARER)) == (400, "invalid_request")


def test_an_unknown_and_a_denied_person_get_the_same_answer(company: Company) -> None:
    company.idp_link("charlie")
    unknown = company.redeem_assertion(company.idp.id_jag(sub="nobody", email=None))
    denied = company.redeem_assertion(company.idp.id_jag(sub="charlie-at-idp", email=None))
    untrusted = company.redeem_assertion(company.idp.id_jag(iss="https://other.example"))
    assert unknown.status_code == denied.status_code == untrusted.status_code == 400
    assert without_reference(unknown) == without_reference(denied) == without_reference(untrusted)


def test_a_verified_address_links_the_person_once(company: Company) -> None:
    company.redeem_assertion(company.idp.id_jag())
    link = SubjectLink.objects.get()
    assert (link.subject, link.user) == ("bob-at-idp", person("bob"))
    # From now on the identity counts, not the address.
    User.objects.filter(username="bob").update(email="robert@example.com")
    assert company.redeem_assertion(company.idp.id_jag()).status_code == 200


def test_unlinking_works_at_once(company: Company) -> None:
    TrustedIssuer.objects.get().links.create(subject="bob-at-idp", user=person("bob"))
    token = json.loads(company.redeem_assertion(company.idp.id_jag(email=None)).content)["access_token"]
    SubjectLink.objects.get().delete()
    assert company.introspect(token) == {"active": False}
    assert refused(company.redeem_assertion(company.idp.id_jag(email=None))) == (400, "invalid_grant")


def test_deactivating_a_person_works_at_once(company: Company) -> None:
    token = json.loads(company.redeem_assertion(company.idp.id_jag()).content)["access_token"]
    bob = person("bob")
    bob.is_active = False
    bob.save()
    assert company.introspect(token) == {"active": False}
    assert refused(company.redeem_assertion(company.idp.id_jag())) == (400, "invalid_grant")


def test_leaving_the_group_works_at_once(company: Company) -> None:
    token = json.loads(company.redeem_assertion(company.idp.id_jag()).content)["access_token"]
    person("bob").groups.clear()
    assert company.introspect(token) == {"active": False}


def test_disabling_an_issuer_ends_everything_under_it(company: Company) -> None:
    token = json.loads(company.redeem_assertion(company.idp.id_jag()).content)["access_token"]
    waiting = company.idp.id_jag()
    issuer = TrustedIssuer.objects.get()
    issuer.enabled = False
    issuer.save()
    assert company.introspect(token) == {"active": False}
    assert refused(company.redeem_assertion(waiting)) == (400, "invalid_grant")
    issuer.enabled = True
    issuer.save()
    assert company.introspect(token) == {"active": False}  # what was ended stays ended
    assert company.redeem_assertion(waiting).status_code == 200  # nothing was burnt


def test_removing_the_rule_ends_what_it_allowed(company: Company) -> None:
    token = json.loads(company.redeem_assertion(company.idp.id_jag()).content)["access_token"]
    Rule.objects.get(name="Engineers reach Notes across apps").delete()
    assert company.introspect(token) == {"active": False}


def test_suspending_the_agent_ends_what_it_has(company: Company) -> None:
    token = json.loads(company.redeem_assertion(company.idp.id_jag()).content)["access_token"]
    client = Client.objects.get(client_id=AGENT[0])
    client.status = "suspended"
    client.save()
    assert company.introspect(token) == {"active": False}
    assert refused(company.redeem_assertion(company.idp.id_jag())) == (400, "unauthorized_client")


# --- Just-in-time creation and groups ----------------------------------------------------------------------------


def configure(**fields: Any) -> None:
    issuer = TrustedIssuer.objects.get()
    for name, value in fields.items():
        setattr(issuer, name, value)
    issuer.save()


def test_a_person_is_made_only_where_that_is_allowed(company: Company) -> None:
    configure(match=["sub"], groups_claim="groups")
    newcomer = {"sub": "dora-at-idp", "email": "dora@example.com", "groups": ["engineering"]}
    assert refused(company.redeem_assertion(company.idp.id_jag(**newcomer))) == (400, "invalid_grant")
    configure(create=True)
    response = company.redeem_assertion(company.idp.id_jag(**newcomer))
    assert response.status_code == 200, response.content
    dora = User.objects.get(email="dora@example.com")
    assert dora.has_usable_password() is False
    assert dora.role == User.Role.NONE
    assert [group.name for group in dora.groups.all()] == ["engineering"]
    again = company.redeem_assertion(company.idp.id_jag(**newcomer))
    assert claims(json.loads(again.content)["access_token"])["sub"] == str(dora.subject)


def test_groups_are_what_the_issuer_says_and_nothing_else_is_taken_away(company: Company) -> None:
    configure(groups_claim="groups")
    company.redeem_assertion(company.idp.id_jag(groups=["sales", "support"]))
    assert {group.name for group in person("bob").groups.all()} == {"engineering", "sales", "support"}
    company.redeem_assertion(company.idp.id_jag(groups=["support"]))
    assert {group.name for group in person("bob").groups.all()} == {"engineering", "support"}
    company.redeem_assertion(company.idp.id_jag())  # silence is not "none"
    assert {group.name for group in person("bob").groups.all()} == {"engineering", "support"}
    company.redeem_assertion(company.idp.id_jag(groups=[]))
    assert {group.name for group in person("bob").groups.all()} == {"engineering"}


def test_groups_are_not_read_from_a_claim_that_is_not_named(company: Company) -> None:
    company.redeem_assertion(company.idp.id_jag(groups=["administrators"]))
    assert {group.name for group in person("bob").groups.all()} == {"engineering"}


# --- Workloads ---------------------------------------------------------------------------------------------------


def test_a_workload_needs_no_secret(company: Company) -> None:
    response = company.redeem_assertion(company.idp.workload(), basic=None, client_id="wif-workload", scope="mcp:read")
    assert response.status_code == 200, response.content
    token = claims(json.loads(response.content)["access_token"])
    assert token["sub"] == token["client_id"] == "wif-workload"
    assert token["aud"] == NOTES
    assert company.introspect(json.loads(response.content)["access_token"])["active"] is True


def test_a_workload_need_not_say_which_client_it_is(company: Company) -> None:
    response = company.redeem_assertion(company.idp.workload(), basic=None)
    assert response.status_code == 200, response.content
    assert claims(json.loads(response.content)["access_token"])["client_id"] == "wif-workload"


NOW = int(time.time())


@pytest.mark.parametrize(
    ("changes", "params", "answer"),
    [
        ({"exp": NOW - 60, "iat": NOW - 600}, {}, (400, "invalid_grant")),
        ({"exp": None}, {}, (400, "invalid_grant")),
        ({"exp": NOW + 90_000}, {}, (400, "invalid_grant")),
        ({"aud": "https://wrong.example"}, {}, (400, "invalid_grant")),
        ({"aud": None}, {}, (400, "invalid_grant")),
        ({"sub": "spiffe://test/other"}, {}, (400, "invalid_grant")),
        ({"iss": "https://other.example"}, {}, (400, "invalid_grant")),
        ({"cnf": {"x5t#S256": "a"}}, {}, (400, "invalid_grant")),
        ({}, {"scope": "mcp:write"}, (400, "invalid_scope")),
        ({}, {"scope": "nothing:here"}, (400, "invalid_scope")),
        ({}, {"client_id": "reusing-workload"}, (400, "unauthorized_client")),
        ({}, {"client_id": "public-agent"}, (400, "unauthorized_client")),
        ({}, {"client_id": "nobody"}, (401, "invalid_client")),
        ({}, {"client_id": AGENT[0]}, (401, "invalid_client")),  # a confidential one has to prove itself
    ],
)
def test_a_workload_is_refused_by_the_specifications_codes(
    company: Company, changes: dict[str, Any], params: dict[str, Any], answer: tuple[int, str]
) -> None:
    request = {"client_id": "wif-workload"} | params
    assert refused(company.redeem_assertion(company.idp.workload(**changes), basic=None, **request)) == answer


@pytest.mark.parametrize("audience", ["{issuer}", "{issuer}/", ["{issuer}"]])
def test_both_spellings_of_our_issuer_mean_us_to_a_workload(company: Company, audience: Any) -> None:
    named = [conf.issuer] if isinstance(audience, list) else audience.format(issuer=conf.issuer)
    assert company.redeem_assertion(company.idp.workload(aud=named), basic=None).status_code == 200


def test_a_workload_assertion_is_good_once_unless_its_client_may_reuse_it(company: Company) -> None:
    once = company.idp.workload()
    assert company.redeem_assertion(once, basic=None).status_code == 200
    assert refused(company.redeem_assertion(once, basic=None)) == (400, "invalid_grant")
    without_jti = company.idp.workload(jti=None)
    assert company.redeem_assertion(without_jti, basic=None).status_code == 200
    assert refused(company.redeem_assertion(without_jti, basic=None)) == (400, "invalid_grant")
    projected = company.idp.workload(sub="repo:acme/app:ref:refs/heads/main", environment="production")
    assert company.redeem_assertion(projected, basic=None).status_code == 200
    assert company.redeem_assertion(projected, basic=None).status_code == 200


def test_a_workload_whose_authorization_another_request_made_first_gets_its_token(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, overtaken = machine.plan, []

    def plan_and_be_overtaken(grant: MachineGrant) -> AuthorizationReference:
        planned = plan(grant)
        if not overtaken:
            overtaken.append(machine.find_or_make(grant))
        return planned

    monkeypatch.setattr(machine, "plan", plan_and_be_overtaken)
    assertion = company.idp.workload()
    response = company.redeem_assertion(assertion, basic=None)
    assert response.status_code == 200
    (other,) = overtaken
    assert claims(json.loads(response.content)["access_token"])["authorization"] == str(other.id)
    # The claim of the attempt that was rolled back is not left behind, and that of the second one is.
    assert refused(company.redeem_assertion(assertion, basic=None)) == (400, "invalid_grant")


def test_a_workload_must_have_the_claims_that_its_binding_asks_for(company: Company) -> None:
    staging = company.idp.workload(sub="repo:acme/app:ref:refs/heads/main", environment="staging")
    assert refused(company.redeem_assertion(staging, basic=None)) == (400, "invalid_grant")


def test_removing_a_binding_ends_what_the_workload_has(company: Company) -> None:
    token = json.loads(company.redeem_assertion(company.idp.workload(), basic=None).content)["access_token"]
    assert company.introspect(token)["active"] is True
    WorkloadBinding.objects.get(client__client_id="wif-workload").delete()
    assert company.introspect(token) == {"active": False}


def test_the_metadata_says_what_is_plugged_in(company: Company) -> None:
    document = json.loads(company.browser.get("/.well-known/oauth-authorization-server/o").content)
    assert document["authorization_grant_profiles_supported"] == ["urn:ietf:params:oauth:grant-profile:id-jag"]
    assert JWT_BEARER in document["grant_types_supported"]
    assert document["identity_chaining_requested_token_types_supported"] == ["urn:ietf:params:oauth:token-type:id-jag"]
    assert document["userinfo_endpoint"] == f"{conf.issuer}/userinfo"
    assert document["end_session_endpoint"] == f"{conf.issuer}/logout"
    assert "openid" in document["scopes_supported"]
    # > MUST NOT use `authorization_grant_profiles_supported` to disclose issuer allow lists (ID-JAG §8.4)
    assert IDP not in json.dumps(document)


def test_another_client_cannot_redeem_it(company: Company) -> None:
    assert refused(company.redeem_assertion(company.idp.id_jag(), basic=CHARLIES_AGENT)) == (400, "invalid_grant")
