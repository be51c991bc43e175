"""The proof that a request brings in its DPoP header."""

from collections.abc import MutableMapping
from typing import Any

from authz.dpop import nonces
from authz.protocol import dpop_proofs
from authz.protocol.dpop_proofs import Asked, Proof

# In the WSGI environment.
HEADER = "HTTP_DPOP"


def proof_of(meta: MutableMapping[str, Any], asked: Asked, *, needs_nonce: bool = True) -> Proof | None:
    """The proof of a request; None where it has none. Raises `OAuthError` for one that does not hold.

    `needs_nonce`: whether it needs a nonce where the settings demand them.

    It is not claimed yet (authz/dpop/single_use.py). The address is the one that clients are told, never that of the
    Host header (invariant 7), so a proxy in between changes nothing.
    """
    header = meta.get(HEADER)
    if header is None:
        return None
    proof = dpop_proofs.check(header, asked)
    if needs_nonce:
        nonces.require(proof, asked.now)
        nonces.keep_next(meta, proof, asked.now)
    return proof
