"""Syslog messages (RFC 5424) in frames that count their octets (RFC 5425 §4.3). What they carry is another format's."""

from collections.abc import Mapping
from typing import Any

# > PRIVAL = facility * 8 + severity (RFC 5424 §6.2.1): 13 is "log audit", 6 informational, 4 warning.
_LOG_AUDIT, _INFORMATIONAL, _WARNING = 13, 6, 4
_LONGEST_SEQUENCE = 2147483647


def frame(host: str, index: int, event: Mapping[str, Any], text: str) -> bytes:
    """One frame. `text` is ASCII without line ends."""
    priority = _LOG_AUDIT * 8 + (_WARNING if event.get("reason") else _INFORMATIONAL)
    time = str(event.get("time", "")) or "-"
    # > MSGID … 1*32PRINTUSASCII (RFC 5424 §6)
    message_id = _printable(str(event.get("event", "")), 32)
    # > sequenceId … when it reaches the maximum value 2147483647, … restarts at 1 (RFC 5424 §7.3.1)
    sequence = index % _LONGEST_SEQUENCE + 1
    head = f"<{priority}>1 {_printable(time, 32)} {_printable(host, 255)} gatehouse - {message_id}"
    message = f'{head} [meta sequenceId="{sequence}"] {text}'.encode("ascii")
    return f"{len(message)} ".encode() + message


def _printable(text: str, length: int) -> str:
    return "".join(c for c in text if "!" <= c <= "~")[:length] or "-"
