"""Whether two http(s) URIs are the same request target but for their lexical form (RFC 9449 §4.3, RFC 3986 §6.2).

> To reduce the likelihood of false negatives, servers SHOULD employ syntax-based normalization (Section 6.2.2 of
> [RFC3986]) and scheme-based normalization (Section 6.2.3 of [RFC3986]) before comparing the htu claim. (RFC 9449 §4.3)
"""

import re
from functools import lru_cache
from urllib.parse import urlsplit

MAXIMUM_LENGTH = 2048
_ENCODED = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")
_CHARACTERS = re.compile(r"[!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]+", re.ASCII)
_DEFAULT_PORT = {"http": 80, "https": 443}


def are_equal(one: str, other: str) -> bool:
    """Whether both name the same target; query and fragment don't count. False for what is no http(s) URI."""
    return one == other or ((normal := normalized(one)) != "" and normal == normalized(other))


@lru_cache(1000)
def normalized(uri: str) -> str:
    """The normal form, without query and fragment; "" for what is no http(s) URI with a host."""
    if len(uri) > MAXIMUM_LENGTH or not _CHARACTERS.fullmatch(uri):
        return ""
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return ""
    scheme, host = parts.scheme.lower(), parts.hostname or ""
    # Attack: `https://server.example@evil.example/`, which two readers take for two hosts.
    if scheme not in _DEFAULT_PORT or not host or "@" in parts.netloc or not _is_encoded_well(parts.path):
        return ""
    host = f"[{host}]" if ":" in host else _normal_encoding(host).lower()
    named = "" if port in (None, _DEFAULT_PORT[scheme]) else f":{port}"
    return f"{scheme}://{host}{named}{_without_dots(_normal_encoding(parts.path)) or '/'}"


def _is_encoded_well(path: str) -> bool:
    return path.count("%") == len(_ENCODED.findall(path))


def _normal_encoding(text: str) -> str:
    """> percent-encoded octets [of unreserved characters] should be normalized by decoding (RFC 3986 §6.2.2.2); the
    > hexadecimal digits within a percent-encoding triplet […] should be normalized to use uppercase letters (§6.2.2.1)
    """
    return _ENCODED.sub(lambda found: _decoded(found[1]), text)


def _decoded(digits: str) -> str:
    character = chr(int(digits, 16))
    return character if character in _UNRESERVED else f"%{digits.upper()}"


def _without_dots(path: str) -> str:
    """RFC 3986 §5.2.4, for a path that is empty or begins with a slash."""
    segments = path.split("/")
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            # The first is the empty one before the first slash.
            if len(kept) > 1:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/".join(kept)
