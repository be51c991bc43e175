"""The server's settings without the tasks that would work on millions of events at once: on a server that has run for a
month they have been done as the events came.
"""

from authz.settings import *  # noqa: F403
from authz.settings import GATEHOUSE

_LATER = ("authz.evidence.sealer", "authz.evidence.archiver", "authz.audit.counts")
GATEHOUSE["PERIODIC_TASKS"] = tuple(name for name in GATEHOUSE["PERIODIC_TASKS"] if name not in _LATER)  # type: ignore[union-attr, attr-defined]
