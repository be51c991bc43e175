"""Signing keys: published before they sign, kept until their last token has expired, encrypted at rest."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from authz import keys
from authz.database import configuration_cache
from authz.keys import secrets_at_rest
from authz.keys.secrets_at_rest import WrongKeyError
from authz.models import AuditEvent, SigningKey
from authz.protocol.errors import OAuthError

NOW = datetime(2026, 7, 28, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _keys() -> None:
    keys.ensure(NOW - 30 * 24 * HOUR)


def signing(alg: str, at: datetime) -> str:
    configuration_cache.forget()
    return keys.signing_key(alg, at.timestamp()).kid


def published(at: datetime) -> set[str]:
    configuration_cache.forget()
    return {str(jwk["kid"]) for jwk in keys.published(at.timestamp())}


def manage(*arguments: str) -> str:
    out = StringIO()
    call_command("keys", *arguments, stdout=out)
    return out.getvalue()


def test_each_algorithm_has_a_key_and_ensuring_again_makes_none() -> None:
    assert {key.alg for key in SigningKey.objects.all()} == set(keys.ALGORITHMS)
    assert keys.ensure(NOW) == []


@pytest.mark.parametrize("alg", keys.ALGORITHMS)
def test_a_successor_is_published_before_it_signs(alg: str) -> None:
    old = signing(alg, NOW)
    new = keys.rotate(alg, now=NOW).kid
    assert new in published(NOW)
    assert signing(alg, NOW + 2 * HOUR - timedelta(seconds=1)) == old
    assert signing(alg, NOW + 2 * HOUR) == new


def test_a_retired_key_is_published_until_its_last_token_has_expired() -> None:
    old = signing("RS256", NOW)
    keys.rotate("RS256", now=NOW)
    last_token_expires = NOW + keys.PUBLISHED_AHEAD + keys.LONGEST_TOKEN
    assert old in published(last_token_expires - timedelta(seconds=1))
    assert old not in published(last_token_expires)


def test_at_every_moment_of_two_rotations_exactly_one_key_signs_and_it_is_published() -> None:
    keys.rotate("ES256", now=NOW)
    keys.rotate("ES256", now=NOW + HOUR)
    configuration_cache.forget()
    for minutes in range(0, 30 * 60, 10):
        moment = (NOW + timedelta(minutes=minutes)).timestamp()
        assert keys.signing_key("ES256", moment).public_jwk in keys.published(moment)


def test_a_compromised_key_leaves_at_once_and_stays_away() -> None:
    old = signing("RS256", NOW)
    keys.rotate("RS256", now=NOW, at_once=True)
    keys.retire(old, now=NOW, compromised=True)
    assert old not in published(NOW)
    # Retiring it once more, as an ordinary key, must not bring it back into the JWKS.
    keys.retire(old, now=NOW + HOUR)
    assert old not in published(NOW + HOUR)


def test_retiring_twice_does_not_keep_a_key_longer() -> None:
    old = signing("RS256", NOW)
    keys.rotate("RS256", now=NOW, at_once=True)
    keys.retire(old, now=NOW + 20 * HOUR)
    assert old not in published(NOW + 25 * HOUR)


def test_the_private_half_is_not_in_the_database() -> None:
    key = SigningKey.objects.get(alg="ES256")
    secret = keys.signing_key("ES256", NOW.timestamp()).private_key.private_numbers()  # type: ignore[union-attr]
    raw = secret.private_value.to_bytes(32, "big")  # type: ignore[union-attr]
    assert raw not in bytes(key.encrypted)
    assert "d" not in key.public_jwk
    plain = secrets_at_rest.decrypt(bytes(key.encrypted), purpose=keys.PURPOSE, about=key.kid)
    assert raw in plain


def test_another_secret_key_is_noticed(settings: Settings) -> None:
    settings.SECRET_KEY = "another secret key, as long as a secret key has to be"
    configuration_cache.forget()
    with pytest.raises(WrongKeyError):
        keys.signing_key("RS256", NOW.timestamp())


@pytest.mark.parametrize("change", ["purpose", "about", "bytes", "short"])
def test_a_ciphertext_is_good_for_its_own_row_only(change: str) -> None:
    sealed = secrets_at_rest.encrypt(b"secret", purpose="a", about="b")
    bent = bytes([sealed[0] ^ 1]) + sealed[1:] if change == "bytes" else sealed[:20] if change == "short" else sealed
    with pytest.raises(WrongKeyError):
        secrets_at_rest.decrypt(
            bent, purpose="x" if change == "purpose" else "a", about="x" if change == "about" else "b"
        )


def test_without_a_key_nothing_is_signed() -> None:
    SigningKey.objects.all().delete()
    configuration_cache.forget()
    with pytest.raises(OAuthError, match="signing_key_missing"):
        keys.sign({}, typ="at+jwt", alg="RS256", now=NOW.timestamp())


def test_every_step_of_a_keys_life_is_recorded() -> None:
    old = signing("RS256", NOW)
    keys.rotate("RS256", now=NOW, at_once=True)
    keys.retire(old, now=NOW, compromised=True)
    events = AuditEvent.objects.filter(event__startswith="key:").order_by("id").values_list("event", flat=True)
    assert list(events)[3:] == [
        "key:signing:published",
        "key:signing:retired",
        "key:signing:retired",
        "key:signing:removed",
    ]


def test_at_once_promotes_the_successor_that_was_announced() -> None:
    old, announced = signing("RS256", NOW), keys.rotate("RS256", now=NOW).kid
    promoted = keys.rotate("RS256", now=NOW + HOUR, at_once=True)
    assert promoted.kid == announced == signing("RS256", NOW + HOUR)
    assert SigningKey.objects.filter(alg="RS256").count() == 2
    former = SigningKey.objects.get(kid=old)
    assert former.retired == NOW + HOUR
    assert old in published(NOW + HOUR)
    # There is none that was announced any more: once more makes another.
    assert keys.rotate("RS256", now=NOW + 2 * HOUR, at_once=True).kid not in {old, announced}


@pytest.mark.parametrize("alg", keys.ALGORITHMS)
def test_of_several_that_were_announced_the_last_is_promoted(alg: str) -> None:
    keys.rotate(alg, now=NOW)
    last = keys.rotate(alg, now=NOW + HOUR / 2).kid
    assert keys.rotate(alg, now=NOW + HOUR, at_once=True).kid == last
    for minutes in range(60, 30 * 60, 10):
        assert signing(alg, NOW + timedelta(minutes=minutes)) == last


class TestCommand:
    def test_it_lists_every_key_and_what_it_does(self) -> None:
        listed = manage("list")
        assert listed.count("signing") == 3
        for key in SigningKey.objects.all():
            assert key.kid in listed

    def test_it_says_what_it_promoted(self) -> None:
        manage("rotate", "EdDSA")
        assert manage("rotate", "EdDSA", "--now").startswith("promoted EdDSA ")
        assert manage("rotate", "EdDSA", "--now").startswith("published EdDSA ")

    def test_it_rotates_one_or_all(self) -> None:
        manage("rotate", "ES256")
        assert SigningKey.objects.count() == 4
        manage("rotate")
        assert SigningKey.objects.count() == 7
        assert "published, signs from" in manage("list")

    def test_it_rotates_at_once(self) -> None:
        manage("rotate", "RS256", "--now")
        assert "retired, published until" in manage("list")

    def test_it_retires_and_warns_if_none_is_left(self) -> None:
        kid = SigningKey.objects.get(alg="RS256").kid
        assert "no RS256 key is left to sign with" in manage("retire", "--compromised", "--", kid)
        assert "gone" in manage("list")

    def test_it_warns_if_the_successor_does_not_sign_yet(self) -> None:
        kid = SigningKey.objects.get(alg="RS256").kid
        manage("rotate", "RS256")
        assert "no RS256 key is left to sign with" in manage("retire", "--compromised", "--", kid)

    def test_an_unknown_kid_is_an_error(self) -> None:
        with pytest.raises(CommandError, match="there is no key"):
            manage("retire", "nonsense")
