"""Signing in by an issuer whose client we are: set up by a file or in the console."""

import json
from typing import Any

import pytest
from django.test import Client as Browser

from authz.configuration import ConfigurationError, apply, export
from authz.models import AuditEvent
from tests.support.world import person
from tests.xaa.company import IDP, Company

# Before the company's fixture puts its own in their place.
from tests.xaa.upstream import LOGIN, SECRET, Upstream, configuration, upstream
from xaa.models import SignInClient, TrustedIssuer
from xaa.sign_in import secret

__all__ = ["upstream"]

BACKEND = "authz.sign_in.password_backend.PasswordBackend"


class TestConfiguration:
    def test_the_secret_is_encrypted_and_never_shown(self, upstream: Upstream) -> None:
        row = SignInClient.objects.get()
        assert SECRET.encode() not in bytes(row.secret)
        assert secret.opened(row) == SECRET
        assert SECRET not in export()
        assert SECRET not in str(list(AuditEvent.objects.values_list("detail", flat=True)))

    def test_applying_it_again_changes_nothing_and_leaving_the_secret_out_keeps_it(self, upstream: Upstream) -> None:
        assert apply(configuration()) == []
        document = json.loads(configuration())
        del document["trusted_issuers"][0]["sign_in_secret"]
        assert apply(json.dumps(document)) == []
        assert secret.opened(SignInClient.objects.get()) == SECRET

    def test_a_new_secret_and_its_removal_are_changes(self, upstream: Upstream) -> None:
        assert len(apply(configuration(sign_in_secret="another secret of the idp"))) == 1
        document = json.loads(configuration(sign_in=None))
        del document["trusted_issuers"][0]["sign_in_secret"]
        assert len(apply(json.dumps(document))) == 1
        assert not SignInClient.objects.exists()

    @pytest.mark.parametrize(
        "changes",
        [
            {"accepts": ["id-jag"]},
            {"sign_in": None},
            {"sign_in": {"client_id": "a", "scopes": ["email"]}},
            {"sign_in": {"client_id": "a", "secret": "b"}},
            {"sign_in": {}},
        ],
    )
    def test_what_could_not_work_is_refused(self, company: Company, changes: dict[str, Any]) -> None:
        with pytest.raises(ConfigurationError, match="sign_in"):
            apply(configuration(**changes))


class TestConsole:
    def test_an_administrator_sets_it_up_and_the_secret_is_never_shown(self, company: Company) -> None:
        browser = Browser()
        browser.force_login(person("alice"), backend="authz.sign_in.password_backend.PasswordBackend")
        issuer = TrustedIssuer.objects.get(issuer=IDP)
        page = f"/console/xaa/trustedissuer/{issuer.pk}/change/"
        shown: Any = browser.get(page)
        form = {
            **{name: value for name, value in shown.context["adminform"].form.initial.items() if value is not None},
            "accepts": ["id_token"],
            "tenants": "",
            "client_ids": "{}",
            "sign_in_client_id": "gatehouse-at-idp",
            "sign_in_secret": SECRET,
            "sign_in_scopes": "openid email",
            "workloads-TOTAL_FORMS": "0",
            "workloads-INITIAL_FORMS": "0",
        }
        # While the issuer counts, such a change waits for a test (tests/xaa/trusted_issuers/test_set_up_changes.py).
        del form["enabled"]
        assert browser.post(page, form).status_code == 302
        assert secret.opened(SignInClient.objects.get()) == SECRET
        content = browser.get(page).content.decode()
        assert SECRET not in content
        assert f"{LOGIN}callback/" in content
        assert browser.post(page, form | {"sign_in_secret": ""}).status_code == 302
        assert secret.opened(SignInClient.objects.get()) == SECRET
        assert browser.post(page, form | {"sign_in_scopes": "email"}).status_code == 200
        assert browser.post(page, form | {"sign_in_client_id": ""}).status_code == 302
        assert not SignInClient.objects.exists()
