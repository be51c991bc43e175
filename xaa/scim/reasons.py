"""Why a directory's request is refused: precise for the operator, few codes on the wire."""

from authz.protocol.errors import RefusalReason

_CREDENTIALS = ("invalid_token", "The bearer token is missing, wrong, expired or withdrawn.")


class ScimReason(RefusalReason):
    UNAUTHENTICATED = "scim_unauthenticated", *_CREDENTIALS
    TOKEN_UNKNOWN = "scim_token_unknown", *_CREDENTIALS
    TOKEN_EXPIRED = "scim_token_expired", *_CREDENTIALS
    TOKEN_WITHDRAWN = "scim_token_withdrawn", *_CREDENTIALS
    TOKEN_NOT_LIVE = "scim_token_not_live", *_CREDENTIALS
    DIRECTORY_OFF = "scim_directory_off", *_CREDENTIALS
    SCOPE_MISSING = "scim_scope_missing", "insufficient_scope", "The access token does not have the scope for this."
    REQUEST_MALFORMED = "scim_request_malformed", "invalid_request", "The request is not as RFC 7644 describes it."
    NOT_THERE = "scim_not_there", "invalid_request", "There is no such resource in this directory."
    TAKEN = "scim_taken", "invalid_request", "A value is in use already."
    CHANGED = "scim_changed", "invalid_request", "The resource has changed since it was read."
    PERSON_KEPT = "scim_person_kept", "access_denied", "This server keeps that person from the directory."
