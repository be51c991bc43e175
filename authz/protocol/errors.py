"""Refusals: one closed vocabulary for operators, the RFCs' few codes and fixed sentences for the wire.

`Reason` says precisely what was wrong; it goes to the audit and the log. On the wire a refusal is the pair
(`code`, `sentence`) that its reason maps to. Reasons that an attacker could tell apart share one pair: an unknown
code, a code of another client and a denied person are all `invalid_grant` with the same sentence.

Who has proven who it is may be told more, in `told`: what to change in its own request or registration
(docs/decisions/0054-the-right-culprit.md).
"""

import re
from collections.abc import Mapping
from enum import Enum

ONE_INVALID_GRANT = "The grant is invalid, expired, revoked, or was not issued to this client."
NOT_AT_PRESENT = "The authorization server cannot answer at present."
ONE_INVALID_CLIENT = "Client authentication failed."


class RefusalReason(str, Enum):  # noqa: UP042  StrEnum cannot carry members beside the value
    """The shape of a vocabulary of reasons: a value for the operator, a code and a sentence for the wire.

    Each app (`authz`, `cimd`, `xaa`) has one enum of this shape.
    """

    code: str
    sentence: str

    def __new__(cls, value: str, code: str, sentence: str) -> "RefusalReason":
        member = str.__new__(cls, value)
        member._value_ = value
        member.code = code
        member.sentence = sentence
        return member


class Reason(RefusalReason):
    """Why the core refuses (RFC 6749 §4.1.2.1 and §5.2, RFC 8707 §2, RFC 7009 §2.2.1)."""

    # The request itself.
    METHOD_NOT_ALLOWED = "method_not_allowed", "invalid_request", "This endpoint does not answer that method."
    UNSUPPORTED_MEDIA_TYPE = (
        "unsupported_media_type",
        "invalid_request",
        "The body must be application/x-www-form-urlencoded.",
    )
    MALFORMED_BODY = "malformed_body", "invalid_request", "The body is not well-formed form data in UTF-8."
    BODY_TOO_LARGE = "body_too_large", "invalid_request", "The body is too large."
    JSON_MALFORMED = "json_malformed", "invalid_request", "The body is not a JSON object that is read in one way only."
    EVALUATION_MALFORMED = "evaluation_malformed", "invalid_request", "The request is not as AuthZEN describes it."
    MESSAGE_MALFORMED = (
        "message_malformed",
        "invalid_request",
        "The body is not a message of MCP that is read in one way only.",
    )
    CHECK_INCOMPLETE = "check_incomplete", "invalid_request", "The gateway did not pass on the whole request."
    DUPLICATE_PARAMETER = "duplicate_parameter", "invalid_request", "A parameter was sent more than once."
    MISSING_PARAMETER = "missing_parameter", "invalid_request", "A required parameter is missing."
    MALFORMED_PARAMETER = "malformed_parameter", "invalid_request", "A parameter is malformed."
    REQUEST_TOO_LONG = "request_too_long", "invalid_request", "The authorization request is too long."
    REQUEST_OBJECT = "request_object", "request_not_supported", "Request objects are not supported."
    REQUEST_URI_UNKNOWN = (
        "request_uri_unknown",
        "invalid_request_uri",
        "The request_uri is unknown, has expired, or was given to another client.",
    )
    REQUEST_URI_USED = "request_uri_used", "invalid_request_uri", "The request_uri was used before."
    REQUEST_URI_PUSHED = "request_uri_pushed", "invalid_request", "A pushed request has no request_uri."
    REQUEST_NOT_PUSHED = (
        "request_not_pushed",
        "invalid_request",
        "Authorization requests have to be pushed: see pushed_authorization_request_endpoint.",
    )
    REQUEST_URI = "request_uri", "request_uri_not_supported", "Request objects by reference are not supported."

    # The client.
    CLIENT_UNKNOWN = "client_unknown", "invalid_client", ONE_INVALID_CLIENT
    CLIENT_NOT_APPROVED = "client_not_approved", "unauthorized_client", "The client is not approved."
    # What the request alone shows is said: it tells nothing of any client.
    CLIENT_AUTHENTICATION_MISSING = (
        "client_authentication_missing",
        "invalid_client",
        "The request names no client: authenticate as the client is registered, or send client_id.",
    )
    CLIENT_AUTHENTICATION_MALFORMED = (
        "client_authentication_malformed",
        "invalid_client",
        "The Authorization header is not HTTP Basic with the base64 of client_id:client_secret.",
    )
    CLIENT_AUTHENTICATION_MIXED = (
        "client_authentication_mixed",
        "invalid_request",
        "More than one way of client authentication was used.",
    )
    CLIENT_AUTHENTICATION_WRONG_METHOD = "client_authentication_wrong_method", "invalid_client", ONE_INVALID_CLIENT
    CLIENT_SECRET_WRONG = "client_secret_wrong", "invalid_client", ONE_INVALID_CLIENT
    CLIENT_ID_MISMATCH = (
        "client_id_mismatch",
        "invalid_client",
        "The client_id of the body is another one than that of the authentication.",
    )
    CLIENT_ASSERTION_MALFORMED = (
        "client_assertion_malformed",
        "invalid_client",
        "The client_assertion is missing, or is no JWT that is signed with a public key algorithm.",
    )
    CLIENT_ASSERTION_WRONG_TYPE = "client_assertion_wrong_type", "invalid_client", ONE_INVALID_CLIENT
    CLIENT_ASSERTION_ALGORITHM = "client_assertion_algorithm", "invalid_client", ONE_INVALID_CLIENT
    CLIENT_ASSERTION_SIGNATURE = "client_assertion_signature", "invalid_client", ONE_INVALID_CLIENT
    CLIENT_ASSERTION_ISSUER = "client_assertion_issuer", "invalid_client", ONE_INVALID_CLIENT
    CLIENT_ASSERTION_AUDIENCE = "client_assertion_audience", "invalid_client", ONE_INVALID_CLIENT
    CLIENT_ASSERTION_EXPIRED = "client_assertion_expired", "invalid_client", ONE_INVALID_CLIENT
    CLIENT_ASSERTION_NOT_YET_VALID = "client_assertion_not_yet_valid", "invalid_client", ONE_INVALID_CLIENT
    CLIENT_ASSERTION_LIFETIME = "client_assertion_lifetime", "invalid_client", ONE_INVALID_CLIENT
    CLIENT_ASSERTION_JTI_MISSING = "client_assertion_jti_missing", "invalid_client", ONE_INVALID_CLIENT
    CLIENT_ASSERTION_REPLAYED = "client_assertion_replayed", "invalid_client", ONE_INVALID_CLIENT
    CLIENT_KEYS_UNAVAILABLE = "client_keys_unavailable", "invalid_client", ONE_INVALID_CLIENT
    CLIENT_KEYS_UNREACHABLE = "client_keys_unreachable", "temporarily_unavailable", NOT_AT_PRESENT
    CLIENT_KEYS_ON_THEIR_WAY = "client_keys_on_their_way", "temporarily_unavailable", NOT_AT_PRESENT

    # The grant.
    GRANT_TYPE_UNSUPPORTED = (
        "grant_type_unsupported",
        "unsupported_grant_type",
        "The authorization server does not support this grant type.",
    )
    GRANT_TYPE_NOT_REGISTERED = (
        "grant_type_not_registered",
        "unauthorized_client",
        "The client is not registered for this grant type.",
    )
    CODE_UNKNOWN = "code_unknown", "invalid_grant", ONE_INVALID_GRANT
    CODE_EXPIRED = "code_expired", "invalid_grant", ONE_INVALID_GRANT
    CODE_REPLAYED = "code_replayed", "invalid_grant", ONE_INVALID_GRANT
    CODE_OF_ANOTHER_CLIENT = "code_of_another_client", "invalid_grant", ONE_INVALID_GRANT
    CODE_REDIRECT_URI_MISMATCH = "code_redirect_uri_mismatch", "invalid_grant", ONE_INVALID_GRANT
    CODE_VERIFIER_WRONG = "code_verifier_wrong", "invalid_grant", ONE_INVALID_GRANT
    REFRESH_TOKEN_MALFORMED = "refresh_token_malformed", "invalid_grant", ONE_INVALID_GRANT
    REFRESH_TOKEN_OF_ANOTHER_CLIENT = "refresh_token_of_another_client", "invalid_grant", ONE_INVALID_GRANT
    REFRESH_TOKEN_REPLAYED = "refresh_token_replayed", "invalid_grant", ONE_INVALID_GRANT
    REFRESH_TOKEN_EXPIRED = "refresh_token_expired", "invalid_grant", ONE_INVALID_GRANT
    AUTHORIZATION_REVOKED = "authorization_revoked", "invalid_grant", ONE_INVALID_GRANT
    SUBJECT_INACTIVE = "subject_inactive", "invalid_grant", ONE_INVALID_GRANT
    SUBJECT_DENIED = "subject_denied", "invalid_grant", ONE_INVALID_GRANT

    # Proofs of possession (RFC 9449).
    DPOP_PROOF_MISSING = "dpop_proof_missing", "invalid_dpop_proof", "A DPoP proof is required here."
    DPOP_PROOF_SEVERAL = "dpop_proof_several", "invalid_dpop_proof", "There is more than one DPoP proof."
    DPOP_PROOF_MALFORMED = "dpop_proof_malformed", "invalid_dpop_proof", "The DPoP proof is malformed."
    DPOP_PROOF_TYP = "dpop_proof_typ", "invalid_dpop_proof", "The typ of the DPoP proof must be dpop+jwt."
    DPOP_PROOF_ALGORITHM = (
        "dpop_proof_algorithm",
        "invalid_dpop_proof",
        "The DPoP proof must be signed with one of dpop_signing_alg_values_supported.",
    )
    DPOP_PROOF_KEY = "dpop_proof_key", "invalid_dpop_proof", "The jwk of the DPoP proof must be one public key."
    DPOP_PROOF_SIGNATURE = "dpop_proof_signature", "invalid_dpop_proof", "The signature of the DPoP proof is wrong."
    DPOP_PROOF_METHOD = "dpop_proof_method", "invalid_dpop_proof", "The htm of the DPoP proof is another method."
    DPOP_PROOF_ADDRESS = "dpop_proof_address", "invalid_dpop_proof", "The htu of the DPoP proof is another address."
    DPOP_PROOF_TIME = "dpop_proof_time", "invalid_dpop_proof", "The iat of the DPoP proof is not the time of now."
    DPOP_PROOF_TOKEN = (
        "dpop_proof_token",
        "invalid_dpop_proof",
        "The ath of the DPoP proof is not the hash of the access token.",
    )
    DPOP_PROOF_REPLAYED = "dpop_proof_replayed", "invalid_dpop_proof", "The DPoP proof was used before."
    DPOP_NONCE = "dpop_nonce", "use_dpop_nonce", "The DPoP proof needs the nonce of this response's DPoP-Nonce."
    DPOP_KEY_OF_GRANT = "dpop_key_of_grant", "invalid_grant", ONE_INVALID_GRANT
    DPOP_KEY_OF_TOKEN = "dpop_key_of_token", "invalid_token", "The access token is not bound to the key of the proof."
    DPOP_TOKEN_AS_BEARER = (
        "dpop_token_as_bearer",
        "invalid_token",
        "The access token is bound to a key: send it with the scheme DPoP and a proof.",
    )
    DPOP_JKT_MALFORMED = "dpop_jkt_malformed", "invalid_request", "The dpop_jkt must be a JWK thumbprint."

    # What is asked for.
    RESOURCE_MALFORMED = "resource_malformed", "invalid_target", "The resource is not a valid resource indicator."
    RESOURCE_UNKNOWN = "resource_unknown", "invalid_target", "The resource is unknown to this authorization server."
    RESOURCE_MISSING = "resource_missing", "invalid_target", "The request must name one resource."
    RESOURCE_SEVERAL = "resource_several", "invalid_target", "A token is for one resource; the request names several."
    RESOURCE_NOT_GRANTED = "resource_not_granted", "invalid_target", "The grant does not cover this resource."
    SCOPE_MALFORMED = "scope_malformed", "invalid_scope", "The scope is malformed."
    SCOPE_UNKNOWN = "scope_unknown", "invalid_scope", "None of the requested scopes exists at this resource."
    SCOPE_NOT_REGISTERED = (
        "scope_not_registered",
        "invalid_scope",
        "The client is registered for none of the requested scopes at this resource.",
    )
    RESOURCE_WITHOUT_SCOPES = (
        "resource_without_scopes",
        "invalid_scope",
        "The resource has no scopes that could be granted.",
    )
    SCOPE_NOT_GRANTED = "scope_not_granted", "invalid_scope", "The scope exceeds what was granted."
    DENIED_BY_POLICY = "denied_by_policy", "unauthorized_client", "The organisation's policy does not allow this."
    SCOPE_DENIED_BY_POLICY = (
        "scope_denied_by_policy",
        "invalid_scope",
        "The organisation's policy allows none of the requested scopes.",
    )
    EXTENSION_FAILED = "extension_failed", "temporarily_unavailable", NOT_AT_PRESENT
    APPROVAL_PENDING = "approval_pending", "authorization_pending", "The request waits for an approval."
    # The same for a client that never said that it understands `authorization_pending`.
    SUBJECT_WAITS = "subject_waits", "invalid_grant", ONE_INVALID_GRANT
    CLIENT_WAITS = "client_waits", "invalid_scope", "The requested scopes need an approval that was not given yet."
    DEFERRAL_UNKNOWN = "deferral_unknown", "invalid_grant", ONE_INVALID_GRANT
    DEFERRAL_REDEEMED = "deferral_redeemed", "invalid_grant", "The deferral code was redeemed already."
    DEFERRAL_EXPIRED = "deferral_expired", "expired_token", "The deferral code has expired."
    DEFERRAL_DENIED = "deferral_denied", "access_denied", "The deferred request was denied."
    POLLED_TOO_SOON = "polled_too_soon", "slow_down", "The client asks more often than the interval allows."
    STEP_UP_REQUIRED = (
        "step_up_required",
        "insufficient_user_authentication",
        "The organisation's policy asks for a stronger or more recent sign-in.",
    )

    # The authorization endpoint.
    REDIRECT_URI_UNREGISTERED = (
        "redirect_uri_unregistered",
        "invalid_request",
        "The redirect URI is not registered for this client.",
    )
    RESPONSE_TYPE_UNSUPPORTED = (
        "response_type_unsupported",
        "unsupported_response_type",
        "Only the response type code is supported.",
    )
    PKCE_MISSING = "pkce_missing", "invalid_request", "PKCE is required: send code_challenge."
    PKCE_METHOD_UNSUPPORTED = (
        "pkce_method_unsupported",
        "invalid_request",
        "Only the code_challenge_method S256 is supported.",
    )
    PKCE_MALFORMED = "pkce_malformed", "invalid_request", "The code_challenge or code_verifier is malformed."
    CONSENT_DENIED = "consent_denied", "access_denied", "The person denied the request."
    CONSENT_NOT_AS_SHOWN = (
        "consent_not_as_shown",
        "access_denied",
        "What was allowed is not what the page showed; it is shown again.",
    )
    ACCESS_DENIED_BY_POLICY = (
        "access_denied_by_policy",
        "access_denied",
        "The organisation's policy does not allow this.",
    )
    INVITATION_UNUSABLE = "invitation_unusable", "access_denied", "This link does not work."
    PLAN_UNUSABLE = "plan_unusable", "access_denied", "This plan cannot be used."
    CREDENTIALS_WRONG = "credentials_wrong", "access_denied", "The name or the password is wrong."
    SECOND_FACTOR_WRONG = "second_factor_wrong", "access_denied", "The code is wrong."
    EMERGENCY_OVER = "emergency_over", "access_denied", "The hour of the emergency account is over."
    EMERGENCY_WITHOUT_AGENTS = (
        "emergency_without_agents",
        "access_denied",
        "An emergency account gives agents nothing.",
    )
    SECOND_FACTOR_DEMANDED = "second_factor_demanded", "login_required", "The person must show a second factor."
    LOGIN_REQUIRED = "login_required", "login_required", "The person must sign in."
    CONSENT_REQUIRED = "consent_required", "consent_required", "The person must consent."
    AUTHENTICATION_UNMET = (
        "authentication_unmet",
        "unmet_authentication_requirements",
        "The requested authentication context cannot be met.",
    )

    # Introspection and revocation.
    TOKEN_OF_ANOTHER_CLIENT = "token_of_another_client", "invalid_grant", ONE_INVALID_GRANT

    # Decisions on calls.
    DECISIONS_NOT_ALLOWED = (
        "decisions_not_allowed",
        "access_denied",
        "No MCP server names this client in decision_clients.",
    )
    DENIAL_BINDING_WRONG = "denial_binding_wrong", "access_denied", "The request does not belong to this denial."
    TOKEN_NOT_LIVE = "token_not_live", "access_denied", "The access token is not good at this MCP server now."
    CALL_WITHOUT_SCOPE = "call_without_scope", "insufficient_scope", "The access token lacks a scope of this call."
    CALL_WITHOUT_KEY = (
        "call_without_key",
        "access_denied",
        "The organisation's rules want the access token of this call to be bound to a key.",
    )
    CALL_DENIED = "call_denied", "access_denied", "The organisation's rules do not allow this call."
    CALL_WAITS = "call_waits", "access_denied", "The organisation's rules ask a person about this call first."
    CALL_STEP_UP = "call_step_up", "access_denied", "The organisation's rules ask for a better sign-in for this call."
    CALL_UNKNOWN = "call_unknown", "access_denied", "This is no request that the organisation's rules speak of."

    # People's pages.
    PAGE_FORBIDDEN = "page_forbidden", "access_denied", "Your role does not allow this."
    FORM_FORGED = "form_forged", "access_denied", "The form does not prove that it comes from this server."

    # The server.
    SIGNING_KEY_MISSING = "signing_key_missing", "server_error", "The authorization server cannot sign at present."
    RATE_LIMITED = "rate_limited", "temporarily_unavailable", "Too many requests; try again later."
    UNAVAILABLE = "unavailable", "temporarily_unavailable", NOT_AT_PRESENT


# > The authorization server MAY return an HTTP 401 (Unauthorized) status code to indicate which HTTP authentication
# > schemes are supported. (RFC 6749 §5.2)
_STATUS = {"invalid_client": 401, "server_error": 500, "temporarily_unavailable": 503}
_STATUS_OF_REASON: dict[RefusalReason, int] = {
    Reason.METHOD_NOT_ALLOWED: 405,
    Reason.BODY_TOO_LARGE: 413,
    Reason.RATE_LIMITED: 429,
    Reason.DECISIONS_NOT_ALLOWED: 403,
}


# Reasons whose detail is a parameter's name, and the names that can be said on the wire.
_ABOUT_A_PARAMETER = frozenset({Reason.MISSING_PARAMETER, Reason.MALFORMED_PARAMETER, Reason.DUPLICATE_PARAMETER})
_PARAMETER_NAME = re.compile(r"[a-z_]{1,40}")
# > Values for the "error_description" parameter MUST NOT include characters outside the set %x20-21 / %x23-5B /
# > %x5D-7E. (RFC 6749 §5.2)
_UNSENDABLE = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")
LONGEST_VALUE = 120


def harmless(value: str) -> str:
    """A wrong value as the audit and an error description can hold it: short, and printable ASCII alone."""
    cut = value if len(value) <= LONGEST_VALUE else f"{value[: LONGEST_VALUE - 3]}..."
    return _UNSENDABLE.sub("?", cut)


# Seconds, where nothing says more precisely when it is worth while to come again.
RETRY_AFTER = 5
BUSY_STATUS = frozenset({429, 503})


class OAuthError(Exception):
    """A refusal. It is an answer, not a crash: what the refused request wrote stays written (invariant 1).

    `client_id` is the client's that is concerned, once it is known that there is one.
    `reason` is for the operator; `code` and `sentence` are for the wire (RFC 6749 §5.2). `detail` adds to the audit
    (never a secret or token), and so do `facts`, member by member; `parameters` adds members to the body on the wire
    (such as RFC 9470's `max_age`). `told` is the sentence for the client, in place of the reason's.
    `headers` are further ones of the response. `retry_after` is in seconds; every 429 and 503 has one, `RETRY_AFTER`
    where none is given, and all else has 0.
    """

    def __init__(
        self,
        reason: RefusalReason,
        *,
        detail: str = "",
        client_id: str = "",
        parameters: dict[str, str | int] | None = None,
        facts: Mapping[str, object] | None = None,
        retry_after: int = 0,
        told: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.detail = detail
        self.client_id = client_id
        self.parameters = parameters or {}
        self.retry_after = retry_after or (RETRY_AFTER if self.status in BUSY_STATUS else 0)
        self.facts = facts or {}
        self.told = told
        self.headers = headers or {}

    @property
    def code(self) -> str:
        return self.reason.code

    @property
    def sentence(self) -> str:
        if self.told:
            return _UNSENDABLE.sub("?", self.told)
        if self.reason in _ABOUT_A_PARAMETER and _PARAMETER_NAME.fullmatch(self.detail):
            return f"{self.reason.sentence.removesuffix('.')}: {self.detail}."
        return self.reason.sentence

    @property
    def status(self) -> int:
        """The HTTP status for a machine endpoint."""
        by_reason = _STATUS_OF_REASON.get(self.reason)
        return by_reason if by_reason is not None else _STATUS.get(self.code, 400)

    def body(self) -> dict[str, str | int]:
        """The error response's JSON object (RFC 6749 §5.2)."""
        return {"error": self.code, "error_description": self.sentence, **self.parameters}
