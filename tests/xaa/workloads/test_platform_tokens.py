"""Tokens in the shapes that platforms document, each redeemed by a documented `trusted_issuers` entry.

Each shape names its source, read in November 2026. Numbers and texts, lists and single values are as they stand there,
since an administrator writes a binding by what they see in such a token.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.xaa.company import Company, refused
from tests.xaa.workloads.test_workload_issuers import configured

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
IDENTITY = "b3a6d7f2-5c1e-4a1b-9c0d-2f6e8a7b9c10"
APPLICATION = "11112222-bbbb-3333-cccc-4444dddd5555"
OURS = ["http://127.0.0.1:8000/o"]


@dataclass(frozen=True, slots=True)
class Platform:
    """Who signs, what an administrator writes about it, and what the platform writes at a moment (seconds).

    A claim that is None is one that the platform does not write.
    """

    source: str
    issuer: str
    entry: dict[str, Any]
    subject: str
    claims: Callable[[int], dict[str, Any]]
    wanted: dict[str, Any] = field(default_factory=dict)
    is_reused: bool = False


PLATFORMS: dict[str, Platform] = {
    "Kubernetes": Platform(
        source="kubernetes.io, “Managing Service Accounts”: a projected token of its own audience",
        issuer="https://kubernetes.default.svc.cluster.local",
        entry={"preset": "kubernetes"},
        subject="system:serviceaccount:agents:*",
        wanted={"kubernetes.io.namespace": "agents", "kubernetes.io.serviceaccount.name": "nightly"},
        claims=lambda now: {
            "aud": OURS,
            "exp": now + 3600,
            "iat": now,
            "jti": "e51f1fbc-4733-4b85-a59f-ba80c0523874",
            "kubernetes.io": {
                "namespace": "agents",
                "node": {"name": "worker-1", "uid": "517eb86e-b863-451b-bf70-86cb61439a3a"},
                "pod": {"name": "nightly-7d9c", "uid": "0d8b260e-ef0e-45fb-be8e-ff44f97722e8"},
                "serviceaccount": {"name": "nightly", "uid": "e6a8680e-d103-4cce-80ea-03acbbeacf7d"},
            },
            "nbf": now,
            "sub": "system:serviceaccount:agents:nightly",
        },
        is_reused=True,
    ),
    "GitHub Actions, a repository since July 2026": Platform(
        source="docs.github.com, “OpenID Connect reference”: immutable subject claims",
        issuer="https://token.actions.githubusercontent.com",
        entry={"preset": "github-actions", "audience": "https://github.com/octo-org"},
        subject="repo:octo-org@123456/octo-repo@456789:environment:Production",
        wanted={"repository_id": 456789, "run_attempt": 1, "ref_protected": True},
        claims=lambda now: {
            "aud": "https://github.com/octo-org",
            "sub": "repo:octo-org@123456/octo-repo@456789:environment:Production",
            "environment": "Production",
            "repository": "octo-org/octo-repo",
            "repository_id": "456789",
            "repository_owner": "octo-org",
            "repository_owner_id": "123456",
            "repository_visibility": "private",
            "ref": "refs/heads/main",
            "ref_type": "branch",
            "ref_protected": "true",
            "run_id": "1",
            "run_number": "10",
            "run_attempt": "1",
            "runner_environment": "github-hosted",
            "job_workflow_ref": "octo-org/octo-automation/.github/workflows/oidc.yml@refs/heads/main",
            "jti": "example-id",
            "nbf": now - 300,
            "iat": now,
            "exp": now + 300,
        },
    ),
    "GitHub Actions, an older repository": Platform(
        source="docs.github.com, “OpenID Connect reference”: a colon within a name is %3A",
        issuer="https://token.actions.githubusercontent.com",
        entry={"preset": "github-actions"},
        subject="repo:octo-org/octo-repo:environment:*",
        claims=lambda now: {
            "sub": "repo:octo-org/octo-repo:environment:Production%3AV1",
            "repository_id": "74",
            "jti": "example-id",
            "nbf": now - 300,
            "iat": now,
            "exp": now + 300,
        },
    ),
    "GitLab": Platform(
        source="docs.gitlab.com, “OpenID Connect (OIDC) Authentication Using ID Tokens”: ids are texts, but runner_id",
        issuer="https://gitlab.com",
        entry={"preset": "gitlab"},
        subject="project_path:my-group/my-project:ref_type:branch:ref:*",
        wanted={"project_id": 20, "ref_protected": False, "runner_id": "1"},
        claims=lambda now: {
            "namespace_id": "72",
            "namespace_path": "my-group",
            "project_id": "20",
            "project_path": "my-group/my-project",
            "user_id": "1",
            "user_login": "sample-user",
            "user_identities": [{"provider": "github", "extern_uid": "2435223452345"}],
            "pipeline_source": "push",
            "ref": "feature-branch-1",
            "ref_type": "branch",
            "ref_path": "refs/heads/feature-branch-1",
            "ref_protected": "false",
            "runner_id": 1,
            "runner_environment": "self-hosted",
            "jti": "235b3a54-b797-45c7-ae9a-f72d7bc6ef5b",
            "iat": now,
            "nbf": now - 5,
            "exp": now + 3600,
            "sub": "project_path:my-group/my-project:ref_type:branch:ref:feature-branch-1",
        },
        is_reused=True,
    ),
    "Azure managed identity, version 2.0": Platform(
        source="learn.microsoft.com, “Access token claims reference”: aud is the application's id, uti stands for jti",
        issuer=f"https://login.microsoftonline.com/{TENANT}/v2.0",
        entry={"preset": "azure-managed-identity", "audience": APPLICATION},
        subject=IDENTITY,
        wanted={"tid": TENANT, "oid": IDENTITY},
        claims=lambda now: {
            "aud": APPLICATION,
            "iat": now - 300,
            "nbf": now - 300,
            "exp": now + 86_400,
            "azp": "99999999-aaaa-1111-bbbb-2222cccc3333",
            "azpacr": "2",
            "oid": IDENTITY,
            "sub": IDENTITY,
            "tid": TENANT,
            "uti": "bn3ZtpbEmkC6ELIWFyx6AA",
            "rh": "0.ARoAv4j5cvGGr0GRqy180BHbR4Lkzd",
            "ver": "2.0",
            "jti": None,
        },
        is_reused=True,
    ),
    "Azure managed identity, version 1.0": Platform(
        source="learn.microsoft.com, “Access token claims reference”: unless the application's manifest says 2",
        issuer=f"https://sts.windows.net/{TENANT}/",
        entry={"preset": "azure-managed-identity", "audience": "api://gatehouse"},
        subject=IDENTITY,
        wanted={"tid": TENANT, "appid": "99999999-aaaa-1111-bbbb-2222cccc3333"},
        claims=lambda now: {
            "aud": "api://gatehouse",
            "iat": now - 300,
            "nbf": now - 300,
            "exp": now + 86_400,
            "appid": "99999999-aaaa-1111-bbbb-2222cccc3333",
            "appidacr": "2",
            "idp": f"https://sts.windows.net/{TENANT}/",
            "oid": IDENTITY,
            "sub": IDENTITY,
            "tid": TENANT,
            "uti": "bn3ZtpbEmkC6ELIWFyx6AA",
            "ver": "1.0",
            "jti": None,
        },
        is_reused=True,
    ),
    "AWS STS": Platform(
        source="docs.aws.amazon.com, “Understanding token claims” of outbound identity federation",
        issuer="https://abc123-def456-ghi789-jkl012.tokens.sts.global.api.aws",
        entry={"preset": "aws-sts"},
        subject="arn:aws:iam::123456789012:role/*",
        wanted={
            "https://sts.amazonaws.com/": {
                "aws_account": "123456789012",
                "principal_tags": {"environment": "production"},
            }
        },
        claims=lambda now: {
            "sub": "arn:aws:iam::123456789012:role/DataProcessingRole",
            "iat": now,
            "exp": now + 900,
            "jti": "xyz123-def456-ghi789-jkl012",
            "https://sts.amazonaws.com/": {
                "aws_account": "123456789012",
                "source_region": "us-east-1",
                "org_id": "o-abc1234567",
                "ou_path": "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/ou-ab12-22222222/",
                "principal_tags": {"environment": "production", "team": "data-engineering"},
                "lambda_source_function_arn": "arn:aws:lambda:us-east-1:123456789012:function:process-data",
                "request_tags": {"job-id": "job-2024-001"},
            },
        },
    ),
    "SPIRE": Platform(
        source="spiffe/spire, BuildWorkloadJWTSVIDClaims: sub, exp, iat and a list aud; iss only with a jwt_issuer",
        issuer="spiffe://acme.example",
        entry={"preset": "spiffe"},
        subject="spiffe://acme.example/ns/agents/*",
        claims=lambda now: {
            "sub": "spiffe://acme.example/ns/agents/web",
            "exp": now + 300,
            "aud": OURS,
            "iat": now,
            "iss": None,
            "jti": None,
        },
        is_reused=True,
    ),
    "SPIFFE, as little as the standard allows": Platform(
        source="spiffe/spiffe, “The JWT-SVID” §3: sub, aud and exp are all that there must be",
        issuer="spiffe://acme.example",
        entry={"preset": "spiffe"},
        subject="spiffe://acme.example/ns/agents/*",
        claims=lambda now: {
            "sub": "spiffe://acme.example/ns/agents/web",
            "exp": now + 300,
            "iss": None,
            "jti": None,
            "iat": None,
        },
        is_reused=True,
    ),
    "Google": Platform(
        source="cloud.google.com, “Verify VM identity”: the full format",
        issuer="https://accounts.google.com",
        entry={"reuse": True},
        subject="1077",
        wanted={"email_verified": "true", "google.compute_engine.project_id": "p"},
        claims=lambda now: {
            "sub": "1077",
            "azp": "1077",
            "email_verified": True,
            "google": {"compute_engine": {"project_id": "p", "project_number": 739419398126}},
            "iat": now,
            "exp": now + 3600,
            "jti": None,
        },
        is_reused=True,
    ),
    "CircleCI": Platform(
        source="circleci.com/docs, “Using OpenID Connect tokens in jobs”: the organization's id in a list",
        issuer="https://oidc.circleci.com/org/org-1",
        entry={"audience": "org-1"},
        subject="org/org-1/project/p-1/user/*",
        wanted={"oidc.circleci.com/project-id": "p-1"},
        claims=lambda now: {
            "sub": "org/org-1/project/p-1/user/u",
            "aud": ["org-1"],
            "oidc.circleci.com/project-id": "p-1",
        },
    ),
    "Buildkite": Platform(
        source="buildkite.com/docs, “OIDC with Buildkite Pipelines”: build_number is a number",
        issuer="https://agent.buildkite.com",
        entry={},
        subject="organization:acme:pipeline:app:*",
        wanted={"build_number": "1"},
        claims=lambda now: {
            "sub": "organization:acme:pipeline:app:ref:refs/heads/main:commit:9f:step:deploy",
            "build_number": 1,
        },
    ),
    "HCP Terraform": Platform(
        source="developer.hashicorp.com, “Workload identity tokens”",
        issuer="https://app.terraform.io",
        entry={},
        subject="organization:acme:project:p:workspace:w:run_phase:*",
        wanted={"terraform_run_phase": "apply"},
        claims=lambda now: {
            "sub": "organization:acme:project:p:workspace:w:run_phase:apply",
            "terraform_run_phase": "apply",
        },
    ),
}


@pytest.mark.parametrize("name", PLATFORMS)
def test_a_token_of_a_platform_is_redeemed_for_the_workload_that_is_bound(company: Company, name: str) -> None:
    platform = PLATFORMS[name]
    bound = {"client_id": "wif-workload", "subject": platform.subject, "claims": platform.wanted}
    signer = configured(platform.issuer, workloads=[bound], **platform.entry)
    written = platform.claims(int(time.time()))
    token = signer.workload(**written)

    answer = company.redeem_assertion(token, basic=None)

    assert answer.status_code == 200, answer.content
    assert company.redeem_assertion(token, basic=None).status_code == (200 if platform.is_reused else 400)
    for change in ({"sub": "another"}, {"aud": "https://another.example"}, {"exp": int(time.time()) - 60}):
        changed = signer.workload(**written | {"jti": "another"} | change)
        assert refused(company.redeem_assertion(changed, basic=None)) == (400, "invalid_grant")
