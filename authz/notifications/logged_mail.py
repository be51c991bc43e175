"""Mails of a server without a mail server, where its log is for programs: each is one line, an object as the log's are.

Past the log itself, which would take the links out: they look like secrets, and are what the mail is for.
"""

import json
from datetime import UTC, datetime
from typing import Any

from django.core.mail.backends import console


class EmailBackend(console.EmailBackend):
    """Django's, in JSON."""

    def write_message(self, message: Any) -> None:
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": "info",
            "logger": __name__,
            "message": f"mail to {', '.join(message.recipients())}: {message.subject}",
            "mail": message.body,
        }
        self.stream.write(f"{json.dumps(line, separators=(',', ':'))}\n")
