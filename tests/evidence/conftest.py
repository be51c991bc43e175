"""An audit with events, sealed; and the attacker at the database's prompt, who has dropped the triggers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from authz import audit
from authz.conf import conf
from authz.evidence import checkpoint_keys, sealer
from authz.evidence.comparison import Finding
from authz.evidence.notes import read_notes
from authz.evidence.verify import verify
from authz.models import AuditEvent
from tests.support import append_only


@pytest.fixture(autouse=True)
def audit_directory(tmp_path: Path, settings: Any) -> Path:
    settings.GATEHOUSE = {**settings.GATEHOUSE, "AUDIT_DIRECTORY": tmp_path / "audit"}
    return tmp_path / "audit"


@pytest.fixture
def write(db: None) -> Callable[[int], list[int]]:
    """Record so many events. Returns their ids."""

    def write(count: int) -> list[int]:
        before = AuditEvent.objects.count()
        for number in range(before, before + count):
            detail = {"number": number, "grant_type": "client_credentials"}
            audit.record(audit.Event.TOKEN_ISSUED, client_id=f"agent-{number}", detail=detail)
        return sorted(AuditEvent.objects.order_by("-id").values_list("id", flat=True)[:count])

    return write


@pytest.fixture
def sealed(write: Callable[[int], list[int]], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Thirty events and the one about the key, in segments of seven. Their ids."""
    monkeypatch.setattr(sealer, "SEGMENT", 7)
    write(30)
    sealer.run()
    sealer.run()
    return sorted(AuditEvent.objects.values_list("id", flat=True))


def findings(kept: str = "") -> list[Finding]:
    return verify(checkpoint_keys.verifiers(), kept=read_notes(kept), archives=conf.audit_directory).findings


def kinds(kept: str = "") -> list[tuple[str, int | None]]:
    return [(finding.kind.value, finding.event) for finding in findings(kept)]


def attack(sql: str, *values: object) -> None:
    append_only.drop()
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        assert cursor.rowcount != 0
