from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.extension_packages import Install, installing


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Install]:
    with installing(tmp_path) as install:
        yield install
