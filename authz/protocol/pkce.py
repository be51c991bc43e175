"""PKCE with S256 only (RFC 7636; OAuth 2.1 §4.1.1)."""

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode

from authz.protocol.errors import OAuthError, Reason, harmless

METHOD = "S256"
# The base64url of a SHA-256 without padding is 43 characters; a verifier has 43 to 128 unreserved ones (RFC 7636 §4.1).
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)


def check_request(code_challenge: str | None, code_challenge_method: str | None) -> str:
    """The challenge of an authorization request, or a refusal. Raises `OAuthError`."""
    # > Clients MUST use code_challenge and code_verifier and authorization servers MUST enforce their use (OAuth 2.1
    # > §4.1.1)
    if not code_challenge:
        raise OAuthError(Reason.PKCE_MISSING)
    # A missing method means `plain` (RFC 7636 §4.3), which shows the verifier to every reader of the request.
    if code_challenge_method != METHOD:
        raise OAuthError(Reason.PKCE_METHOD_UNSUPPORTED, detail=harmless(code_challenge_method or "absent"))
    if not _CHALLENGE.fullmatch(code_challenge):
        raise OAuthError(Reason.PKCE_MALFORMED)
    return code_challenge


def verifies(code_verifier: str, code_challenge: str) -> bool:
    """Whether BASE64URL(SHA256(verifier)) equals the challenge (RFC 7636 §4.6), in constant time."""
    if not _VERIFIER.fullmatch(code_verifier):
        return False
    digest = hashlib.sha256(code_verifier.encode("ascii")).digest()
    return hmac.compare_digest(urlsafe_b64encode(digest).rstrip(b"=").decode("ascii"), code_challenge)
