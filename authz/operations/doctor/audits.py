"""Is the audit sealed, delivered and archived?"""

import os
from collections.abc import Iterator
from shutil import disk_usage

from authz.conf import conf
from authz.evidence import targets
from authz.evidence.status import unsealed
from authz.models import AuditArchive, AuditDestination
from authz.operations.doctor.databases import LEAST_FREE
from authz.operations.doctor.finding import ERROR, WARNING, Finding

# Events are sealed every five seconds.
UNSEALED = 600.0


def evidence() -> Iterator[Finding]:
    """Is the audit sealed, delivered and archived in time? (`audit verify` checks its integrity.)"""
    waiting, lag = unsealed()
    if lag > UNSEALED:
        yield Finding(
            ERROR,
            "audit",
            f"{waiting} events wait for their seal, the oldest for {lag / 60:.0f} minutes.",
            "See what is said of the periodic task authz.evidence.sealer. On PostgreSQL a transaction that wrote and"
            " does not end holds it up: look into pg_stat_activity.",
        )
    for row in AuditDestination.objects.filter(enabled=True, failures__gt=0):
        yield Finding(
            WARNING,
            "audit",
            f"{row.name} ({row.to}) has refused {row.failures} deliveries in a row: {row.failure}",
            "See to the other side. Nothing is lost, and it is tried again by itself; but nothing is archived before it"
            " was told. If it is gone for good, switch it off (`enabled: false`).",
        )
    yield from _directory()


def _directory() -> Iterator[Finding]:
    """Where archives and files go, if anything goes there."""
    archived = AuditArchive.objects.order_by("-start").values_list("file", flat=True)
    told = AuditDestination.objects.filter(enabled=True).values_list("to", flat=True)
    if not conf.audit_retention_days and not archived.exists() and not any(map(targets.is_file, told)):
        return
    folder = conf.audit_directory
    if missing := [name for name in archived if not (folder / name).exists()]:
        yield Finding(
            ERROR,
            "audit",
            f"{'1 archive is' if len(missing) == 1 else f'{len(missing)} archives are'} not in {folder},"
            f" such as {missing[0]}.",
            "Bring them back, or name the directory that they are in (GATEHOUSE_AUDIT_DIRECTORY). Until then the events"
            " in them cannot be proved, and no more are removed from the database.",
        )
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(there, os.W_OK):
        yield Finding(
            ERROR,
            "audit",
            f"{there} is not writable.",
            f"Give the server's account the right to write to {folder}.",
        )
    elif (free := disk_usage(there).free) < LEAST_FREE:
        yield Finding(
            WARNING, "audit", f"{free // 2**20} MB are free in {folder}.", "Make room: archives and files grow there."
        )
