"""That a proof is used once (RFC 9449 §11.1), in all processes and on all nodes: like an assertion, by one INSERT.

A row is kept until its proof is too old, ten minutes at most, and only what succeeds leaves one: a proof is claimed
when a token is issued, or when a live token is presented with it. So nothing that a stranger sends is stored.
"""

from authz.database import raw_sql, replay
from authz.protocol.dpop_proofs import Proof
from authz.protocol.errors import OAuthError, Reason


def claim(proof: Proof) -> None:
    """Claim a proof, by itself or inside `unit_of_work()`. Raises `OAuthError` for one that was used before."""
    # > To prevent multiple uses of the same DPoP proof, servers can store, in the context of the target URI, the jti
    # > value of each DPoP proof for the time window in which the respective DPoP proof JWT would be accepted.
    # A proof is for one target; beside its key, so that one client's `jti` is not another's.
    if not replay.claim(_source(proof), proof.jti, proof.expires):
        raise OAuthError(Reason.DPOP_PROOF_REPLAYED)


def claim_statement(proof: Proof) -> raw_sql.Statement:
    """The statement of a claim, for one that goes along with another one. No row: the proof was used before."""
    return replay.statement(_source(proof), proof.jti, proof.expires)


def _source(proof: Proof) -> str:
    return f"dpop:{proof.jkt}"
