"""Where the audit is delivered in tests, and what arrived there."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from authz.evidence import delivery
from authz.models import AuditDestination
from tests.support.document_host import DocumentHost, document_host, reply, write_bundle

CA = trustme.CA()
Write = Callable[[int], list[int]]


@pytest.fixture
def collector(tmp_path: Path, settings: Any) -> Iterator[DocumentHost]:
    with document_host(CA) as host:
        allow(settings, tmp_path, host.port)
        host.serve("/ingest", reply(b"", status="202 Accepted"))
        yield host


def allow(settings: Any, folder: Path, port: int) -> None:
    allowed = {"OUTBOUND_ALLOWED_HOSTS": [("localhost", port)], "OUTBOUND_CA_BUNDLE": write_bundle(CA, folder)}
    settings.GATEHOUSE = {**settings.GATEHOUSE, **allowed}


def destination(to: str, spoken: str = "jsonl", **more: Any) -> AuditDestination:
    return AuditDestination.objects.create(name="siem", format=spoken, to=to, **more)


def told(host: DocumentHost) -> list[int]:
    """The ids that arrived, in the order of their arrival."""
    bodies = [text.partition("\r\n\r\n")[2] for text in host.requests]
    return [json.loads(line)["id"] for body in bodies for line in body.splitlines()]


def again(**changes: Any) -> AuditDestination:
    """As if its rest were over."""
    AuditDestination.objects.update(next_try=0, **changes)
    delivery.run()
    return AuditDestination.objects.get()
