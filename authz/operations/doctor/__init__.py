"""Checks this installation, and says what to do about problems: `manage.py doctor`.

Each examination looks at one thing and yields findings; one that fails is a finding itself. Other apps name theirs in
`EXAMINATIONS` of their AppConfig, as dotted names of functions of the same shape.
"""

from authz.operations.doctor.clocks import clock, skew
from authz.operations.doctor.examinations import PROFILES, examine
from authz.operations.doctor.finding import ERROR, WARNING, Examination, Finding
from authz.operations.doctor.proxies import proxies
from authz.operations.doctor.services import periodic_tasks

__all__ = [
    "ERROR",
    "PROFILES",
    "WARNING",
    "Examination",
    "Finding",
    "clock",
    "examine",
    "periodic_tasks",
    "proxies",
    "skew",
]
