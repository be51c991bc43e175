"""An agent in CI or Kubernetes is added with its platform and its subject."""

from typing import Any

import pytest
from django.test import Client as Browser

from authz.models import AuditEvent, Client, User
from authz.models.client import JWT_BEARER
from tests.support.world import NOTES, hidden_fields
from tests.xaa.company import Company
from tests.xaa.test_admin import browser_of
from xaa.models import TrustedIssuer

PAGE = "/console/authz/client/new/workload/"
SUBJECT = "system:serviceaccount:agents:nightly"


def added(browser: Browser, **changes: Any) -> Any:
    issuer = TrustedIssuer.objects.get()
    form = {"name": "Nightly pod", "issuer": issuer.pk, "subject": SUBJECT, "server": NOTES, **changes}
    return browser.post(PAGE, hidden_fields(browser.get(PAGE)) | form, follow=True)


@pytest.fixture
def alice(company: Company) -> Browser:
    return browser_of("alice", User.Role.ADMINISTRATOR)


def test_it_is_bound_to_its_subject_and_has_no_secret(alice: Browser) -> None:
    TrustedIssuer.objects.update(accepts=["workload"])

    page = added(alice).content.decode()

    agent = Client.objects.get(name="Nightly pod")
    assert (agent.kind, agent.grant_types, agent.secret_digest) == ("workload", [JWT_BEARER], "")
    assert [(row.subject, row.issuer_id) for row in agent.workloads.all()] == [
        (SUBJECT, TrustedIssuer.objects.get().pk)
    ]
    assert "assertion@/var/run/secrets/tokens/gatehouse" in page
    changed = AuditEvent.objects.get(event="configuration:object:changed")
    assert (changed.detail["kind"], changed.detail["changed"]) == ("trustedissuer", ["workloads"])


@pytest.mark.parametrize(("issuer", "change", "told"), [
    ({"accepts": ["id_token"]}, {}, "Select a valid choice."),
    ({"accepts": ["workload"], "enabled": False}, {}, "Select a valid choice."),
    ({"accepts": ["workload"]}, {"subject": ""}, "This field is required."),
])  # fmt: skip
def test_what_is_no_workload_of_a_trusted_platform_is_refused(
    alice: Browser, issuer: dict[str, Any], change: dict[str, str], told: str
) -> None:
    TrustedIssuer.objects.update(**issuer)

    assert told in added(alice, **change).content.decode()
    assert not Client.objects.filter(name="Nightly pod").exists()


def test_a_developer_binds_no_workload(company: Company) -> None:
    erin = browser_of("bob", User.Role.DEVELOPER)

    assert erin.get(PAGE).status_code == 404
    assert "Kubernetes" not in erin.get("/console/authz/client/new/").content.decode()
