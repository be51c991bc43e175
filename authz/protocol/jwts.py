"""Signed JWTs (RFC 7515, 7517, 7519), read as RFC 8725 advises: strictly, never by what a token says of itself.

`parse` reads what nobody has vouched for yet (`Unverified`); `verify` turns it into `Verified` with keys that the
caller chose; `check_times` judges the times. `signer` does the cheap half of minting once. Only four algorithms exist
here, each bound to one type of key, and `none` and HMAC are not among them. The cryptography is PyJWT's.

No clock and no I/O: `now` is in seconds since the epoch, as a float.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm, RSAPSSAlgorithm
from jwt.exceptions import InvalidKeyError

from authz.protocol import strict_json

_TYPE_OF_KEY = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC", "EdDSA": "OKP"}
ALGORITHMS: Final = frozenset(_TYPE_OF_KEY)
PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey
PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey

MAX_TOKEN_LENGTH = 16 * 1024
MAX_KEYS = 64
MIN_RSA_BITS = 2048
# Verifying under a giant key costs a giant's time: a hostile JWKS must not buy our CPU.
MAX_RSA_BITS = 8192
MAX_RSA_EXPONENT = 2**32

_SEGMENT = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
# A key that comes with the token vouches for nothing (CVE-2026-27962), and a URL for one makes us fetch for an attacker
# (RFC 8725 §3.10). `b64` changes what is signed (RFC 7797), `zip` what is read.
_REFUSED_HEADERS = frozenset({"jwk", "jku", "x5u", "x5c", "b64", "zip"})
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
_THUMBPRINT_MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}

_IMPLEMENTATIONS: Final[dict[str, Any]] = {
    "RS256": RSAAlgorithm(RSAAlgorithm.SHA256),
    "PS256": RSAPSSAlgorithm(RSAPSSAlgorithm.SHA256),
    "ES256": ECAlgorithm(ECAlgorithm.SHA256, SECP256R1),
    "EdDSA": OKPAlgorithm(),
}


class JwtProblem(StrEnum):
    """Why a token or a key set was not believed. For operators; callers map it to a reason of their own."""

    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    HEADER_REFUSED = "header_refused"
    CRITICAL = "critical"
    ALGORITHM = "algorithm"
    TYP = "typ"
    NO_KEY = "no_key"
    SIGNATURE = "signature"
    KEY_SET = "key_set"
    TIME_MISSING = "time_missing"
    TIME_MALFORMED = "time_malformed"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    LIFETIME = "lifetime"


class JwtError(Exception):
    """A token or a key set that is not believed. Carries the problem, and never the token."""

    def __init__(self, problem: JwtProblem) -> None:
        super().__init__(problem.value)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Key:
    """A public key that may verify signatures. `alg` is the one algorithm it is for, if its owner named one."""

    kid: str | None
    alg: str | None
    kty: str
    crv: str | None
    public_key: PublicKey


@dataclass(frozen=True, slots=True)
class Unverified:
    """A well-formed token that nobody has vouched for: good for choosing keys, and for nothing else."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signing_input: bytes
    signature: bytes

    @property
    def alg(self) -> str:
        alg: str = self.header["alg"]
        return alg

    @property
    def kid(self) -> str | None:
        return self.header.get("kid")

    @property
    def typ(self) -> str | None:
        return self.header.get("typ")


@dataclass(frozen=True, slots=True)
class Verified:
    """A token whose signature holds under one of the caller's keys; its times and its meaning are yet to be judged."""

    header: dict[str, Any]
    claims: dict[str, Any]
    key: Key


# --- Reading -------------------------------------------------------------------------------------------------------


def parse(token: str) -> Unverified:
    """Take a compact JWS apart. Raises JwtError: malformed, too_large, header_refused, critical, algorithm."""
    if len(token) > MAX_TOKEN_LENGTH:
        raise JwtError(JwtProblem.TOO_LARGE)
    segments = token.split(".")
    if len(segments) != 3:
        raise JwtError(JwtProblem.MALFORMED)
    header_segment, claims_segment, signature_segment = segments
    header = _json_object(_decoded(header_segment))
    _check_header(header)
    return Unverified(
        header=header,
        claims=_json_object(_decoded(claims_segment)),
        signing_input=f"{header_segment}.{claims_segment}".encode("ascii"),
        signature=_decoded(signature_segment),
    )


def _check_header(header: dict[str, Any]) -> None:
    # > If any of the listed extension Header Parameters are not understood and supported by the recipient, then the JWS
    # > is invalid. (RFC 7515 §4.1.11) We understand none.
    if "crit" in header:
        raise JwtError(JwtProblem.CRITICAL)
    if not _REFUSED_HEADERS.isdisjoint(header):
        raise JwtError(JwtProblem.HEADER_REFUSED)
    if not isinstance(header.get("alg"), str) or header["alg"] not in ALGORITHMS:
        raise JwtError(JwtProblem.ALGORITHM)
    if not isinstance(header.get("typ", ""), str) or not isinstance(header.get("kid", ""), str):
        raise JwtError(JwtProblem.MALFORMED)


def _decoded(segment: str) -> bytes:
    if not _SEGMENT.fullmatch(segment):
        raise JwtError(JwtProblem.MALFORMED)
    try:
        raw = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except (binascii.Error, ValueError):
        raise JwtError(JwtProblem.MALFORMED) from None
    # The unused bits of the last character must be zero: otherwise one signature has several spellings, and whoever
    # remembers used tokens by their text can be shown the same one twice.
    if _encoded(raw) != segment:
        raise JwtError(JwtProblem.MALFORMED)
    return raw


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _json_object(raw: bytes) -> dict[str, Any]:
    # > The Claim Names within a JWT Claims Set MUST be unique (RFC 7519 §4): two readers of one token must not see two
    # different claims. Nor are there other things in it that two readers would read as two.
    try:
        return strict_json.read_object(raw)
    except strict_json.StrictJsonError:
        raise JwtError(JwtProblem.MALFORMED) from None


# --- Keys ----------------------------------------------------------------------------------------------------------


def keys_from_jwks(document: Mapping[str, Any]) -> tuple[Key, ...]:
    """The keys of a JWK Set that may verify signatures here. Raises JwtError(key_set) on a set not fit to be believed.

    Keys for other uses and of types, curves and algorithms that we do not verify are passed over (RFC 7517 §5). A
    private or symmetric key inside, a weak or a giant RSA key, or one `kid` for two keys spoils the whole set: its
    owner has lost control of it, or hopes that we take one key for another.
    """
    entries = document.get("keys")
    if not isinstance(entries, list) or len(entries) > MAX_KEYS:
        raise JwtError(JwtProblem.KEY_SET)
    keys = tuple(key for entry in entries if (key := _key(entry)) is not None)
    kids = [key.kid for key in keys if key.kid is not None]
    if len(kids) != len(set(kids)):
        raise JwtError(JwtProblem.KEY_SET)
    return keys


def _key(jwk: object) -> Key | None:
    if not isinstance(jwk, dict):
        raise JwtError(JwtProblem.KEY_SET)
    kty, crv, alg, kid = (jwk.get(member) for member in ("kty", "crv", "alg", "kid"))
    operations = jwk.get("key_ops", ["verify"])
    if kty == "oct" or not _PRIVATE_MEMBERS.isdisjoint(jwk):
        raise JwtError(JwtProblem.KEY_SET)
    if not isinstance(kty, str) or not isinstance(operations, list):
        raise JwtError(JwtProblem.KEY_SET)
    if not all(isinstance(member, str | None) for member in (crv, alg, kid)):
        raise JwtError(JwtProblem.KEY_SET)
    if jwk.get("use", "sig") != "sig" or "verify" not in operations:
        return None
    if (kty, crv) not in {("RSA", None), ("EC", "P-256"), ("OKP", "Ed25519")}:
        return None
    if alg is not None and _TYPE_OF_KEY.get(alg) != kty:
        return None
    return Key(kid, alg, kty, crv, _public_key(kty, jwk))


def _public_key(kty: str, jwk: dict[str, Any]) -> PublicKey:
    reader: Any = {"RSA": RSAAlgorithm, "EC": ECAlgorithm, "OKP": OKPAlgorithm}[kty]
    if not all(isinstance(jwk.get(member), str) for member in _THUMBPRINT_MEMBERS[kty]):
        raise JwtError(JwtProblem.KEY_SET)
    if max(len(jwk[member]) for member in _THUMBPRINT_MEMBERS[kty]) > MAX_RSA_BITS // 4:
        raise JwtError(JwtProblem.KEY_SET)
    try:
        key: PublicKey = reader.from_jwk({member: jwk[member] for member in _THUMBPRINT_MEMBERS[kty]})
    except (InvalidKeyError, ValueError, TypeError):
        raise JwtError(JwtProblem.KEY_SET) from None
    # > A key of size 2048 bits or larger MUST be used with these algorithms. (RFC 7518 §3.3)
    if isinstance(key, RSAPublicKey) and not _is_sane(key):
        raise JwtError(JwtProblem.KEY_SET)
    return key


def _is_sane(key: RSAPublicKey) -> bool:
    return MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS and key.public_numbers().e <= MAX_RSA_EXPONENT


def candidates(header: Mapping[str, Any], keys: Sequence[Key]) -> tuple[Key, ...]:
    """The keys that may have signed a token with this header: that of its `kid`, or each of the right type without one.

    MCP clients sign their assertions without a `kid`, so a registered key must be found by its type alone.
    """
    alg, kid = header["alg"], header.get("kid")
    kty = _TYPE_OF_KEY.get(alg)
    return tuple(key for key in keys if key.kty == kty and key.alg in {None, alg} and (kid is None or key.kid == kid))


def public_jwk(public_key: PublicKey, *, kid: str | None = None, alg: str | None = None) -> dict[str, str]:
    """The JWK for a public key (RFC 7517 §4): `use` is `sig`, and `kid` its thumbprint unless one is given."""
    writer: Any = {"RSA": RSAAlgorithm, "EC": ECAlgorithm, "OKP": OKPAlgorithm}[_kty(public_key)]
    written: dict[str, Any] = writer.to_jwk(public_key, as_dict=True)
    members: dict[str, str] = {member: written[member] for member in _THUMBPRINT_MEMBERS[written["kty"]]}
    jwk = members | {"kid": kid or thumbprint(members), "use": "sig"}
    return jwk | {"alg": alg} if alg is not None else jwk


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """The JWK's SHA-256 thumbprint in base64url (RFC 7638 §3)."""
    required = {member: jwk[member] for member in _THUMBPRINT_MEMBERS[jwk["kty"]]}
    canonical = json.dumps(required, separators=(",", ":"), sort_keys=True).encode()
    return _encoded(hashlib.sha256(canonical).digest())


def _kty(key: PublicKey | PrivateKey) -> str:
    match key:
        case RSAPublicKey() | RSAPrivateKey():
            return "RSA"
        case EllipticCurvePublicKey() | EllipticCurvePrivateKey():
            return "EC"
        case _:
            return "OKP"


# --- Judging -------------------------------------------------------------------------------------------------------


def verify(
    token: str | Unverified,
    keys: Sequence[Key],
    *,
    algorithms: Collection[str] = ALGORITHMS,
    typ: Collection[str | None] | None,
) -> Verified:
    """Check a token's `typ`, algorithm and signature; `keys` are the ones that the caller believes for its issuer.

    `typ` lists the exact values that will do, `None` among them where the header may be absent; as a whole it is
    `None` only where the caller has told the kinds of token apart already. Raises JwtError: what `parse` raises, typ,
    algorithm, no_key, signature.
    """
    unverified = parse(token) if isinstance(token, str) else token
    # > applications MUST only allow the use of cryptographically current algorithms (RFC 8725 §3.2). Which ones is the
    # caller's to say; the token's `alg` only picks among them (§3.1).
    if unverified.alg not in algorithms:
        raise JwtError(JwtProblem.ALGORITHM)
    # Exactly, without the `application/` that RFC 7515 §4.1.9 lets senders spell out: a token with another typ is
    # another kind of token.
    if typ is not None and unverified.typ not in typ:
        raise JwtError(JwtProblem.TYP)
    usable = candidates(unverified.header, keys)
    if not usable:
        raise JwtError(JwtProblem.NO_KEY)
    implementation = _IMPLEMENTATIONS[unverified.alg]
    for key in usable:
        if implementation.verify(unverified.signing_input, key.public_key, unverified.signature):
            return Verified(unverified.header, unverified.claims, key)
    raise JwtError(JwtProblem.SIGNATURE)


def check_times(
    claims: Mapping[str, Any],
    now: float,
    *,
    leeway: float,
    max_lifetime: float | None = None,
    require: Collection[str] = ("exp",),
) -> None:
    """Judge `exp`, `nbf` and `iat` against `now`, all in seconds since the epoch; `leeway` forgives clocks that differ.

    `max_lifetime` bounds both what the token says of itself (`exp` − `iat`) and how long it still has. Raises JwtError:
    time_missing, time_malformed, expired, not_yet_valid, lifetime.
    """
    exp, nbf, iat = (_time(claims, name, required=name in require) for name in ("exp", "nbf", "iat"))
    # > the current date/time MUST be before the expiration date/time (RFC 7519 §4.1.4)
    if exp is not None and now >= exp + leeway:
        raise JwtError(JwtProblem.EXPIRED)
    # > the current date/time MUST be after or equal to the not-before date/time (RFC 7519 §4.1.5)
    if (nbf is not None and now < nbf - leeway) or (iat is not None and now < iat - leeway):
        raise JwtError(JwtProblem.NOT_YET_VALID)
    if exp is not None and iat is not None and exp <= iat:
        raise JwtError(JwtProblem.LIFETIME)
    if max_lifetime is None or exp is None:
        return
    if exp - now > max_lifetime + leeway or (iat is not None and exp - iat > max_lifetime):
        raise JwtError(JwtProblem.LIFETIME)


def _time(claims: Mapping[str, Any], name: str, *, required: bool) -> float | None:
    value = claims.get(name)
    if value is None:
        if required or name in claims:
            raise JwtError(JwtProblem.TIME_MISSING)
        return None
    # > NumericDate [...] A JSON numeric value (RFC 7519 §2). `true` is an int to Python, and no time.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53:
        raise JwtError(JwtProblem.TIME_MALFORMED)
    return float(value)


# --- Minting -------------------------------------------------------------------------------------------------------


_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class Signer:
    """A key with its header already written, so that minting costs little more than the raw signature."""

    kid: str
    alg: str
    header_segment: str
    private_key: PrivateKey

    def sign(self, claims: Mapping[str, Any]) -> str:
        """The compact JWS over `claims`."""
        payload = _json(claims).encode()
        signing_input = f"{self.header_segment}.{_encoded(payload)}"
        signature: bytes = _IMPLEMENTATIONS[self.alg].sign(signing_input.encode("ascii"), self.private_key)
        return f"{signing_input}.{_encoded(signature)}"


def signer(private_key: PrivateKey, *, kid: str, alg: str, typ: str) -> Signer:
    """Raises ValueError where the key cannot sign with `alg`."""
    if _TYPE_OF_KEY.get(alg) != _kty(private_key):
        raise ValueError(f"this key does not sign {alg}")
    if isinstance(private_key, EllipticCurvePrivateKey) and not isinstance(private_key.curve, SECP256R1):
        raise ValueError(f"this key's curve does not sign {alg}")
    if isinstance(private_key, RSAPrivateKey) and private_key.key_size < MIN_RSA_BITS:
        raise ValueError(f"this key is too small to sign {alg}")
    header = json.dumps({"alg": alg, "typ": typ, "kid": kid}, separators=(",", ":")).encode()
    return Signer(kid, alg, _encoded(header), private_key)
