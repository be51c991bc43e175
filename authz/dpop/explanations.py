"""What each reason of a refused proof of possession means, and what to do about it (authz/audit/explanations.py)."""

from collections.abc import Mapping

from authz.protocol.explanations import Explanation

EXPLANATIONS: Mapping[str, Explanation] = {
    "dpop_proof_missing": Explanation(
        "The request has no DPoP proof, and the client, the MCP server, a rule or the token demands one; `detail` "
        "says which.",
        "The agent sends a DPoP proof with the request. Or an administrator takes the demand away: "
        "dpop_bound_access_tokens of the agent, dpop_bound_access_tokens_required of the MCP server, "
        "proof_of_possession of the rule.",
    ),
    "dpop_proof_several": Explanation(
        "The request has more than one DPoP proof.",
        "Send one DPoP header.",
    ),
    "dpop_proof_malformed": Explanation(
        "The DPoP proof is no JWT that can be read, is too long, or lacks a claim; `detail` says what.",
        "Let a library make the proof: jti, htm, htu and iat are required.",
    ),
    "dpop_proof_typ": Explanation(
        "The `typ` of the DPoP proof is not `dpop+jwt`.",
        "Set the header typ of the proof to dpop+jwt. Another kind of token is no proof.",
    ),
    "dpop_proof_algorithm": Explanation(
        "The DPoP proof is signed with an algorithm that is not accepted (`none` and HMAC never are), or that is "
        "not one of its key.",
        "Sign with one of dpop_signing_alg_values_supported, such as ES256.",
    ),
    "dpop_proof_key": Explanation(
        "The `jwk` of the DPoP proof is missing, is no public key that can be used, or has private members; "
        "`detail` says which.",
        "Put the public key alone into the proof. A private key that was sent is no secret any more: make a new one.",
    ),
    "dpop_proof_signature": Explanation(
        "The signature of the DPoP proof is not that of the key inside it.",
        "Sign the proof with the private key of its jwk.",
    ),
    "dpop_proof_method": Explanation(
        "The `htm` of the DPoP proof is another HTTP method.",
        "Make a new proof for each request, with its method.",
    ),
    "dpop_proof_address": Explanation(
        "The `htu` of the DPoP proof is another address.",
        "Make a new proof for each request, with the address from the metadata. A proof for another server that "
        "comes here was stolen there.",
    ),
    "dpop_proof_time": Explanation(
        "The `iat` of the DPoP proof is more than five minutes away from now; `detail` says on which side.",
        "Make a new proof for each request, and check the clock of the agent's machine.",
    ),
    "dpop_proof_token": Explanation(
        "The `ath` of the DPoP proof is missing, or is not the hash of the access token.",
        "Make the proof for the access token that is sent beside it.",
    ),
    "dpop_proof_replayed": Explanation(
        "The DPoP proof was used before.",
        "Make a new proof for each request, a repeated one as well. Find out who else had it, if the agent did.",
    ),
    "dpop_nonce": Explanation(
        "The DPoP proof has no nonce of this server, or an old one (`GATEHOUSE_DPOP_NONCES`). The response has a "
        "new one.",
        "None: the agent repeats the request with the nonce.",
    ),
    "dpop_key_of_grant": Explanation(
        "The code or the refresh token is bound to another key than the one that was shown; `detail` says which.",
        "Use the key with which the authorization began. Without it the person signs in again; a thief of the "
        "code or token fails here.",
    ),
    "dpop_key_of_token": Explanation(
        "The access token is bound to another key than the one that was shown, or to none.",
        "Send the proof of the key with which the token was requested. A thief of the token fails here.",
    ),
    "dpop_token_as_bearer": Explanation(
        "An access token that is bound to a key came as a bearer token.",
        "Send it with the scheme DPoP and a proof. A thief of the token fails here.",
    ),
    "dpop_jkt_malformed": Explanation(
        "`dpop_jkt` is no JWK thumbprint, or not the one of the DPoP proof beside it.",
        "Send the SHA-256 thumbprint of the public key in base64url (RFC 7638).",
    ),
}
