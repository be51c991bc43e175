"""`apply` and `export` of trusted issuers and resource authorization servers."""

import json
from typing import Any

import pytest
import yaml

from authz.conf import conf
from authz.configuration import ConfigurationError, apply, export
from authz.models import Authorization
from tests.support.world import NOTES
from tests.xaa.company import CONFIGURATION, IDP, Company
from xaa.models import ResourceAuthorizationServer, TrustedIssuer, WorkloadBinding

DESIGN = f"""
clients:
  - client_id: workload
    status: approved
    grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    token_endpoint_auth_method: none
trusted_issuers:
  - issuer: http://127.0.0.1:9300
    name: Corporate IdP
    jwks_uri: http://127.0.0.1:9300/jwks
    accepts: [id-jag, id_token, workload]
    subjects: {{match: [sub], create: true}}
    client_ids: {{their-client-id: our-client-id}}
    workloads: [{{subject: "spiffe://test/workload", client_id: workload}}]
resource_authorization_servers:
  - issuer: https://auth.chat.example/
    name: Chat
    resources: [{{identifier: https://mcp.chat.example/, scopes: [chat.read, chat.history]}}]
    client_ids: {{our-client-id: their-client-id}}
rules:
  - {{name: R, effect: allow, clients: [workload], resources: ["{NOTES}"], scopes: ["*"]}}
"""


def test_it_reads_the_design(gatehouse: object) -> None:
    apply(DESIGN)
    issuer = TrustedIssuer.objects.get()
    assert issuer.accepts == ["id-jag", "id_token", "workload"]
    assert (issuer.match, issuer.create) == (["sub"], True)
    assert issuer.client_ids == {"their-client-id": "our-client-id"}
    assert issuer.workloads.get().client.client_id == "workload"
    server = ResourceAuthorizationServer.objects.get()
    assert server.resources.get().scopes == ["chat.read", "chat.history"]
    assert server.client_ids == {"our-client-id": "their-client-id"}


def test_applying_again_changes_nothing(gatehouse: object) -> None:
    apply(CONFIGURATION)
    bindings = set(WorkloadBinding.objects.values_list("pk", flat=True))
    assert apply(CONFIGURATION) == []
    assert set(WorkloadBinding.objects.values_list("pk", flat=True)) == bindings


def test_what_is_exported_can_be_applied(gatehouse: object) -> None:
    apply(CONFIGURATION)
    exported = yaml.safe_load(export())
    sections = {name: exported[name] for name in ("trusted_issuers", "resource_authorization_servers")}
    assert sections["trusted_issuers"][0]["issuer"] == IDP
    TrustedIssuer.objects.all().delete()
    ResourceAuthorizationServer.objects.all().delete()
    apply(yaml.safe_dump(sections))
    assert yaml.safe_load(export()) == exported


def test_an_issuer_that_says_nothing_is_believed_in_nothing(gatehouse: object) -> None:
    apply("trusted_issuers: [{issuer: https://idp.example}]")
    issuer = TrustedIssuer.objects.get()
    assert (issuer.accepts, issuer.match, issuer.create, issuer.enabled) == ([], ["sub"], False, True)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("trusted_issuers: [{issuer: idp.example}]", "https"),
        ("trusted_issuers: [{issuer: 'https://idp.example#x'}]", "fragment"),
        ("trusted_issuers: [{issuer: https://i.example, accepts: [everything]}]", "everything"),
        ("trusted_issuers: [{issuer: https://i.example, subjects: {match: [name]}}]", "name"),
        ("trusted_issuers: [{issuer: https://i.example, trust: all}]", "trust"),
        ("trusted_issuers: [{issuer: https://i.example, workloads: [{subject: s, client_id: no-one}]}]", "no-one"),
        ("trusted_issuers: [{issuer: https://i.example, workloads: [{subject: s, client_id: web-app}]}]", "registered"),
        ("resource_authorization_servers: [{issuer: " + conf.issuer + "}]", "itself"),
        ("resource_authorization_servers: [{issuer: https://r.example, resources: [{identifier: x}]}]", "resource"),
        (
            "resource_authorization_servers: [{issuer: https://r.example, resources:"
            " [{identifier: https://r.example/mcp, scopes: ['a b']}]}]",
            "scope",
        ),
    ],
)
def test_it_refuses_what_makes_no_sense(gatehouse: object, text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        apply(text)


def test_pruning_an_issuer_ends_what_rests_on_it(company: Company) -> None:
    token = json.loads(company.redeem_assertion(company.idp.id_jag()).content)["access_token"]
    machine = json.loads(company.redeem_assertion(company.idp.workload(), basic=None).content)["access_token"]
    changes: list[Any] = apply("trusted_issuers: []", prune=True, prune_all=True)
    assert [(change.section, change.action) for change in changes] == [("trusted_issuers", "removed")]
    assert company.introspect(token) == {"active": False}
    assert company.introspect(machine) == {"active": False}
    assert set(Authorization.objects.values_list("revoked_reason", flat=True)) <= {
        "issuer_withdrawn",
        "workload_withdrawn",
    }
