"""The reference in an error answer: an address in the console where the refusal is explained."""

from authz import audit
from authz.conf import conf

# Answers that must not be told apart are the same to the byte. Their reference is in the header `X-Request-Id` alone.
ALIKE = frozenset({"invalid_client", "invalid_grant"})


def address() -> str:
    """The `error_uri` of the present request; 32 hexadecimal digits are all that is the request's own.

    > error_uri: OPTIONAL. A URI identifying a human-readable web page with information about the error […]. Values
    > for the "error_uri" parameter MUST conform to the URI-reference syntax (RFC 6749 §5.2)
    """
    return f"{conf.origin}/console/find/?q={audit.current_origin().request_id}"
