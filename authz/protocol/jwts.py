"""Signed JWTs (RFC 7515, 7517, 7519), read as RFC 8725 advises: strictly, never by what a token says of itself.

`parse` reads a token without a verified signature (`Unverified`); `verify` turns it into `Verified` with keys that the
caller chose; `check_times` judges the times. `signer` does the cheap half of minting once. Algorithms are those of
authz/protocol/jose_algorithms.py, keys those that authz/protocol/jwks.py reads.

No clock and no I/O: `now` is in seconds since the epoch, as a float.
"""

import base64
import binascii
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from authz.protocol import compact_json, strict_json
from authz.protocol.jose_algorithms import ALGORITHMS as _ALGORITHMS
from authz.protocol.jose_algorithms import may_sign
from authz.protocol.jwks import MAX_KID, MIN_RSA_BITS, Key, KeySetError, PrivateKey, candidates, public_jwk, read

ALGORITHMS: Final = frozenset(_ALGORITHMS)

MAX_TOKEN_LENGTH = 16 * 1024
# Seconds that the clock of an assertion's author may differ from ours.
CLOCK_SKEW: Final = 30

_SEGMENT = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
# A key that comes with the token vouches for nothing (CVE-2026-27962); `b64` changes what is signed (RFC 7797), `zip`
# what is read. Hints where a key might be found (`jku`, `x5u`, `x5c`, `x5t`) are ignored and never followed, since keys
# are the caller's (RFC 8725 §3.10).
_REFUSED_HEADERS = frozenset({"jwk", "b64", "zip"})


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
class Unverified:
    """A well-formed token without a verified signature: good for choosing keys, and for nothing else."""

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
        """The media type, in small letters and without its `application/`.

        > a recipient using the media type value MUST treat it as if "application/" were prepended to any "typ" value
        > not containing a '/' (RFC 7515 §4.1.9); media types know no letter case (RFC 2045 §5.1).
        """
        typ = self.header.get("typ")
        return None if typ is None else media_type(typ)


@dataclass(frozen=True, slots=True)
class Verified:
    """A token whose signature holds under one of the caller's keys; its times and its meaning are yet to be judged."""

    header: dict[str, Any]
    claims: dict[str, Any]
    key: Key


def media_type(typ: str) -> str:
    """A `typ` as it is compared: two spellings of one media type are one."""
    lowered = typ.lower()
    bare = lowered.removeprefix("application/")
    return lowered if "/" in bare else bare


# --- Reading -------------------------------------------------------------------------------------------------------


def parse(token: str, *, with_key: bool = False) -> Unverified:
    """Take a compact JWS apart. `with_key`: for the one kind of token that carries its own key (`jwk`), a DPoP proof.

    Raises JwtError: malformed, too_large, header_refused, critical, algorithm.
    """
    if len(token) > MAX_TOKEN_LENGTH:
        raise JwtError(JwtProblem.TOO_LARGE)
    segments = token.split(".")
    if len(segments) != 3:
        raise JwtError(JwtProblem.MALFORMED)
    header_segment, claims_segment, signature_segment = segments
    header = _json_object(_decoded(header_segment))
    _check_header(header, _REFUSED_HEADERS - {"jwk"} if with_key else _REFUSED_HEADERS)
    return Unverified(
        header=header,
        claims=_json_object(_decoded(claims_segment)),
        signing_input=f"{header_segment}.{claims_segment}".encode("ascii"),
        signature=_decoded(signature_segment),
    )


def _check_header(header: dict[str, Any], refused: Collection[str]) -> None:
    # > If any of the listed extension Header Parameters are not understood and supported by the recipient, then the JWS
    # > is invalid. (RFC 7515 §4.1.11) We understand none.
    if "crit" in header:
        raise JwtError(JwtProblem.CRITICAL)
    if any(name in header for name in refused):
        raise JwtError(JwtProblem.HEADER_REFUSED)
    if not isinstance(header.get("alg"), str) or header["alg"] not in ALGORITHMS:
        raise JwtError(JwtProblem.ALGORITHM)
    if not isinstance(header.get("typ", ""), str) or not isinstance(header.get("kid"), str | None):
        raise JwtError(JwtProblem.MALFORMED)
    if len(header.get("kid") or "") > MAX_KID:
        raise JwtError(JwtProblem.TOO_LARGE)


def _decoded(segment: str) -> bytes:
    if not _SEGMENT.fullmatch(segment):
        raise JwtError(JwtProblem.MALFORMED)
    try:
        raw = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except (binascii.Error, ValueError):
        raise JwtError(JwtProblem.MALFORMED) from None
    # The unused bits of the last character must be zero: otherwise one signature has several spellings, and code that
    # remembers used tokens by their text would accept the same one twice.
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


def keys_from_jwks(document: Mapping[str, Any]) -> tuple[Key, ...]:
    """The usable keys of a JWK Set. Raises JwtError(key_set) where authz/protocol/jwks.py refuses it."""
    try:
        return read(document).keys
    except KeySetError:
        raise JwtError(JwtProblem.KEY_SET) from None


# --- Judging -------------------------------------------------------------------------------------------------------


def verify(
    token: str | Unverified,
    keys: Sequence[Key],
    *,
    algorithms: Collection[str] = ALGORITHMS,
    typ: Collection[str | None] | None,
) -> Verified:
    """Check a token's `typ`, algorithm and signature; `keys` are the ones that the caller believes for its issuer.

    `typ` lists the media types that will do, `None` among them where the header may be absent; as a whole it is
    `None` only where the caller has told the kinds of token apart already. Raises JwtError: what `parse` raises, typ,
    algorithm, no_key, signature.
    """
    unverified = parse(token) if isinstance(token, str) else token
    # > applications MUST only allow the use of cryptographically current algorithms (RFC 8725 §3.2). Which ones is the
    # caller's to say; the token's `alg` only picks among them (§3.1).
    if unverified.alg not in algorithms:
        raise JwtError(JwtProblem.ALGORITHM)
    # A token with another typ is another kind of token, however it is spelled.
    if typ is not None and unverified.typ not in {None if one is None else media_type(one) for one in typ}:
        raise JwtError(JwtProblem.TYP)
    usable = candidates(unverified.header, keys)
    if not usable:
        raise JwtError(JwtProblem.NO_KEY)
    implementation = _ALGORITHMS[unverified.alg].implementation
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


_json = compact_json.writer(ensure_ascii=False, allow_nan=False)


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
        signature: bytes = _ALGORITHMS[self.alg].implementation.sign(signing_input.encode("ascii"), self.private_key)
        return f"{signing_input}.{_encoded(signature)}"


def signer(private_key: PrivateKey, *, kid: str, alg: str, typ: str) -> Signer:
    """Raises ValueError where the key cannot sign with `alg`."""
    jwk = public_jwk(private_key.public_key())
    if not may_sign(alg, jwk["kty"], jwk.get("crv"), None):
        raise ValueError(f"this key's type or curve does not sign {alg}")
    if isinstance(private_key, RSAPrivateKey) and private_key.key_size < MIN_RSA_BITS:
        raise ValueError(f"this key is too small to sign {alg}")
    header = json.dumps({"alg": alg, "typ": typ, "kid": kid}, separators=(",", ":")).encode()
    return Signer(kid, alg, _encoded(header), private_key)
