"""Why an event, or the request that brought it, is refused: precise for the operator, RFC 8935's few codes on the wire.

> invalid_request, invalid_key, invalid_issuer, invalid_audience, authentication_failed, access_denied (RFC 8935 §2.4);
> "invalid_state" (SSF 1.0 §8.1.4.1)
"""

from authz.protocol.errors import RefusalReason
from authz.protocol.jwts import JwtProblem

_CREDENTIALS = ("authentication_failed", "The bearer token is missing, wrong, expired or withdrawn.")
_KEY = ("invalid_key", "The signature cannot be verified with a key of this issuer.")


class SignalReason(RefusalReason):
    UNAUTHENTICATED = "signal_unauthenticated", *_CREDENTIALS
    TOKEN_UNKNOWN = "signal_token_unknown", *_CREDENTIALS
    TOKEN_EXPIRED = "signal_token_expired", *_CREDENTIALS
    TOKEN_WITHDRAWN = "signal_token_withdrawn", *_CREDENTIALS
    SOURCE_OFF = "signal_source_off", "access_denied", "This stream is not received at present."
    REQUEST_MALFORMED = "signal_request_malformed", "invalid_request", "The body has to be one SET."
    TOKEN_MALFORMED = "signal_set_malformed", "invalid_request", "The body has to be one SET."
    TYP = "signal_typ", "invalid_request", "The typ has to be secevent+jwt."
    ALGORITHM = "signal_algorithm", "invalid_key", "The algorithm is not one that is accepted."
    KEY_UNKNOWN = "signal_key_unknown", *_KEY
    SIGNATURE = "signal_signature", *_KEY
    KEYS_UNAVAILABLE = "signal_keys_unavailable", "temporarily_unavailable", "The issuer's keys cannot be had."
    ISSUER = "signal_issuer", "invalid_issuer", "The iss is not this stream's."
    AUDIENCE = "signal_audience", "invalid_audience", "The aud is not this receiver."
    CLAIM = "signal_claim", "invalid_request", "A claim is missing, wrong, or has no place in a SET."
    AGE = "signal_age", "invalid_request", "The iat is too long ago, or in the future."
    EVENTS = "signal_events", "invalid_request", "A SET has one event."
    MEMBER = "signal_member", "invalid_request", "A member of the event is missing or wrong."
    SUBJECT = "signal_subject", "invalid_request", "The subject cannot be read."
    OF_ANOTHER_STREAM = "signal_of_another_stream", "invalid_request", "The event is about another stream."
    STATE = "signal_state", "invalid_state", "The state is not the one that was asked for."
    FULL = "signal_source_full", "temporarily_unavailable", "Too many events wait for an administrator."


BY_JWT_PROBLEM: dict[JwtProblem, SignalReason] = {
    JwtProblem.MALFORMED: SignalReason.TOKEN_MALFORMED,
    JwtProblem.TOO_LARGE: SignalReason.TOKEN_MALFORMED,
    JwtProblem.HEADER_REFUSED: SignalReason.TOKEN_MALFORMED,
    JwtProblem.CRITICAL: SignalReason.TOKEN_MALFORMED,
    JwtProblem.ALGORITHM: SignalReason.ALGORITHM,
    JwtProblem.TYP: SignalReason.TYP,
    JwtProblem.NO_KEY: SignalReason.KEY_UNKNOWN,
    JwtProblem.SIGNATURE: SignalReason.SIGNATURE,
    JwtProblem.KEY_SET: SignalReason.KEYS_UNAVAILABLE,
}
