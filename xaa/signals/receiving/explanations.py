"""What each reason of a refused event means, and what to do (authz/audit/explanations.py)."""

from collections.abc import Mapping

from authz.protocol.explanations import Explanation, ListPage

SOURCES = ListPage("Signals", "admin:xaa_signalsource_changelist")
_NEW_TOKEN = "Make a new token for the source, and enter it at the transmitter."  # noqa: S105  a sentence
_KEYS = "Look at the issuer's keys, and name its jwks_uri if it signs events with others."
_THEIRS = "It is the transmitter's to mend. What it means is in SSF 1.0 and RFC 8417."

EXPLANATIONS: Mapping[str, Explanation] = {
    "signal_unauthenticated": Explanation(
        "The request has no bearer token.", "Enter a token of the source at the transmitter.", SOURCES
    ),
    "signal_token_unknown": Explanation(
        "The token is none that this server made, or one that was changed on its way.", _NEW_TOKEN, SOURCES
    ),
    "signal_token_expired": Explanation("The token has expired.", _NEW_TOKEN, SOURCES),
    "signal_token_withdrawn": Explanation("The token was withdrawn.", _NEW_TOKEN, SOURCES),
    "signal_source_off": Explanation(
        "The source, or its trusted issuer, is switched off.", "Switch it on again.", SOURCES
    ),
    "signal_request_malformed": Explanation(
        "The body is not one SET as application/secevent+jwt, or it is too large.", _THEIRS
    ),
    "signal_set_malformed": Explanation("The SET is no signed JWT, or has a header that is never accepted.", _THEIRS),
    "signal_typ": Explanation("The SET's typ is not secevent+jwt, so it may be another kind of token.", _THEIRS),
    "signal_algorithm": Explanation("The SET is signed by an algorithm that is not accepted.", _THEIRS),
    "signal_key_unknown": Explanation("None of the transmitter's keys has the SET's kid.", _KEYS, SOURCES),
    "signal_signature": Explanation("The SET's signature does not hold under the transmitter's keys.", _KEYS, SOURCES),
    "signal_keys_unavailable": Explanation(
        "The transmitter's keys could not be had; `detail` says why. It sends the event again.", _KEYS, SOURCES
    ),
    "signal_issuer": Explanation(
        "The SET's iss is not that of the source. A source hears one transmitter.",
        "If the transmitter has another iss than the trusted issuer, name it as `transmitter`.",
        SOURCES,
    ),
    "signal_audience": Explanation(
        "The SET's aud names neither this server nor what the source's `audience` has.",
        "Name the stream's aud as `audience`, if it is ours.",
        SOURCES,
    ),
    "signal_claim": Explanation(
        "A claim is missing or wrong, or it is one that a SET must not have (sub, exp); `detail` names it.", _THEIRS
    ),
    "signal_age": Explanation(
        "The SET is older than 28 days, or of the future: whether it was used before is no longer known.",
        "Look at the clocks. A stream that was paused for so long is better made anew.",
    ),
    "signal_events": Explanation("The SET has no event, or several.", _THEIRS),
    "signal_member": Explanation("The event lacks a member, or has a wrong one; `detail` names it.", _THEIRS),
    "signal_subject": Explanation("The event's subject cannot be read; `detail` says why.", _THEIRS),
    "signal_of_another_stream": Explanation(
        "An event about a stream names another one than the source's.", "Look which stream sends here.", SOURCES
    ),
    "signal_state": Explanation(
        "A verification event has a state that was not asked for, or not last.",
        "Verify the stream again. If it comes again, someone else sends.",
        SOURCES,
    ),
    "signal_source_full": Explanation(
        "The source is held, and 10,000 of its events wait. It sends this one again.",
        "Release or discard what waits.",
        SOURCES,
    ),
}
