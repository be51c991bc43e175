"""Proofs of possession (RFC 9449): what a token is bound to, and how a request shows that it has the key.

The proof itself is judged by authz/protocol/dpop_proofs.py. Here is what needs a clock of all nodes or a store: nonces,
and that each proof is used once (docs/decisions/0108-dpop.md).
"""

from authz.dpop.nonces import next_nonce
from authz.dpop.presented import (
    RAW_PATH,
    Presented,
    address_of,
    bound_key,
    challenge,
    confirm,
    presented,
    raw_path,
    refusal_headers,
    shown,
    supported,
)
from authz.dpop.proving import HEADER, proof_of
from authz.dpop.single_use import claim, claim_statement

__all__ = [
    "HEADER",
    "RAW_PATH",
    "Presented",
    "address_of",
    "bound_key",
    "challenge",
    "claim",
    "claim_statement",
    "confirm",
    "next_nonce",
    "presented",
    "proof_of",
    "raw_path",
    "refusal_headers",
    "shown",
    "supported",
]
