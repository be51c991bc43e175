"""ArcSight Common Event Format, version 0."""

import json
import re
from collections.abc import Mapping
from typing import Any

from authz.evidence.formats import milliseconds

MEDIA_TYPE = "text/plain"
# Our columns as CEF's extension names them; cs1 to cs6 are free, and each says in its label what it is.
_NAMES = {"address": "src", "subject": "suser", "client_id": "suid", "resource": "request", "request_id": "externalId"}
_CUSTOM = ("reason", "authorization", "detail")


def line(index: int, event: Mapping[str, Any]) -> str:
    name = str(event.get("event", "unknown"))
    severity = "5" if event.get("reason") else "3"
    header = ["CEF:0", "Gatehouse", "Gatehouse", "1", _header(name), _header(name.replace(":", " ")), severity]
    extension = {"rt": str(milliseconds(str(event.get("time", "")))), "cn1Label": "index", "cn1": str(index)}
    extension |= {"cn2Label": "id", "cn2": str(event.get("id", ""))}
    for column, key in _NAMES.items():
        if column in event:
            extension[key] = str(event[column])
    for number, column in enumerate(_CUSTOM, start=1):
        if column in event:
            value = event[column]
            extension[f"cs{number}Label"] = column
            extension[f"cs{number}"] = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return "|".join([*header, " ".join(f"{key}={_value(value)}" for key, value in extension.items())])


def _header(text: str) -> str:
    # > pipes and backslashes in the header must be escaped with a backslash
    return _ascii(re.sub(r"[\r\n]+", " ", text).replace("\\", "\\\\").replace("|", "\\|"))


def _value(text: str) -> str:
    # > equal signs and backslashes in the extensions must be escaped; multi-line values say \n (attack 32)
    text = text.replace("\\", "\\\\").replace("=", "\\=").replace("\r", "\\r").replace("\n", "\\n")
    return _ascii(text)


def _ascii(text: str) -> str:
    """What no terminal and no parser can be led astray by."""
    return "".join(c if " " <= c <= "~" else f"\\\\u{ord(c):04x}" for c in text)
