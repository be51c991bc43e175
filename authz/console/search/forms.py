"""What form a pasted text has (pure): a token, an identifier, an address, or words."""

import ipaddress
import re
from uuid import UUID

_JWT = re.compile(r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
# authz/tokens/refresh_tokens.py
_REFRESH_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}\.[0-9]+\.[A-Za-z0-9_-]{43}")
_HEX_ID = re.compile(r"[0-9a-f]{32}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ANY_ID = re.compile(rf"(?<![0-9A-Za-z])(?:{_UUID.pattern}|{_HEX_ID.pattern})(?![0-9A-Za-z])")
# What stands before an identifier where people copy it: in a claim, a parameter, a header, a log's line, a mail. The
# colon of a URL or an event stays.
_LABEL = re.compile(
    r"[\s\"'{,]*(?:mailto|client|agent|client[ _]id|person|user|sub|subject|authorization|jti|iss|issuer|aud|audience"
    r"|resource|kid|address|email|iat|exp|time|date|scope|rule|reason|error|event|reference|x-request-id"
    r"|request[ _-]?id|request)[\"']?\s*[:=]\s*(?=\S)",
    re.IGNORECASE,
)
MOST_IDS = 5


def is_secret(text: str) -> bool:
    """Whether it is a token itself, which does not belong in an address."""
    return bool(_JWT.search(text) or _REFRESH_TOKEN.search(text))


def is_hex_id(text: str) -> bool:
    """Whether it may be a `jti`, a request id, or the reference of an error page."""
    return bool(_HEX_ID.fullmatch(text))


def uuid_of(text: str) -> UUID | None:
    """An authorization, an access request, or a person's `sub`."""
    try:
        return UUID(text) if len(text) == 36 else None
    except ValueError:
        return None


def ip_address_of(text: str) -> str:
    """An IP address in its usual spelling; "" for anything else."""
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        return ""


def ids_in(text: str) -> list[str]:
    """The identifiers in a longer text: an address of ours, an error answer, a line of the log."""
    found = dict.fromkeys(match.group().lower() for match in _ANY_ID.finditer(text))
    return [one for one in found if one != text.lower()][:MOST_IDS]


def unlabelled(text: str) -> str:
    """The text without the name of what it is: `jti: …`, `"sub": "…"`, `mailto:…`."""
    label = _LABEL.match(text)
    return bare(text[label.end() :]) if label else text


def bare(text: str) -> str:
    """The text without what people copy along with it: blanks, quotes, brackets, `Bearer`."""
    return text.strip().removeprefix("Bearer ").strip(" \t\r\n\"'`<>“”,;{}")
