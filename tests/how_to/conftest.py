"""The pages need the clients' SDKs and start servers, so they are carried out only when asked for: `make interop`."""

from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return True if collection_path.name == "test_pages.py" and config.option.markexpr != "interop" else None
