"""A long query as one short parameter, so that it fits into the `next` of other addresses (RFC 9110 §4.1 asks for 8,000
octets at the least; each nesting of an address in another one encodes it once more). Nothing secret and nothing signed:
it says what the query itself would say, and is read as strictly.
"""

import base64
import binascii
import zlib

from authz.protocol.errors import OAuthError, Reason

PARAMETER = b"continue="
# Bytes of a query that is left as it is, of one that is packed, and of one that is unpacked.
PLAIN, MAXIMUM_PACKED, MAXIMUM_QUERY = 1500, 12_000, 64 * 1024


def packed(query: bytes) -> bytes:
    """The query itself where it is short, or `continue=…`. Raises `OAuthError` where that is still too long."""
    if len(query) <= PLAIN:
        return query
    short = PARAMETER + base64.urlsafe_b64encode(zlib.compress(query, 9)).rstrip(b"=")
    if len(short) > MAXIMUM_PACKED:
        raise OAuthError(Reason.REQUEST_TOO_LONG, detail=f"{len(query)} bytes")
    return short


def unpacked(query: bytes) -> bytes:
    """The query that was packed; any other as it is. Raises `OAuthError`."""
    if not query.startswith(PARAMETER):
        return query
    text = query.removeprefix(PARAMETER)
    if len(text) > MAXIMUM_PACKED:
        raise OAuthError(Reason.REQUEST_TOO_LONG, detail="continue")
    reader = zlib.decompressobj()
    try:
        data = base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        # Some bytes can stand for a thousand times as many.
        found = reader.decompress(data, MAXIMUM_QUERY + 1)
    except (binascii.Error, zlib.error):
        raise OAuthError(Reason.MALFORMED_PARAMETER, detail="continue") from None
    # What is packed in what is packed, or goes on behind its end, was not written here.
    if len(found) > MAXIMUM_QUERY or not reader.eof or reader.unused_data or found.startswith(PARAMETER):
        raise OAuthError(Reason.MALFORMED_PARAMETER, detail="continue")
    return found
