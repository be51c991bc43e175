"""What each reason of clients with metadata documents means, and what to do about it (authz/audit/explanations.py)."""

from collections.abc import Mapping

from authz.conf import as_called
from authz.protocol.explanations import Explanation, ListPage, Place

DOCUMENTS = ListPage("Metadata documents", "admin:cimd_document_changelist")

EXPLANATIONS: Mapping[str, Explanation] = {
    "cimd_identifier": Explanation(
        "The URL is not a client identifier; `detail` says which rule it breaks.",
        "The detail says what to change in the URL.",
    ),
    "cimd_host_blocked": Explanation(
        "The host is in `blocked_hosts`.",
        "Take the host out of the blocked hosts, if its applications should be let in.",
        DOCUMENTS,
    ),
    "cimd_document_unavailable": Explanation(
        "The document could not be fetched; the cause is in `cimd:document:fetch_failed`.",
        "Inspect the document: the page says what its host answered.",
        Place.DOCUMENT,
    ),
    "cimd_document_refused": Explanation(
        as_called("The document was fetched and refused; `manage.py cimd inspect` says why."),
        "Inspect the document: the page says what to change in it.",
        Place.DOCUMENT,
    ),
    "cimd_busy": Explanation(
        "The budget of fetches or registrations is spent, or another request is fetching too slowly.",
        "The application tries again in a moment.",
    ),
    "cimd_queue_full": Explanation(
        "Too many clients of the host, or in all, wait for an approval; or too many have registered.",
        "Decide about the applications that wait.",
        DOCUMENTS,
    ),
    "registration_denied": Explanation(
        (
            "A registration without an initial access token, for a host that may not register, of a stopped client, "
            "with an invalid registration access token, or a change that asks for more after what admitted the client "
            "no longer holds."
        ),
        "Hand out an initial access token, or name the host of the redirect URIs as one that may register.",
        DOCUMENTS,
    ),
    "registration_metadata": Explanation(
        "The metadata cannot be registered; the answer names the member.", "The answer names the member to change."
    ),
    "registration_redirect_uri": Explanation(
        "A redirect URI cannot be registered.", "Register an https redirect URI, or one on a loopback address."
    ),
}
