"""Why this app refuses."""

from authz.protocol.errors import RefusalReason

_UNUSABLE = "The application's metadata document cannot be used at present. Its cause is with the administrators."


class Reason(RefusalReason):
    """Refusals of clients that are named by a URL. The wire does not say what a stranger's host answered."""

    IDENTIFIER = "cimd_identifier", "invalid_client", "The client_id is not a client identifier URL that can be used."
    HOST_BLOCKED = "cimd_host_blocked", "invalid_client", "Applications of this host are not allowed here."
    DOCUMENT_UNAVAILABLE = "cimd_document_unavailable", "invalid_client", _UNUSABLE
    DOCUMENT_REFUSED = "cimd_document_refused", "invalid_client", _UNUSABLE
    BUSY = (
        "cimd_busy",
        "temporarily_unavailable",
        "Too many unknown applications are introducing themselves; try again in a moment.",
    )
    QUEUE_FULL = (
        "cimd_queue_full",
        "temporarily_unavailable",
        "Too many applications wait for an approval; ask an administrator.",
    )

    REGISTRATION_DENIED = (
        "registration_denied",
        "invalid_token",
        "Registering needs an initial access token, or redirect URIs on hosts that may register.",
    )
    REGISTRATION_METADATA = "registration_metadata", "invalid_client_metadata", "The metadata cannot be registered."
    REGISTRATION_REDIRECT_URI = "registration_redirect_uri", "invalid_redirect_uri", "A redirect URI is not allowed."
