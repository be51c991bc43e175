"""The signature algorithms that are verified here (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2), each bound to its keys.

`none` and HMAC are not among them. The cryptography is PyJWT's. Our own keys sign with fewer (authz/keys).
"""

from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, SECP521R1
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm, RSAPSSAlgorithm


@dataclass(frozen=True, slots=True)
class Algorithm:
    """`curves` are the values of `crv` whose keys it takes; RSA keys have none. `family` is the same for two names of
    one algorithm.
    """

    kty: str
    curves: frozenset[str | None]
    family: str
    implementation: Any


def _rsa(name: str, implementation: Any) -> Algorithm:
    return Algorithm("RSA", frozenset({None}), name, implementation)


def _ec(name: str, crv: str, implementation: Any) -> Algorithm:
    return Algorithm("EC", frozenset({crv}), name, implementation)


def _edwards(*curves: str) -> Algorithm:
    # > "EdDSA" [...] is deprecated; "Ed25519" and "Ed448" say the same of one curve each (RFC 9864 §2.2).
    return Algorithm("OKP", frozenset(curves), "EdDSA", OKPAlgorithm())


ALGORITHMS: Final = {
    "RS256": _rsa("RS256", RSAAlgorithm(RSAAlgorithm.SHA256)),
    "RS384": _rsa("RS384", RSAAlgorithm(RSAAlgorithm.SHA384)),
    "RS512": _rsa("RS512", RSAAlgorithm(RSAAlgorithm.SHA512)),
    "PS256": _rsa("PS256", RSAPSSAlgorithm(RSAPSSAlgorithm.SHA256)),
    "PS384": _rsa("PS384", RSAPSSAlgorithm(RSAPSSAlgorithm.SHA384)),
    "PS512": _rsa("PS512", RSAPSSAlgorithm(RSAPSSAlgorithm.SHA512)),
    "ES256": _ec("ES256", "P-256", ECAlgorithm(ECAlgorithm.SHA256, SECP256R1)),
    "ES384": _ec("ES384", "P-384", ECAlgorithm(ECAlgorithm.SHA384, SECP384R1)),
    "ES512": _ec("ES512", "P-521", ECAlgorithm(ECAlgorithm.SHA512, SECP521R1)),
    "EdDSA": _edwards("Ed25519", "Ed448"),
    "Ed25519": _edwards("Ed25519"),
    "Ed448": _edwards("Ed448"),
}
CURVES: Final = frozenset((algorithm.kty, crv) for algorithm in ALGORITHMS.values() for crv in algorithm.curves)


def may_sign(alg: str, kty: str, crv: str | None, named: str | None) -> bool:
    """Whether a key of this type and curve may have signed with `alg`; `named` is the one it is for, or None."""
    algorithm = ALGORITHMS.get(alg)
    if algorithm is None or algorithm.kty != kty or crv not in algorithm.curves:
        return False
    return named is None or (named in ALGORITHMS and ALGORITHMS[named].family == algorithm.family)
