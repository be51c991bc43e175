"""JSON Web Key Sets (RFC 7517): the public keys of another party, read from what it publishes.

> Implementations SHOULD ignore JWKs within a JWK Set that use "kty" (key type) values that are not understood by them,
> that are missing required members, or for which values are out of the supported ranges. (RFC 7517 §5)

So an entry that cannot be used is passed over and named, and the others count. Only a private or a symmetric key
condemns the whole set: its owner has lost control of it.
"""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidKeyError

from authz.protocol.jose_algorithms import CURVES, may_sign

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey | Ed448PublicKey
PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey

MAX_KEYS = 64
MIN_RSA_BITS = 2048
# Verifying under a giant key costs a giant's time: a hostile JWKS must not buy our CPU.
MAX_RSA_BITS = 8192
MAX_RSA_EXPONENT = 2**32

_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
_REQUIRED_MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}
# SPIFFE's bundles say `jwt-svid` where other sets say `sig` (SPIFFE Trust Domain and Bundle §4.2.2).
# A kid is a hint: nothing of it is worth remembering and comparing by the hundred kilobytes.
MAX_KID = 1024
_USES = frozenset({"sig", "jwt-svid"})


class KeySetError(Exception):
    """A document that is no JWK Set, or one that its owner has lost control of."""


class Unusable(StrEnum):
    """Why an entry of a key set was passed over, in words for operators."""

    NOT_A_KEY = "it is not a JSON object with a key type"
    MEMBERS = "a member has the wrong JSON type"
    OTHER_USE = "it is for another use than verifying signatures"
    OTHER_TYPE = "its key type or curve is not one that is verified here"
    OTHER_ALGORITHM = "its algorithm is not one that is verified here, or not one for its key type"
    UNREADABLE = "its members do not make a public key"
    WEAK = f"it is an RSA key of fewer than {MIN_RSA_BITS} bits"
    OVERSIZE = f"it is an RSA key of more than {MAX_RSA_BITS} bits, or with an enormous exponent"
    LONG_KID = f"its kid has more than {MAX_KID} characters"
    AMBIGUOUS = "another key in the set has the same kid and type"


@dataclass(frozen=True, slots=True)
class Key:
    """A public key that may verify signatures. `alg` is the one algorithm it is for, if its owner named one."""

    kid: str | None
    alg: str | None
    kty: str
    crv: str | None
    public_key: PublicKey


@dataclass(frozen=True, slots=True)
class PassedOver:
    """An entry that does not count: its place in the set from 0, its `kid` if that can be read, and why."""

    position: int
    kid: str | None
    why: Unusable

    def __str__(self) -> str:
        name = f"key {self.position + 1}" if self.kid is None else f"key {self.position + 1} ({self.kid[:80]})"
        return f"{name}: {self.why.value}"


@dataclass(frozen=True, slots=True)
class KeySet:
    keys: tuple[Key, ...]
    passed_over: tuple[PassedOver, ...]


class _PassOver(Exception):
    def __init__(self, why: Unusable) -> None:
        super().__init__(why.value)
        self.why = why


def read(document: Mapping[str, Any]) -> KeySet:
    """The keys of a JWK Set that may verify signatures here, and the entries that may not.

    Raises KeySetError: no list of keys, more than `MAX_KEYS`, or a private or symmetric key among them.
    """
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise KeySetError("it has no list of keys")
    if len(entries) > MAX_KEYS:
        raise KeySetError(f"it has more than {MAX_KEYS} keys")
    read_ones: list[tuple[int, Key]] = []
    passed_over: list[PassedOver] = []
    for position, entry in enumerate(entries):
        members = _present(entry)
        if members.get("kty") != "oct" and _PRIVATE_MEMBERS.isdisjoint(members):
            try:
                read_ones.append((position, _key(members)))
            except _PassOver as problem:
                passed_over.append(PassedOver(position, _kid(members), problem.why))
        elif members.get("kty") == "oct" and "k" not in members:
            passed_over.append(PassedOver(position, _kid(members), Unusable.OTHER_TYPE))
        else:
            raise KeySetError(f"its key number {position + 1} is private or symmetric")
    doubtful = _ambiguous([key for _, key in read_ones])
    passed_over += [PassedOver(at, key.kid, Unusable.AMBIGUOUS) for at, key in read_ones if _name(key) in doubtful]
    kept = tuple(key for _, key in read_ones if _name(key) not in doubtful)
    return KeySet(kept, tuple(sorted(passed_over, key=lambda entry: entry.position)))


def is_readable(document: Mapping[str, Any]) -> bool:
    """Whether `read` reads it, whatever it then finds."""
    try:
        read(document)
    except KeySetError:
        return False
    return True


def problem(document: object) -> str:
    """Why a configured key set verifies nothing here, each key that was passed over named; "" if it does.

    It goes on from “it” or “jwks”, as part of the sentence that the caller shows.
    """
    try:
        found = read(document if isinstance(document, dict) else {})
    except KeySetError as error:
        return f"is no set of public keys: {error}"
    if found.keys:
        return ""
    why = "; ".join(str(one) for one in found.passed_over) or "it is empty"
    return f"holds no key that verifies signatures here: {why}"


def _present(entry: object) -> dict[str, Any]:
    # Serializers write a member that has no value as null, "" or [].
    if not isinstance(entry, dict):
        return {}
    return {name: value for name, value in entry.items() if value is not None and value not in ("", [])}


def _kid(members: Mapping[str, Any]) -> str | None:
    kid = members.get("kid")
    return kid[:200] if isinstance(kid, str) else None


def _ambiguous(keys: Sequence[Key]) -> set[tuple[str, str]]:
    """The (kid, kty) that different keys share: which of them is meant cannot be known (attack 17).

    > keys with different "kty" values [...] may use the same "kid" value (RFC 7517 §4.5)
    """
    distinct = {(*_name(key), thumbprint(public_jwk(key.public_key))) for key in keys if key.kid is not None}
    count = Counter((kid, kty) for kid, kty, _ in distinct)
    return {name for name, times in count.items() if times > 1}


def _name(key: Key) -> tuple[str, str]:
    return key.kid or "", key.kty


def _key(members: Mapping[str, Any]) -> Key:
    kty, crv, alg, kid = (members.get(member) for member in ("kty", "crv", "alg", "kid"))
    operations = members.get("key_ops", ["verify"])
    if not isinstance(kty, str):
        raise _PassOver(Unusable.NOT_A_KEY)
    if not all(isinstance(member, str | None) for member in (crv, alg, kid)) or not isinstance(operations, list):
        raise _PassOver(Unusable.MEMBERS)
    if kid is not None and len(kid) > MAX_KID:
        raise _PassOver(Unusable.LONG_KID)
    use = members.get("use", "sig")
    if not isinstance(use, str | None) or use not in _USES or "verify" not in operations:
        raise _PassOver(Unusable.OTHER_USE)
    if (kty, crv if kty != "RSA" else None) not in CURVES:
        raise _PassOver(Unusable.OTHER_TYPE)
    crv = crv if kty != "RSA" else None
    if alg is not None and not may_sign(alg, kty, crv, None):
        raise _PassOver(Unusable.OTHER_ALGORITHM)
    return Key(kid, alg, kty, crv, _public_key(kty, members))


def _public_key(kty: str, members: Mapping[str, Any]) -> PublicKey:
    reader: Any = {"RSA": RSAAlgorithm, "EC": ECAlgorithm, "OKP": OKPAlgorithm}[kty]
    required = _REQUIRED_MEMBERS[kty]
    if not all(isinstance(members.get(member), str) for member in required):
        raise _PassOver(Unusable.UNREADABLE)
    if max(len(members[member]) for member in required) > MAX_RSA_BITS // 4:
        raise _PassOver(Unusable.OVERSIZE)
    try:
        key: PublicKey = reader.from_jwk({member: members[member] for member in required})
    except (InvalidKeyError, ValueError, TypeError):
        raise _PassOver(Unusable.UNREADABLE) from None
    if isinstance(key, RSAPublicKey):
        # > A key of size 2048 bits or larger MUST be used with these algorithms. (RFC 7518 §3.3)
        if key.key_size < MIN_RSA_BITS:
            raise _PassOver(Unusable.WEAK)
        if key.key_size > MAX_RSA_BITS or key.public_numbers().e > MAX_RSA_EXPONENT:
            raise _PassOver(Unusable.OVERSIZE)
    return key


def candidates(header: Mapping[str, Any], keys: Sequence[Key]) -> tuple[Key, ...]:
    """The keys that may have signed a token with this header: that of its `kid`, or each of the right type without one.

    MCP clients sign their assertions without a `kid`, so a registered key must be found by its type alone.
    """
    alg, kid = header["alg"], header.get("kid")
    return tuple(key for key in keys if may_sign(alg, key.kty, key.crv, key.alg) and (kid is None or key.kid == kid))


def public_jwk(public_key: PublicKey, *, kid: str | None = None, alg: str | None = None) -> dict[str, str]:
    """The JWK for a public key (RFC 7517 §4): `use` is `sig`, and `kid` its thumbprint unless one is given."""
    writer: Any = {"RSA": RSAAlgorithm, "EC": ECAlgorithm, "OKP": OKPAlgorithm}[kty_of(public_key)]
    written: dict[str, Any] = writer.to_jwk(public_key, as_dict=True)
    members: dict[str, str] = {member: written[member] for member in _REQUIRED_MEMBERS[written["kty"]]}
    jwk = members | {"kid": kid or thumbprint(members), "use": "sig"}
    return jwk | {"alg": alg} if alg is not None else jwk


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """The JWK's SHA-256 thumbprint in base64url (RFC 7638 §3)."""
    required = {member: jwk[member] for member in _REQUIRED_MEMBERS[jwk["kty"]]}
    canonical = json.dumps(required, separators=(",", ":"), sort_keys=True).encode()
    return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode("ascii")


def kty_of(key: PublicKey | PrivateKey) -> str:
    match key:
        case RSAPublicKey() | RSAPrivateKey():
            return "RSA"
        case EllipticCurvePublicKey() | EllipticCurvePrivateKey():
            return "EC"
        case _:
            return "OKP"
