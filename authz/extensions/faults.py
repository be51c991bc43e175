"""Faults of extensions: counted, recorded in the audit at a bounded rate, and remembered for those who look.

A fault is an answer and no crash: what depends on the extension is refused, and all else goes on.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import DatabaseError

from authz import audit
from authz.extensions.events import ExtensionEvent
from authz.models import AuditEvent
from authz.protocol.display_names import visible
from authz.telemetry import metrics

logger = logging.getLogger(__name__)

# Of one kind of fault of one extension a process records one event in so many seconds.
SECONDS_BETWEEN_EVENTS = 60.0
LONGEST_MESSAGE = 300
# Of the latest events of faults so many are read to find the last one of an extension.
LOOKED_THROUGH = 200


class ExtensionFault(Exception):
    """An extension did not do what its contract says. `part` is what was asked of it; `problem` is in words."""

    def __init__(self, identifier: str, part: str, problem: str) -> None:
        super().__init__(f"The extension {identifier} failed ({part}): {problem}.")
        self.identifier = identifier
        self.part = part
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Fault:
    """The last fault of an extension."""

    time: datetime
    part: str
    problem: str

    def as_item(self) -> dict[str, str]:
        return {"time": self.time.isoformat(), "part": self.part, "problem": self.problem}


_last: dict[str, Fault] = {}
_recorded: dict[tuple[str, str], float] = {}


def note(fault: ExtensionFault) -> ExtensionFault:
    """Count and record a fault, and answer it, to be raised."""
    problem = visible(fault.problem)[:LONGEST_MESSAGE]
    metrics.EXTENSION_FAULTS.add(fault.identifier)
    _last[fault.identifier] = Fault(datetime.now(UTC), fault.part, problem)
    key, now = (fault.identifier, fault.part), time.monotonic()
    if now - _recorded.get(key, -SECONDS_BETWEEN_EVENTS) < SECONDS_BETWEEN_EVENTS:
        return fault
    logger.warning("%s", visible(str(fault))[: 2 * LONGEST_MESSAGE])
    try:
        audit.record(
            ExtensionEvent.FAILED, detail={"extension": fault.identifier, "part": fault.part, "problem": problem}
        )
        _recorded[key] = now
    except DatabaseError:
        # What is issued is recorded or not issued; a fault refuses, and that it could not be written refuses no more.
        logger.exception("a fault of an extension could not be recorded")
    return fault


def last_faults() -> Mapping[str, Fault]:
    """The last fault of each extension, on any node as far as the latest events say, by id."""
    found: dict[str, Fault] = {}
    for row in AuditEvent.objects.filter(event=ExtensionEvent.FAILED).order_by("-id")[:LOOKED_THROUGH]:
        told = row.detail
        if isinstance(told, dict):
            fault = Fault(row.time, str(told.get("part", "")), str(told.get("problem", "")))
            found.setdefault(str(told.get("extension", "")), fault)
    for identifier, fault in _last.items():
        if identifier not in found or found[identifier].time < fault.time:
            found[identifier] = fault
    return found


def forget() -> None:
    """Forget what this process remembers (tests)."""
    _last.clear()
    _recorded.clear()
