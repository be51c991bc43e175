"""Why a receiver's request is refused: precise for the operator, few codes on the wire."""

from authz.protocol.errors import RefusalReason

_CREDENTIALS = ("invalid_token", "The access token is missing, wrong, expired or withdrawn.")


class SendingReason(RefusalReason):
    UNAUTHENTICATED = "ssf_unauthenticated", *_CREDENTIALS
    TOKEN_UNKNOWN = "ssf_token_unknown", *_CREDENTIALS
    TOKEN_NOT_LIVE = "ssf_token_not_live", *_CREDENTIALS
    RECEIVER_UNKNOWN = "ssf_receiver_unknown", "access_denied", "This client receives no signals of this server."
    SCOPE_MISSING = "ssf_scope_missing", "insufficient_scope", "The access token does not have the scope for this."
    REQUEST_MALFORMED = "ssf_request_malformed", "invalid_request", "The request is not as SSF describes it."
    STREAM_UNKNOWN = "ssf_stream_unknown", "not_found", "This client has no such stream."
    STREAM_EXISTS = "ssf_stream_exists", "conflict", "This client has a stream already."
    STREAM_FIXED = "ssf_stream_fixed", "access_denied", "Administrators of this server made this stream."
    TOO_SOON = "ssf_too_soon", "too_many_requests", "Ask for verifications less often."
