"""Where a run's temporary files are (tests/support/scratch.py)."""

import os
import tempfile
from pathlib import Path

import pytest

from tests.support import scratch


@pytest.fixture
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", None)


@pytest.mark.usefixtures("nothing_said")
def test_they_are_in_memory_where_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "gone after the test")
    del os.environ["TMPDIR"]
    assert scratch.in_memory(tmp_path, needed=1)
    assert Path(tempfile.mkdtemp()).parent == tmp_path


@pytest.mark.usefixtures("nothing_said")
@pytest.mark.parametrize(("folder", "needed"), [("", 2**60), ("missing", 1)])
def test_they_are_on_the_disk_where_there_is_none(tmp_path: Path, folder: str, needed: int) -> None:
    assert not scratch.in_memory(tmp_path / folder, needed)
    assert "TMPDIR" not in os.environ


def test_they_are_where_tmpdir_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/elsewhere")
    assert not scratch.in_memory(tmp_path, needed=1)
    assert os.environ["TMPDIR"] == "/elsewhere"
