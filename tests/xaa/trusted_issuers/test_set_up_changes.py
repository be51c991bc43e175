"""Changes of a trusted issuer that counts already wait for a test."""

from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client as Browser
from django.urls import reverse

from authz.configuration import apply
from authz.models import AuditEvent
from tests.support.races import at_once
from tests.xaa.set_up import act, begin, end, page, row, upstream
from tests.xaa.upstream import SECRET, Upstream, configuration
from xaa.models import ProposedSetUp, SignInClient, TrustedIssuer
from xaa.sign_in import secret

__all__ = ["upstream"]


class TestAChangeOfOneThatCounts:
    @pytest.fixture(autouse=True)
    def _counts(self, upstream: Upstream) -> None:
        TrustedIssuer.objects.update(enabled=True)

    def change(self, upstream: Upstream, **changes: Any) -> Any:
        address = reverse("admin:xaa_trustedissuer_change", args=[row().pk])
        shown: Any = upstream.browser.get(address)
        initial = shown.context["adminform"].form.initial
        form = {name: value for name, value in initial.items() if value is not None}
        form |= {"tenants": "", "client_ids": "{}", "email_domains": "", "public_clients": "", "audience": ""}
        form |= {"trusted_audiences": "", "sign_in_scopes": "openid profile email", "jwks": ""}
        form |= {"workloads-TOTAL_FORMS": "0", "workloads-INITIAL_FORMS": "0"}
        form |= changes
        return upstream.browser.post(address, {name: value for name, value in form.items() if value is not None})

    def test_it_waits_for_a_test_and_the_old_one_counts_meanwhile(self, upstream: Upstream) -> None:
        answer = self.change(upstream, sign_in_client_id="new-client", sign_in_secret="the new secret", create="on")
        assert answer["Location"] == page()
        assert (row().create, SignInClient.objects.get().client_id) == (False, "gatehouse-at-idp")
        assert secret.opened(ProposedSetUp.objects.get()) == "the new secret"
        shown = upstream.browser.get(page()).content.decode()
        assert "new-client" in shown
        assert "the new secret" not in shown
        assert "has not been tested" in act(upstream, "apply")

        upstream.claims = {"aud": "new-client"}
        sent = begin(upstream)
        assert sent["client_id"] == "new-client"
        assert "It would sign in <bdi>bob</bdi>" in end(upstream, sent["state"]).content.decode()
        assert SignInClient.objects.get().client_id == "gatehouse-at-idp"
        assert "The change is in force" in act(upstream, "apply")
        assert (row().create, SignInClient.objects.get().client_id) == (True, "new-client")
        assert secret.opened(SignInClient.objects.get()) == "the new secret"
        assert not ProposedSetUp.objects.exists()
        event = AuditEvent.objects.filter(event="configuration:object:changed").latest("id")
        assert event.detail["tested"] is True

    def test_a_secret_that_is_not_named_stays(self, upstream: Upstream) -> None:
        self.change(upstream, create="on")
        act(upstream, "apply", untested="1")
        assert row().create
        assert secret.opened(SignInClient.objects.get()) == SECRET

    def test_a_discarded_change_changes_nothing(self, upstream: Upstream) -> None:
        self.change(upstream, create="on")
        assert "discarded" in act(upstream, "discard")
        assert not row().create
        assert not ProposedSetUp.objects.exists()
        assert AuditEvent.objects.filter(event="issuer:change:discarded").exists()

    def test_a_change_of_what_has_changed_since_is_not_taken(self, upstream: Upstream) -> None:
        self.change(upstream, create="on")
        apply(configuration(name="Renamed by the file"))
        assert "Make it again" in act(upstream, "apply", untested="1")
        assert not row().create

    def test_what_takes_access_away_does_not_wait(self, upstream: Upstream) -> None:
        assert self.change(upstream, enabled=None).status_code == 302
        assert not row().enabled
        assert not ProposedSetUp.objects.exists()

    def test_a_name_does_not_wait(self, upstream: Upstream) -> None:
        self.change(upstream, name="Another name")
        assert row().name == "Another name"

    @pytest.mark.django_db(transaction=True)
    def test_two_who_take_it_at_once_take_it_once(self, upstream: Upstream) -> None:
        self.change(upstream, create="on")
        cookies, address = upstream.browser.cookies, page()

        def take() -> None:
            other = Browser()
            other.cookies = cookies
            other.post(address, {"act": "apply", "untested": "1"})

        at_once([take, take])
        assert row().create
        changed = AuditEvent.objects.filter(event="configuration:object:changed", detail__tested=False)
        assert changed.count() == 1

    def test_its_secret_moves_to_a_new_key_too(self, upstream: Upstream, settings: Any) -> None:
        self.change(upstream, sign_in_secret="the new secret")
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "another-secret-key-0123456789-0123456789-0123456789"
        call_command("keys", "reencrypt")
        settings.SECRET_KEY_FALLBACKS = []
        assert secret.opened(ProposedSetUp.objects.get()) == "the new secret"
