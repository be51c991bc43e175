"""`/audit`: the audit as evidence, like `manage.py audit`: checkpoints, their keys, and proofs of single events."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from authz.api.framework.problems import Problem
from authz.api.framework.shapes import MOMENT_OR_NULL, NUMBER, TEXT, TEXTS, mapping
from authz.api.framework.view import ApiView
from authz.conf import conf
from authz.database.transactions import long_statements
from authz.evidence import checkpoint_keys, proofs
from authz.evidence.status import status

SEE = "authz.view_auditevent"
PROOF = mapping(
    format=TEXT,
    leaf=TEXT,
    index=NUMBER,
    inclusion=TEXTS,
    checkpoint=TEXT,
    verifier_key=TEXT,
)


class Seals(ApiView):
    requires = {"GET": SEE}
    answers = {
        "GET": mapping(
            size=NUMBER,
            sealed=MOMENT_OR_NULL,
            checkpoint=TEXT,
            waiting=NUMBER,
            archived=NUMBER,
            verifier_keys=TEXTS,
        )
    }

    def get(self, request: Request) -> Response:
        """The latest signed checkpoint (keep it where the database's owner cannot reach), the keys that verify it, and
        how many events wait for their seal.
        """
        now = status()
        return Response(
            {
                "size": now.size,
                "sealed": now.sealed.isoformat() if now.sealed else None,
                "checkpoint": now.checkpoint,
                "waiting": now.waiting,
                "archived": now.archived,
                "verifier_keys": list(now.verifier_keys),
            }
        )


class Proof(ApiView):
    requires = {"GET": SEE}
    answers = {"GET": PROOF}

    def get(self, request: Request, pk: int) -> Response:
        """The proof that one event is in the sealed audit, for `tools/verify_audit_proof.py`. 409 while it is not
        sealed yet.
        """
        return Response(proof_of(pk))


def proof_of(event: int) -> dict[str, Any]:
    """The proof of one event. Raises `Problem`."""
    try:
        with long_statements():
            return proofs.inclusion(event, checkpoint_keys.verifiers(), conf.audit_directory)
    except proofs.ProofError as error:
        raise Problem(409, f"There is no such proof: {error}.") from None
