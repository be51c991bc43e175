"""Access tokens at this server's own resources: with a proof (scheme DPoP), or as a bearer's (RFC 9449 §7)."""

import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from authz.conf import conf
from authz.dpop.proving import proof_of
from authz.dpop.single_use import claim
from authz.models import ProtectedResource
from authz.protocol.dpop_proofs import ALGORITHMS, Asked, Proof
from authz.protocol.errors import OAuthError, Reason

MAXIMUM_TOKEN = 8192
# In the WSGI environment: the path as it was sent, percent-encoded.
RAW_PATH = "gatehouse.raw_path"
# What a client hears of the scheme DPoP with a 401.
_REASONS = frozenset(reason for reason in Reason if reason.code in {"invalid_dpop_proof", "use_dpop_nonce"}) | {
    Reason.DPOP_KEY_OF_TOKEN,
    Reason.DPOP_TOKEN_AS_BEARER,
}
# > credentials = "DPoP" 1*SP token68 (RFC 9449 §7.1); the same with Bearer (RFC 6750 §2.1).
_CREDENTIALS = re.compile(r"(bearer|dpop) +([A-Za-z0-9._~+/-]+=*) *", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Presented:
    """An access token as a request has it, not verified. `is_bound`: with the scheme DPoP."""

    token: str
    is_bound: bool


def presented(header: str | None) -> Presented | None:
    """The token of an Authorization header; None where there is none of these two schemes, or no token."""
    found = _CREDENTIALS.fullmatch(header or "")
    if found is None or len(found[2]) > MAXIMUM_TOKEN:
        return None
    return Presented(found[2], found[1].lower() == "dpop")


def bound_key(claims: Mapping[str, Any]) -> str:
    """The thumbprint of the key that a token is bound to (RFC 9449 §6.1); "" where it is bound to none."""
    confirmation = claims.get("cnf")
    jkt = confirmation.get("jkt") if isinstance(confirmation, dict) else None
    return jkt if isinstance(jkt, str) else ""


def confirm(meta: MutableMapping[str, Any], found: Presented, claims: Mapping[str, Any], asked: Asked) -> Proof | None:
    """Check that who presents a verified token has its key, and claim the proof. None: the token is bound to no key.

    Raises `OAuthError`. Last of all checks, when the token is known to be live.
    """
    proof = shown(meta, found, claims, asked)
    if proof is not None:
        claim(proof)
    return proof


def shown(
    meta: MutableMapping[str, Any],
    found: Presented,
    claims: Mapping[str, Any],
    asked: Asked,
    *,
    needs_nonce: bool = True,
) -> Proof | None:
    """`confirm` without claiming the proof."""
    jkt = bound_key(claims)
    if not jkt and not found.is_bound:
        return None
    # > the protected resource […] MUST reject a DPoP-bound access token received as a bearer token (RFC 9449 §7.2)
    if not found.is_bound:
        raise OAuthError(Reason.DPOP_TOKEN_AS_BEARER)
    if not jkt:
        raise OAuthError(Reason.DPOP_KEY_OF_TOKEN, detail="the token is bound to no key")
    proof = proof_of(meta, replace(asked, token=found.token), needs_nonce=needs_nonce)
    if proof is None:
        raise OAuthError(Reason.DPOP_PROOF_MISSING)
    # > confirm that the public key to which the access token is bound matches the public key from the DPoP proof (§4.3)
    if proof.jkt != jkt:
        raise OAuthError(Reason.DPOP_KEY_OF_TOKEN)
    return proof


def address_of(meta: Mapping[str, Any], path: str) -> str:
    """The address of a request as its client wrote it; `path` is the decoded one, for servers that keep no other."""
    return conf.origin + raw_path(meta, path)


def raw_path(meta: Mapping[str, Any], path: str) -> str:
    """The path of a request, percent-encoded; `path` as for `address_of`."""
    raw = meta.get(RAW_PATH)
    return raw if isinstance(raw, str) else quote(path, safe="/:@!$&'()*+,;=~-._")


def supported(resource: ProtectedResource) -> dict[str, object]:
    """What the metadata of a protected resource says of it (RFC 9728 §2)."""
    return {
        "dpop_signing_alg_values_supported": list(ALGORITHMS),
        "dpop_bound_access_tokens_required": resource.dpop_bound_access_tokens_required,
    }


def refusal_headers(error: OAuthError, **more: str) -> dict[str, str]:
    """The headers of a 401 for a proof or a binding that did not hold; none for any other refusal.

    > use_dpop_nonce […] DPoP-Nonce (RFC 9449 §9); invalid_dpop_proof, invalid_token (§7.1)
    """
    if error.reason not in _REASONS:
        return {}
    return {"WWW-Authenticate": challenge(error.code, **more), **error.headers}


def challenge(error: str = "", **more: str) -> str:
    """The WWW-Authenticate header's value.

    > algs: […] a space-delimited list of supported JWS algorithms (RFC 9449 §7.1)
    """
    members = {"error": error, **more, "algs": " ".join(ALGORITHMS)}
    return "DPoP " + ", ".join(f'{name}="{value}"' for name, value in members.items() if value)
