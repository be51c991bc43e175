"""A document host on this machine, that the server may reach and whose certificate it trusts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from django.conf import settings
from django.test import override_settings

from authz.configuration import apply
from tests.cimd.discovered import TRUSTED
from tests.support import world
from tests.support.document_host import DocumentHost, document_host, write_bundle

CA = trustme.CA()


@pytest.fixture
def documents(tmp_path: Path) -> Iterator[DocumentHost]:
    with document_host(CA) as host:
        changed = {
            "OUTBOUND_ALLOWED_HOSTS": [("localhost", host.port)],
            "OUTBOUND_CA_BUNDLE": write_bundle(CA, tmp_path),
        }
        with override_settings(GATEHOUSE={**settings.GATEHOUSE, **changed}):
            yield host


@pytest.fixture
def trusting(gatehouse: world.World) -> world.World:
    apply(TRUSTED)
    return gatehouse
