"""Tokens in the shapes that platforms document, each redeemed by a documented `trusted_issuers` entry."""

import time
from typing import Any

import pytest

from tests.xaa.company import Company, refused
from tests.xaa.test_workload_issuers import configured

NOW = int(time.time())
KEY = {"client_id": "wif-workload"}
# Platform: issuer, keys of the entry, claims as the platform writes them beside aud, iat and exp.
PLATFORMS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "Kubernetes": (
        "https://kubernetes.default.svc.cluster.local",
        {"reuse": True, "subject": "system:serviceaccount:agents:*", "claims": {"kubernetes.io.namespace": "agents"}},
        {
            "sub": "system:serviceaccount:agents:nightly",
            "kubernetes.io": {
                "namespace": "agents",
                "serviceaccount": {"name": "nightly", "uid": "2"},
                "warnafter": NOW,
            },
            "nbf": NOW,
            "exp": NOW + 3607,
        },
    ),
    "GitHub Actions": (
        "https://token.actions.githubusercontent.com",
        {
            "audience": "https://github.com/acme",
            "subject": "repo:acme@1/app@2:environment:production",
            "claims": {"repository_id": 74, "run_attempt": 1},
        },
        {
            "sub": "repo:acme@1/app@2:environment:production",
            "aud": "https://github.com/acme",
            "repository_id": "74",
            "run_attempt": "1",
            "jti": "example-id",
        },
    ),
    "GitLab": (
        "https://gitlab.com",
        {"subject": "project_path:acme/app:ref_type:branch:ref:main", "claims": {"ref_protected": True}},
        {"sub": "project_path:acme/app:ref_type:branch:ref:main", "ref_protected": "true", "project_id": "20"},
    ),
    "Azure managed identity": (
        "https://login.microsoftonline.com/72f988bf/v2.0",
        {"audience": "api://gatehouse", "max_lifetime": 86_700, "subject": "b3a6", "claims": {"tid": "72f988bf"}},
        {"sub": "b3a6", "oid": "b3a6", "tid": "72f988bf", "aud": "api://gatehouse", "nbf": NOW, "exp": NOW + 86_700},
    ),
    "AWS STS": (
        "https://abc12345.tokens.sts.global.api.aws",
        {
            "subject": "arn:aws:iam::123456789012:role/*",
            "claims": {"https://sts.amazonaws.com/": {"aws_account": "123456789012"}},
        },
        {
            "sub": "arn:aws:iam::123456789012:role/DataRole",
            "https://sts.amazonaws.com/": {"aws_account": "123456789012", "source_region": "us-east-1"},
        },
    ),
    "SPIRE": (
        "spiffe://acme.example",
        {"reuse": True, "subject": "spiffe://acme.example/ns/agents/*"},
        {"iss": None, "jti": None, "sub": "spiffe://acme.example/ns/agents/web"},
    ),
    "Google": (
        "https://accounts.google.com",
        {
            "reuse": True,
            "subject": "1077",
            "claims": {"email_verified": "true", "google.compute_engine.project_id": "p"},
        },
        {"sub": "1077", "azp": "1077", "email_verified": True, "google": {"compute_engine": {"project_id": "p"}}},
    ),
    "CircleCI": (
        "https://oidc.circleci.com/org/org-1",
        {
            "audience": "org-1",
            "subject": "org/org-1/project/p-1/user/*",
            "claims": {"oidc.circleci.com/project-id": "p-1"},
        },
        {"sub": "org/org-1/project/p-1/user/u", "aud": ["org-1"], "oidc.circleci.com/project-id": "p-1"},
    ),
    "Buildkite": (
        "https://agent.buildkite.com",
        {"subject": "organization:acme:pipeline:app:*", "claims": {"build_number": "1"}},
        {"sub": "organization:acme:pipeline:app:ref:refs/heads/main:commit:9f:step:deploy", "build_number": 1},
    ),
    "HCP Terraform": (
        "https://app.terraform.io",
        {"subject": "organization:acme:project:p:workspace:w:run_phase:*", "claims": {"terraform_run_phase": "apply"}},
        {"sub": "organization:acme:project:p:workspace:w:run_phase:apply", "terraform_run_phase": "apply"},
    ),
}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_token_of_a_platform_is_redeemed_for_the_workload_that_is_bound(company: Company, platform: str) -> None:
    issuer, entry, claims = PLATFORMS[platform]
    bound = KEY | {name: entry[name] for name in ("subject", "claims") if name in entry}
    keys = {name: value for name, value in entry.items() if name not in bound}
    signer = configured(issuer, workloads=[bound], **keys)
    written = {"iat": NOW} | claims
    token = signer.workload(**written)
    answer = company.redeem_assertion(token, basic=None)
    assert answer.status_code == 200, answer.content
    assert company.redeem_assertion(token, basic=None).status_code == (200 if entry.get("reuse") else 400)
    another = signer.workload(**written | {"sub": "another", "jti": "another"})
    assert refused(company.redeem_assertion(another, basic=None)) == (400, "invalid_grant")
