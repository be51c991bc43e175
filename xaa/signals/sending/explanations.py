"""What the reasons of refused receivers mean."""

from collections.abc import Mapping
from typing import Final

from authz.protocol.explanations import Explanation, ListPage

RECEIVERS: Final = ListPage("Receivers of signals", "admin:xaa_signalreceiver_changelist")
_RETRY: Final = "Nothing. The receiver asks again with a token of now."
EXPLANATIONS: Final[Mapping[str, Explanation]] = {
    "ssf_unauthenticated": Explanation("The request has no bearer token.", "Give the receiver its client's secret."),
    "ssf_token_unknown": Explanation("The token is none of this server, was changed, or has expired.", _RETRY),
    "ssf_token_not_live": Explanation(
        "The access token is for another resource, has ended, or acts for a person.",
        "Register {issuer}/ssf as an MCP server with the scopes ssf.manage and ssf.read, and give them by a rule.",
    ),
    "ssf_receiver_unknown": Explanation(
        "No receiver of signals that is switched on names this client.",
        "Name it in a receiver, if it may be told when access ends.",
        RECEIVERS,
    ),
    "ssf_scope_missing": Explanation(
        "The access token has neither ssf.manage nor ssf.read, or only ssf.read for a change.",
        "Give the client the scope by a rule.",
    ),
    "ssf_request_malformed": Explanation(
        "The request is not as SSF 1.0 or RFC 8936 describes it; `detail` says what is wrong.",
        "Correct the receiver.",
    ),
    "ssf_stream_unknown": Explanation(
        "The client named a stream that is not its own, or that was deleted.",
        "Nothing, if the receiver makes a new stream. Otherwise look at whose stream it asked for.",
        RECEIVERS,
    ),
    "ssf_stream_exists": Explanation(
        "The client has a stream already; each has one.", "Nothing. It may change that one."
    ),
    "ssf_stream_fixed": Explanation(
        "Administrators fixed where this stream goes, so its receiver cannot change or delete that.",
        "Change it here, or leave push_url empty, so that the receiver makes its stream.",
        RECEIVERS,
    ),
    "ssf_too_soon": Explanation("The receiver asks for verifications more often than it may.", "Nothing."),
}
