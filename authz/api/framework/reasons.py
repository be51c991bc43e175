"""The management API's reasons for refusals (RFC 6750 §3.1): precise for the operator, three codes in responses."""

from authz.protocol.errors import RefusalReason


class ApiReason(RefusalReason):
    TOKEN_INVALID = "api_token_invalid", "invalid_token", "The access token is malformed, expired or revoked."
    TOKEN_FOR_ANOTHER = "api_token_for_another", "invalid_token", "The access token is malformed, expired or revoked."
    TOKEN_ENDED = "api_token_ended", "invalid_token", "The access token is malformed, expired or revoked."
    CREDENTIALS_UNKNOWN = "api_credentials_unknown", "invalid_request", "Send one access token as a Bearer token."
    SCOPE_INSUFFICIENT = (
        "api_scope_insufficient",
        "insufficient_scope",
        "The access token does not have the scope for this.",
    )
    ROLE_INSUFFICIENT = "api_role_insufficient", "access_denied", "Your role does not allow this."
    UNAUTHENTICATED = "api_unauthenticated", "invalid_token", "Send an access token."
    NOT_ALLOWED = "api_not_allowed", "access_denied", "You may not do this."
    FORGED = "api_request_forged", "access_denied", "The request does not prove that it comes from the console."
