"""Our signing keys: made, published, signing, retired, gone.

A resource server reads our JWKS now and then, so a key is published well before it signs, and stays published until the
last token it signed has expired (interop 11).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from django.db.models import Q

from authz import audit
from authz.database import configuration_cache
from authz.database.transactions import unit_of_work
from authz.keys.secrets_at_rest import AtRest, decrypt, encrypt, moved
from authz.models import Generation, SigningKey
from authz.protocol import jwks, jwts
from authz.protocol.errors import OAuthError, Reason

ALGORITHMS = ("RS256", "ES256", "EdDSA")
PURPOSE = "signing keys at rest"
# Verifiers that cache our JWKS for an hour have seen a new key before it signs (fastmcp re-reads hourly).
PUBLISHED_AHEAD = timedelta(hours=2)
# No token of ours lives longer (ProtectedResource.access_token_lifetime is bounded by it).
LONGEST_TOKEN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Signing:
    """A key as the process holds it. Times are seconds since the epoch."""

    kid: str
    alg: str
    public_jwk: Mapping[str, Any]
    signs_from: float
    retired: float | None
    expires: float | None
    private_key: jwks.PrivateKey


def generate(alg: str, *, now: datetime, signs_from: datetime) -> SigningKey:
    """Make and publish a key that signs from `signs_from` on. Call it inside `unit_of_work()`."""
    private_key = _new_private_key(alg)
    public_jwk = jwks.public_jwk(private_key.public_key(), alg=alg)
    kid = public_jwk["kid"]
    der = private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    key = SigningKey.objects.create(
        kid=kid,
        alg=alg,
        public_jwk=public_jwk,
        encrypted=encrypt(der, purpose=PURPOSE, about=kid),
        published=now,
        signs_from=signs_from,
    )
    audit.record(audit.Event.KEY_PUBLISHED, detail={"kid": kid, "alg": alg, "signs_from": signs_from.isoformat()})
    return key


def _new_private_key(alg: str) -> jwks.PrivateKey:
    if alg == "RS256":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    if alg == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    if alg == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    raise ValueError(f"no such algorithm: {alg}")


def ensure(now: datetime) -> list[SigningKey]:
    """Make the keys that are missing, one for each algorithm; they sign at once."""
    with unit_of_work():
        _one_at_a_time()
        present = set(SigningKey.objects.filter(retired=None).values_list("alg", flat=True))
        return [generate(alg, now=now, signs_from=now) for alg in ALGORITHMS if alg not in present]


def rotate(alg: str, *, now: datetime, at_once: bool = False) -> SigningKey:
    """Publish a successor; it takes over when verifiers have had time to see it.

    `at_once` lets it take over now. A successor that was announced before is the one: verifiers know it already.
    """
    takes_over = now if at_once else now + PUBLISHED_AHEAD
    with unit_of_work():
        _one_at_a_time()
        announced = SigningKey.objects.filter(alg=alg, retired=None, signs_from__gt=now).first() if at_once else None
        successor = _promote(announced, now) if announced else generate(alg, now=now, signs_from=takes_over)
        others = SigningKey.objects.filter(Q(retired=None) | Q(retired__gt=takes_over), alg=alg)
        for key in others.exclude(pk=successor.pk):
            _retire(key, at=takes_over)
    return successor


def _promote(key: SigningKey, now: datetime) -> SigningKey:
    key.signs_from = now
    key.save(update_fields=["signs_from"])
    audit.record(audit.Event.KEY_PROMOTED, detail={"kid": key.kid, "alg": key.alg, "signs_from": now.isoformat()})
    return key


def _one_at_a_time() -> None:
    """Two nodes that look for what is missing would both make it. SQLite's transactions wait for one another anyway."""
    Generation.objects.select_for_update().filter(pk=1).first()


def retire(kid: str, *, now: datetime, compromised: bool = False) -> SigningKey:
    """Stop signing with a key. A compromised one leaves the JWKS at once, and what it signed is no longer believed."""
    with unit_of_work():
        key = SigningKey.objects.get(kid=kid)
        _retire(key, at=now, expires=now if compromised else None)
        if compromised:
            audit.record(audit.Event.KEY_REMOVED, detail={"kid": kid, "alg": key.alg})
    return key


def _retire(key: SigningKey, *, at: datetime, expires: datetime | None = None) -> None:
    # Never later than was said before: retiring a compromised key once more must not bring it back.
    key.retired = min(at, key.retired or at)
    ends = expires if expires is not None else key.retired + LONGEST_TOKEN
    key.expires = min(ends, key.expires or ends)
    key.save(update_fields=["retired", "expires"])
    audit.record(audit.Event.KEY_RETIRED, detail={"kid": key.kid, "alg": key.alg, "retired": at.isoformat()})


def cached() -> tuple[Signing, ...]:
    """Every key that is or was ours and is not forgotten."""
    return configuration_cache.cached("signing keys", _load)


def _load() -> tuple[Signing, ...]:
    return tuple(
        Signing(
            kid=key.kid,
            alg=key.alg,
            public_jwk=key.public_jwk,
            signs_from=key.signs_from.timestamp(),
            retired=key.retired.timestamp() if key.retired else None,
            expires=key.expires.timestamp() if key.expires else None,
            private_key=_private_key(decrypt(bytes(key.encrypted), purpose=PURPOSE, about=key.kid)),
        )
        for key in SigningKey.objects.order_by("signs_from")
    )


def _private_key(der: bytes) -> jwks.PrivateKey:
    # Whether its factors are primes is not tried again with each change of configuration (40 ms, measured,
    # in which the event loop answers no request): a key that can be decrypted was encrypted here.
    return load_der_private_key(der, password=None, unsafe_skip_rsa_key_validation=True)  # type: ignore[return-value]  # we made it, of one of three kinds


def signing_key(alg: str, now: float) -> Signing:
    """The key that signs with `alg` at `now`: the newest that may. Raises `OAuthError`."""
    for key in reversed(cached()):
        if key.alg == alg and key.signs_from <= now and (key.retired is None or now < key.retired):
            return key
    raise OAuthError(Reason.SIGNING_KEY_MISSING, detail=alg)


def sign(claims: Mapping[str, Any], *, typ: str, alg: str, now: float) -> str:
    """A compact JWS with our `kid`."""
    key = signing_key(alg, now)
    signer = configuration_cache.cached(
        ("signer", key.kid, typ), lambda: jwts.signer(key.private_key, kid=key.kid, alg=alg, typ=typ)
    )
    return signer.sign(claims)


def published(now: float) -> list[Mapping[str, Any]]:
    """The public keys of the JWKS at `now`."""
    return [key.public_jwk for key in cached() if key.expires is None or now < key.expires]


def published_kids(now: float) -> tuple[str, ...]:
    """The names of those keys."""
    return tuple([key.kid for key in cached() if key.expires is None or now < key.expires])


def verification_keys(now: float) -> tuple[jwks.Key, ...]:
    """What our own signatures are verified with: what the JWKS shows, no more."""
    return configuration_cache.cached(
        ("verification keys", published_kids(now)), lambda: jwts.keys_from_jwks({"keys": published(now)})
    )


AT_REST = AtRest(SigningKey, "encrypted", lambda key: moved(bytes(key.encrypted), purpose=PURPOSE, about=key.kid))


def as_datetime(now: float) -> datetime:
    return datetime.fromtimestamp(now, UTC)
