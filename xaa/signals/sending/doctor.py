"""Do the receivers of signals get what they are told?"""

from collections.abc import Iterator
from datetime import UTC, datetime

from authz.operations.doctor import Finding
from xaa.signals.sending import health


def receivers() -> Iterator[Finding]:
    for one in health.every(datetime.now(UTC)):
        yield from health.findings(one)
