"""GATEHOUSE_SECRET_KEY is changed while the server goes on: through an overlap in which both keys are read."""

import itertools
import os
from contextlib import ExitStack
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import models
from pytest_django import Settings

from authz import keys
from authz.database import configuration_cache
from authz.keys import reencryption, secrets_at_rest
from authz.keys.secrets_at_rest import WrongKeyError
from authz.models import AuditEvent, SigningKey
from authz.protocol.errors import OAuthError
from authz.tokens import refresh_tokens
from tests.support import databases, processes, world
from tests.support.races import at_once
from tests.support.world import World, person

OLD, NEW = (
    "the old secret key as long as a secret key has to be",
    "the new secret key as long as a secret key has to be",
)


def use(settings: Settings, current: str, *others: str) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = current, list(others)
    configuration_cache.forget()


def reencrypt() -> str:
    out = StringIO()
    call_command("keys", "reencrypt", stdout=out)
    return out.getvalue()


def sign() -> str:
    return keys.sign({"a": 1}, typ="at+jwt", alg="RS256", now=datetime.now(UTC).timestamp())


class TestCiphertexts:
    def test_what_another_key_wrote_is_read_while_that_key_is_given(self, settings: Settings) -> None:
        use(settings, OLD)
        sealed = secrets_at_rest.encrypt(b"a secret", purpose="p", about="row")
        use(settings, NEW, OLD)
        assert secrets_at_rest.decrypt(sealed, purpose="p", about="row") == b"a secret"
        use(settings, NEW)
        with pytest.raises(WrongKeyError):
            secrets_at_rest.decrypt(sealed, purpose="p", about="row")

    def test_they_say_whether_they_are_to_be_moved(self, settings: Settings) -> None:
        use(settings, OLD)
        sealed = secrets_at_rest.encrypt(b"a secret", purpose="p", about="row")
        assert secrets_at_rest.moved(sealed, purpose="p", about="row") is None
        use(settings, NEW, OLD)
        again = secrets_at_rest.moved(sealed, purpose="p", about="row")
        use(settings, NEW)
        assert again and secrets_at_rest.decrypt(again, purpose="p", about="row") == b"a secret"

    def test_those_of_the_first_format_are_read_and_moved(self, settings: Settings) -> None:
        use(settings, OLD)
        nonce = os.urandom(12)
        first = nonce + AESGCM(secrets_at_rest.key_for("p")).encrypt(nonce, b"a secret", b"row")
        assert secrets_at_rest.decrypt(first, purpose="p", about="row") == b"a secret"
        assert secrets_at_rest.moved(first, purpose="p", about="row") is not None

    def test_a_name_does_not_make_a_key(self, settings: Settings) -> None:
        """Attack: a writer to the database renames the key of a ciphertext, which does not change its real key."""
        use(settings, OLD)
        sealed = secrets_at_rest.encrypt(b"a secret", purpose="p", about="row")
        use(settings, NEW)
        own = secrets_at_rest.encrypt(b"another", purpose="p", about="row")
        with pytest.raises(WrongKeyError):
            secrets_at_rest.decrypt(own[:7] + sealed[7:], purpose="p", about="row")


@pytest.mark.django_db
class TestReencrypt:
    @pytest.fixture(autouse=True)
    def _keys_of_old(self, settings: Settings) -> None:
        use(settings, OLD)
        keys.ensure(datetime.now(UTC))

    def test_afterwards_the_old_key_is_not_needed(self, settings: Settings) -> None:
        use(settings, NEW, OLD)
        assert reencryption.left() == 3
        assert "signing keys: 3 moved" in reencrypt()
        assert reencryption.left() == 0
        use(settings, NEW)
        assert sign()
        assert AuditEvent.objects.get(event="key:secrets:reencrypted").detail["moved"]["signing keys"] == 3

    def test_running_it_again_changes_nothing(self, settings: Settings) -> None:
        use(settings, NEW, OLD)
        reencrypt()
        before = list(SigningKey.objects.values_list("encrypted", flat=True))
        assert "signing keys: 0 moved" in reencrypt()
        assert list(SigningKey.objects.values_list("encrypted", flat=True)) == before
        assert AuditEvent.objects.filter(event="key:secrets:reencrypted").count() == 1

    def test_it_goes_on_where_it_was_stopped(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        use(settings, NEW, OLD)
        monkeypatch.setattr(reencryption, "BATCH", 1)
        kid = SigningKey.objects.order_by("kid")[1].pk
        SigningKey.objects.filter(pk=kid).update(encrypted=b"nobody's")
        with pytest.raises(CommandError, match=f"none of our keys opens signing key {kid}"):
            reencrypt()
        assert reencryption.unreadable() == [f"signing key {kid}"]
        assert reencryption.left() == 0

    def test_a_row_that_changed_meanwhile_is_left_alone(self, settings: Settings) -> None:
        use(settings, NEW, OLD)
        row = SigningKey.objects.all()[0]
        SigningKey.objects.filter(pk=row.pk).update(encrypted=b"newer")
        assert reencryption._move(keys.AT_REST, row, reencryption.Done()) == 0
        assert bytes(SigningKey.objects.get(pk=row.pk).encrypted) == b"newer"

    def test_no_ciphertext_is_forgotten(self) -> None:
        """Binary columns of ours hold ciphertexts, and each is named for moving; those with none are named here."""
        plain = {
            ("cimd", "documentversion", "body"),
            ("cimd", "logo", "png"),
            ("xaa", "redemption", "answer"),  # encrypted, and over before a key is changed: it lives for seconds
            ("authz", "auditarchive", "frontier"),
            *(("authz", "auditsegment", column) for column in ("ids", "leaves", "frontier")),
        }
        binary = {
            (model._meta.app_label, model._meta.model_name, field.name)
            for model in apps.get_models()
            for field in model._meta.get_fields()
            if isinstance(field, models.BinaryField)
        }
        named = {(at.model._meta.app_label, at.model._meta.model_name, at.column) for at in reencryption.everything()}
        assert ("authz", "signingkey", "encrypted") in named
        assert binary - named <= plain


def test_second_factors_are_encrypted_and_move_too(settings: Settings, gatehouse: World) -> None:
    own = settings.SECRET_KEY
    TOTP.activate(person("bob"), "JBSWY3DPEHPK3PXP")
    in_clear = Authenticator.objects.create(user=person("alice"), type="recovery_codes", data={"seed": "ab12"})
    assert "JBSWY3DPEHPK3PXP" not in str(Authenticator.objects.get(user=person("bob")).data)
    use(settings, NEW, own)
    assert "authenticators: 2 moved" in reencrypt()
    use(settings, NEW)
    in_clear.refresh_from_db()
    assert "ab12" not in str(in_clear.data)
    assert in_clear.wrap().generate_codes()
    assert Authenticator.objects.get(user=person("bob")).wrap().validate_code("no code") is False


@pytest.mark.django_db(transaction=True)
def test_two_who_move_at_once_leave_every_row_readable(settings: Settings) -> None:
    use(settings, OLD)
    keys.ensure(datetime.now(UTC))
    use(settings, NEW, OLD)
    done = at_once([reencryption.run, reencryption.run])
    assert sum(each.moved["signing keys"] for each in done) == 3
    use(settings, NEW)
    assert sign()


class TestRefreshTokens:
    def test_those_of_the_old_key_stay_good_through_the_overlap(self, settings: Settings, gatehouse: World) -> None:
        own = settings.SECRET_KEY
        refresh_token = gatehouse.signed_in_tokens()["refresh_token"]
        use(settings, NEW, own)
        answer = gatehouse.refresh(refresh_token)
        assert answer.status_code == 200
        reencrypt()
        use(settings, NEW)  # its successor is of the new key
        assert gatehouse.refresh(answer.json()["refresh_token"]).status_code == 200  # type: ignore[attr-defined]

    def test_a_leaked_key_writes_no_refresh_token_after_its_removal(self, settings: Settings) -> None:
        from uuid import uuid4

        use(settings, OLD)
        forged = refresh_tokens.write(uuid4(), 0)
        use(settings, NEW)
        with pytest.raises(OAuthError, match="refresh_token_malformed"):
            refresh_tokens.read(forged)


@pytest.mark.any_database
def test_nodes_with_the_old_and_the_new_key_serve_side_by_side(tmp_path: Path) -> None:
    """Each step of docs/operations.md: the nodes before it and after it run together, and no client notices."""
    with databases.database(tmp_path, world.configuration(), GATEHOUSE_SECRET_KEY=OLD) as url, ExitStack() as nodes:
        issuer = f"http://127.0.0.1:{(port := processes.free_port())}/o"

        def node(current: str, *others: str, **settings: str) -> processes.RunningGatehouse:
            settings |= {"GATEHOUSE_SECRET_KEY": current, "GATEHOUSE_SECRET_KEY_FALLBACKS": ",".join(others)}
            started = processes.running(url, tmp_path, workers=1, GATEHOUSE_ISSUER=issuer, **settings)
            return nodes.enter_context(started)

        before = node(OLD, PORT=str(port))
        steps = [before, node(OLD, NEW), node(NEW, OLD)]
        tokens = before.redeem(before.code()).json()
        for one, other in itertools.pairwise([*steps, None]):
            if other is None:
                one.manage("keys", "reencrypt")
                other = node(NEW)  # noqa: PLW2901  it starts when all is under its key, and not before
                steps.append(other)
            for gatehouse in (one, other, one):
                answer = gatehouse.refresh(tokens["refresh_token"])
                assert answer.status_code == 200, answer.text
                tokens = answer.json()
                for at in (one, other):
                    live = at.introspect(tokens["access_token"], ("notes-server", world.SERVER_SECRET))
                    assert live.get("active") is True, live
        # The last node reads nothing of the old key, and the first nothing of the new one.
        assert steps[-1].refresh(tokens["refresh_token"]).status_code == 200
        assert before.refresh(tokens["refresh_token"]).status_code == 400
