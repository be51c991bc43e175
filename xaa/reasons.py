"""Why this app refuses. Precise reasons for the operator; few codes and fixed sentences for the wire (invariant 8).

Whatever is wrong with an assertion, its issuer or the person that it speaks of is one and the same `invalid_grant`: an
attacker who tries assertions must not learn which issuers are trusted, who has an account, or who is denied.
"""

from authz.protocol.errors import NOT_AT_PRESENT, ONE_INVALID_GRANT, RefusalReason
from authz.protocol.jwts import JwtProblem

INVALID_GRANT = ("invalid_grant", ONE_INVALID_GRANT)
# > If … either the subject_token or actor_token are invalid for any reason, or are unacceptable based on policy, … The
# > value of the "error" parameter MUST be the "invalid_request" error code. (RFC 8693 §2.2.2)
NOT_EXCHANGED = ("invalid_request", "The subject_token is none that this client can exchange.")
# > If the authorization server is unwilling or unable to issue a token for any target service …, the "invalid_target"
# > error code SHOULD be used (RFC 8693 §2.2.2)
NOT_FOR_THIS = ("invalid_target", "The subject_token is not exchanged for a token of this resource.")


class Reason(RefusalReason):
    """Why an assertion is not believed, or a cross-app request not granted."""

    # The assertion, in the order in which it is judged.
    ASSERTION_MALFORMED = "assertion_malformed", *INVALID_GRANT
    ASSERTION_HEADER = "assertion_header", *INVALID_GRANT
    ASSERTION_TYP = "assertion_typ", *INVALID_GRANT
    ASSERTION_ALGORITHM = "assertion_algorithm", *INVALID_GRANT
    ISSUER_MISSING = "issuer_missing", *INVALID_GRANT
    ISSUER_UNTRUSTED = "issuer_untrusted", *INVALID_GRANT
    ISSUER_DISABLED = "issuer_disabled", *INVALID_GRANT
    ISSUER_NOT_FOR_THIS = "issuer_not_for_this", *INVALID_GRANT
    ISSUER_IS_OURSELVES = "issuer_is_ourselves", *INVALID_GRANT
    ISSUER_KEYS_UNAVAILABLE = "issuer_keys_unavailable", "temporarily_unavailable", NOT_AT_PRESENT
    ISSUER_KEYS_ON_THEIR_WAY = "issuer_keys_on_their_way", "temporarily_unavailable", NOT_AT_PRESENT
    ISSUER_KEYS_UNREACHABLE = "issuer_keys_unreachable", "temporarily_unavailable", NOT_AT_PRESENT
    ASSERTION_KEY_UNKNOWN = "assertion_key_unknown", *INVALID_GRANT
    ASSERTION_SIGNATURE = "assertion_signature", *INVALID_GRANT
    ASSERTION_AUDIENCE = "assertion_audience", *INVALID_GRANT
    ASSERTION_CLIENT_MISSING = "assertion_client_missing", *INVALID_GRANT
    ASSERTION_OF_ANOTHER_CLIENT = "assertion_of_another_client", *INVALID_GRANT
    ASSERTION_TIME = "assertion_time", *INVALID_GRANT
    ASSERTION_EXPIRED = "assertion_expired", *INVALID_GRANT
    ASSERTION_NOT_YET_VALID = "assertion_not_yet_valid", *INVALID_GRANT
    ASSERTION_LIFETIME = "assertion_lifetime", *INVALID_GRANT
    ASSERTION_SUBJECT = "assertion_subject", *INVALID_GRANT
    ASSERTION_JTI = "assertion_jti", *INVALID_GRANT
    ASSERTION_CLAIM = "assertion_claim", *INVALID_GRANT
    ASSERTION_KEY_BOUND = "assertion_key_bound", *INVALID_GRANT
    ASSERTION_TENANT = "assertion_tenant", *INVALID_GRANT
    ASSERTION_REPLAYED = "assertion_replayed", *INVALID_GRANT
    # Only who holds a workload's sound assertion learns this, and only of that assertion.
    WORKLOAD_ASSERTION_USED = (
        "workload_assertion_used",
        "invalid_grant",
        "The assertion was used already, and serves once; an administrator may allow its reuse.",
    )

    # The client, and what it asks for.
    CLIENT_IS_PUBLIC = (
        "client_is_public",
        "unauthorized_client",
        "A client must authenticate to use an identity assertion, unless an administrator has named its host for that.",
    )
    CLIENT_IS_NOT_A_WORKLOAD = (
        "client_is_not_a_workload",
        "unauthorized_client",
        "The assertion is of a workload that is bound to another client.",
    )
    CLIENT_UNKNOWN_TO_TARGET = (
        "client_unknown_to_target",
        "unauthorized_client",
        "The client has no client_id at the requested audience; an administrator names it.",
    )
    AUTHORIZATION_DETAILS = (
        "authorization_details",
        "invalid_authorization_details",
        "authorization_details are not supported; send scope.",
    )
    ASSERTION_RESOURCE_UNKNOWN = "assertion_resource_unknown", *INVALID_GRANT
    # Told from CLIENT_IS_PUBLIC in the audit alone: clients do not learn which issuers name which hosts.
    CLIENT_IS_PUBLIC_TO_ISSUER = "client_is_public_to_issuer", *INVALID_GRANT
    REQUESTED_TOKEN_TYPE = (
        "requested_token_type",
        "invalid_request",
        "The requested_token_type must be urn:ietf:params:oauth:token-type:id-jag; for an access token of this server"
        " it may be urn:ietf:params:oauth:token-type:access_token.",
    )
    SUBJECT_TOKEN_TYPE = (
        "subject_token_type",
        "invalid_request",
        "The subject_token_type must be urn:ietf:params:oauth:token-type:id_token,"
        " urn:ietf:params:oauth:token-type:refresh_token or urn:ietf:params:oauth:token-type:access_token.",
    )
    ACTOR_TOKEN = (
        "actor_token",
        "invalid_request",
        "An actor_token is for the exchange of an access token; send none.",
    )
    ACTOR_TOKEN_TYPE = (
        "actor_token_type",
        "invalid_request",
        "The actor_token_type must be urn:ietf:params:oauth:token-type:jwt, and is sent with an actor_token alone.",
    )

    # What is passed on (RFC 8693). Which fault a subject token has is in the audit alone.
    EXCHANGE_TOKEN = "exchange_token", *NOT_EXCHANGED
    EXCHANGE_NOT_AUDIENCE = "exchange_not_audience", *NOT_EXCHANGED
    EXCHANGE_NOT_LET = "exchange_not_let", *NOT_EXCHANGED
    EXCHANGE_ENDED = "exchange_ended", *NOT_EXCHANGED
    EXCHANGE_ACT = "exchange_act", *NOT_EXCHANGED
    EXCHANGE_HOPS = (
        "exchange_hops",
        "invalid_request",
        "The subject_token was passed on as often as this server allows.",
    )
    EXCHANGE_WITHOUT_PERSON = (
        "exchange_without_person",
        "invalid_request",
        "An ID-JAG is for a person, and the subject_token is of an agent that acts for itself.",
    )
    EXCHANGE_TARGET = "exchange_target", "invalid_target", "The request must name one resource."
    EXCHANGE_CIRCLE = "exchange_circle", *NOT_FOR_THIS
    EXCHANGE_NOT_MAPPED = "exchange_not_mapped", *NOT_FOR_THIS
    EXCHANGE_DENIED = "exchange_denied", *NOT_FOR_THIS
    AUDIENCE_SEVERAL = "audience_several", "invalid_target", "An ID-JAG is for one audience; the request names several."
    AUDIENCE_UNKNOWN = "audience_unknown", "invalid_target", "No ID-JAG is issued for the requested audience."
    # Of an audience that is known.
    TARGET_UNKNOWN = "target_unknown", "invalid_target", "The requested resource is not behind the requested audience."

    # The person.
    SUBJECT_NOT_LINKED = "subject_not_linked", *INVALID_GRANT
    SUBJECT_AMBIGUOUS = "subject_ambiguous", *INVALID_GRANT
    SUBJECT_ADDRESS_UNUSED = "subject_address_unused", *INVALID_GRANT
    SUBJECT_SIGNED_OUT = "subject_signed_out", *INVALID_GRANT
    SUBJECT_LINKED_OTHERWISE = "subject_linked_otherwise", *INVALID_GRANT
    WORKLOAD_UNKNOWN = "workload_unknown", *INVALID_GRANT

    # What a subject token rests on.
    SUBJECT_TOKEN_WITHOUT_SIGN_IN = "subject_token_without_sign_in", *INVALID_GRANT
    SESSION_ENDED = "session_ended", *INVALID_GRANT
    LINEAGE_ENDED = "lineage_ended", *INVALID_GRANT

    # Signing in by an issuer: people see a page, which says whether to come again and nothing more.
    SIGN_IN_UNAVAILABLE = "sign_in_unavailable", *INVALID_GRANT
    SIGN_IN_UNREACHABLE = "sign_in_unreachable", "temporarily_unavailable", NOT_AT_PRESENT
    SIGN_IN_OF_ANOTHER_ISSUER = "sign_in_of_another_issuer", *INVALID_GRANT
    SIGN_IN_NONCE = "sign_in_nonce", *INVALID_GRANT
    SIGN_IN_NOT_FRESH = "sign_in_not_fresh", *INVALID_GRANT
    SIGN_IN_LOGGED_OUT = "sign_in_logged_out", *INVALID_GRANT

    # Logging out by an issuer: the endpoint answers 400 and one sentence.
    LOGOUT_OF_NO_ONE = "logout_of_no_one", *INVALID_GRANT
    LOGOUT_EVENT = "logout_event", *INVALID_GRANT
    LOGOUT_NONCE = "logout_nonce", *INVALID_GRANT


BY_JWT_PROBLEM: dict[JwtProblem, Reason] = {
    JwtProblem.MALFORMED: Reason.ASSERTION_MALFORMED,
    JwtProblem.TOO_LARGE: Reason.ASSERTION_MALFORMED,
    JwtProblem.HEADER_REFUSED: Reason.ASSERTION_HEADER,
    JwtProblem.CRITICAL: Reason.ASSERTION_HEADER,
    JwtProblem.ALGORITHM: Reason.ASSERTION_ALGORITHM,
    JwtProblem.TYP: Reason.ASSERTION_TYP,
    JwtProblem.NO_KEY: Reason.ASSERTION_KEY_UNKNOWN,
    JwtProblem.SIGNATURE: Reason.ASSERTION_SIGNATURE,
    JwtProblem.KEY_SET: Reason.ISSUER_KEYS_UNAVAILABLE,
    JwtProblem.TIME_MISSING: Reason.ASSERTION_TIME,
    JwtProblem.TIME_MALFORMED: Reason.ASSERTION_TIME,
    JwtProblem.EXPIRED: Reason.ASSERTION_EXPIRED,
    JwtProblem.NOT_YET_VALID: Reason.ASSERTION_NOT_YET_VALID,
    JwtProblem.LIFETIME: Reason.ASSERTION_LIFETIME,
}
