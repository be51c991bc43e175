"""Request parameters, read strictly (RFC 6749 §3.1, §3.2)."""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from urllib.parse import unquote_to_bytes

from authz.protocol.errors import OAuthError, Reason

MAXIMUM_BODY = 64 * 1024
MAXIMUM_PARAMETERS = 100
FORM = "application/x-www-form-urlencoded"

# RFC 8707 §2 and RFC 8693 §2.1 allow these to be repeated; what several mean is for the grant to say.
REPEATABLE = frozenset({"resource", "audience"})

# What stands for itself, and so is most of what is ever sent.
_PLAIN = re.compile(rb"[A-Za-z0-9._~:/-]*")

# By name; a repeatable one holds its values separated by a space, which no URI contains.
Params = Mapping[str, str]


def parse_form(body: bytes, content_type: str) -> Params:
    """The parameters of a form body.

    Raises `OAuthError` for another media type, a body that is not well-formed, and a parameter sent twice.
    """
    if content_type.partition(";")[0].strip().lower() != FORM:
        raise OAuthError(Reason.UNSUPPORTED_MEDIA_TYPE)
    if len(body) > MAXIMUM_BODY:
        raise OAuthError(Reason.BODY_TOO_LARGE)
    return parse_query(body)


def parse_query(encoded: bytes) -> Params:
    """The parameters of a query component or a form body, as one read-only mapping. Raises `OAuthError`."""
    pairs = encoded.split(b"&") if encoded else []
    if len(pairs) > MAXIMUM_PARAMETERS:
        raise OAuthError(Reason.MALFORMED_BODY)
    return single(_decode(pair) for pair in pairs if pair)


def single(pairs: Iterable[tuple[str, str]]) -> Params:
    """One value a name. Values of a repeatable name are joined by a space. Raises `OAuthError`."""
    params: dict[str, str] = {}
    for name, value in pairs:
        # > Parameters sent without a value MUST be treated as if they were omitted from the request. (RFC 6749 §3.2)
        if not value:
            continue
        if name not in params:
            params[name] = value
        elif name in REPEATABLE:
            params[name] += f" {value}"
        # > Request and response parameters MUST NOT be included more than once. (RFC 6749 §3.2)
        else:
            raise OAuthError(Reason.DUPLICATE_PARAMETER, detail=name[:64])
    return MappingProxyType(params)


def _decode(pair: bytes) -> tuple[str, str]:
    name, _, value = pair.partition(b"=")
    return _text(name), _text(value)


def _text(encoded: bytes) -> str:
    if _PLAIN.fullmatch(encoded):
        return encoded.decode("ascii")
    # `%zz` is not percent-encoding: unquote would pass it through, and two readers could read two things.
    for part in encoded.split(b"%")[1:]:
        if len(part) < 2 or not all(digit in b"0123456789abcdefABCDEF" for digit in part[:2]):
            raise OAuthError(Reason.MALFORMED_BODY)
    try:
        text = unquote_to_bytes(encoded.replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError:
        raise OAuthError(Reason.MALFORMED_BODY) from None
    if "\0" in text:
        raise OAuthError(Reason.MALFORMED_BODY)
    return text


def required(params: Params, name: str) -> str:
    """A parameter that must be there. Raises `OAuthError`."""
    try:
        return params[name]
    except KeyError:
        raise OAuthError(Reason.MISSING_PARAMETER, detail=name) from None
