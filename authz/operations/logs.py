"""The log's lines: for people, or one JSON object each (`GATEHOUSE_LOG_FORMAT`), with the request's correlation id.

Nothing that this server writes names a secret on purpose. What libraries and databases put into their errors cannot be
vouched for, so every line is scrubbed of what looks like one (attack 32).
"""

import json
import logging
import re
from datetime import UTC, datetime

from authz import audit

_GONE = "[removed]"
_SECRETS = (
    # A whole JWT: access tokens, ID-JAGs, client assertions. Tried once for each run of letters, because an exception
    # may quote text from outside with thousands of possible beginnings.
    (
        re.compile(
            r"(?<![A-Za-z0-9_\-])(?>([A-Za-z0-9_\-]*?)eyJ)[A-Za-z0-9_\-]{8,}+\.[A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]*)?"
        ),
        rf"\1{_GONE}",
    ),
    # A refresh token: authorization.generation.MAC (authz/tokens/refresh_tokens.py).
    (re.compile(r"(?<![A-Za-z0-9_\-])[A-Za-z0-9_\-]{22}\.\d+\.[A-Za-z0-9_\-]{43}"), _GONE),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL), _GONE),
    (re.compile(r"(?i)\b(basic|bearer|dpop)\s+[A-Za-z0-9_~+/.\-]{6,}=*"), rf"\1 {_GONE}"),
    (re.compile(r"(://[^/\s:@]*):[^/\s@]+@"), rf"\1:{_GONE}@"),  # the password in a database's URL
    (
        re.compile(
            r"(?i)(\b(?:client_secret|secret|secret_key|password|passwd|code|code_verifier|assertion|client_assertion"
            r"|subject_token|actor_token|access_token|refresh_token|id_token|token|registration_access_token)"
            r"(?:[\"']\s*:\s*[\"']?|\s*=\s*[\"']?|:\s+[\"']?))(?!\[removed)[^\s\"'&,;)}]{6,}"
        ),
        rf"\1{_GONE}",
    ),
    # An Ed25519 or EC private key as a JWK.
    (re.compile(r"(\"d\"\s*:\s*\")[A-Za-z0-9_\-]{20,}"), rf"\1{_GONE}"),
)


def scrub(text: str) -> str:
    """The text without what looks like a token, a secret or a private key."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


class PlainFormatter(logging.Formatter):
    """Time, level, logger, correlation id, message."""

    def format(self, record: logging.LogRecord) -> str:
        record.request_id = audit.current_origin().request_id or "-"
        return scrub(super().format(record))


class JsonFormatter(logging.Formatter):
    """One object a line: `time` (UTC), `level`, `logger`, `message`; `request_id`, `address`, `exception` if any."""

    def format(self, record: logging.LogRecord) -> str:
        origin = audit.current_origin()
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": scrub(record.getMessage()),
            "process": record.process,
        }
        if origin.request_id:
            line |= {"request_id": origin.request_id, "address": origin.address}
        if record.exc_info:
            line["exception"] = scrub(self.formatException(record.exc_info))
        return json.dumps(line, separators=(",", ":"), default=str)


class Lines:
    """What a command prints, as lines of the log."""

    def __init__(self) -> None:
        self._log = logging.getLogger("authz.start")

    def write(self, text: str) -> None:
        for line in text.splitlines():
            if line.strip():
                self._log.info("%s", line)

    def flush(self) -> None:
        """Each line is written at once."""


def configuration(style: str) -> dict[str, object]:
    """A `logging.config` dictionary, for the workers and for uvicorn's own lines alike."""
    formatter: dict[str, object] = {"()": "authz.operations.logs.JsonFormatter"}
    if style == "plain":
        line = "{asctime} {levelname} {name} {request_id} {message}"
        formatter = {"()": "authz.operations.logs.PlainFormatter", "format": line, "style": "{"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": formatter},
        "filters": {"repeats": {"()": "authz.operations.log_repeats.RepeatFilter"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["repeats"]}},
        "root": {"handlers": ["console"], "level": "INFO"},
        "loggers": {
            # Django would answer for itself on the console too, in a format of its own.
            "django": {"handlers": [], "propagate": True},
            "django.server": {"handlers": [], "propagate": True},
            # A line for each 4xx would let clients fill the disk. Refusals are counted, and sampled in the audit.
            "django.request": {"level": "ERROR", "handlers": [], "propagate": True},
            # A Host that is not ours, too many fields: for each of them it writes a page of trace.
            "django.security": {"level": "CRITICAL", "handlers": [], "propagate": True},
            # It would quote responses of other hosts; the cause of a failed fetch is in the audit.
            "urllib3": {"level": "ERROR"},
        },
    }
