"""The migrated file of the last run (tests/support/kept.py): its name says all that decides what is in it."""

import re
import shutil
from pathlib import Path

import pytest

from demo.processes import ROOT
from tests.support import kept

IMPORTS = re.compile(r"^\s*(?:from|import) ((?:authz|cimd|xaa)[\w.]*)", re.MULTILINE)


def module(name: str) -> Path:
    path = ROOT / name.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def test_what_migrations_and_models_import_is_part_of_its_name() -> None:
    files = set(kept._files())
    deciding = [path for path in files if {"migrations", "models"} & set(path.parts)]
    assert len(deciding) > 100
    imported = {module(name) for path in deciding for name in IMPORTS.findall(path.read_text())}
    assert imported - files == set()


def test_a_file_that_changes_has_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = kept.file.__wrapped__()
    for name in kept.DECIDE:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, path)
    monkeypatch.setattr(kept, "ROOT", tmp_path)
    assert kept.file.__wrapped__() == before
    (tmp_path / "xaa/migrations/9999_one_more.py").write_text("")
    assert kept.file.__wrapped__() != before


def test_another_settings_module_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "others.settings")
    assert kept.file.__wrapped__() is None


def test_one_is_kept_and_only_as_a_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(kept, "FOLDER", tmp_path / "kept")
    monkeypatch.setattr(kept, "file", lambda: tmp_path / "kept/new.sqlite3")
    kept.keep(lambda path: path.write_text("whole"))
    (tmp_path / "kept/old.sqlite3").write_text("old")
    with pytest.raises(OSError, match="full"):
        kept.keep(_breaks)
    assert not (tmp_path / "kept/old.sqlite3").exists()
    kept.keep(lambda path: path.write_text("whole"))
    assert (tmp_path / "kept/new.sqlite3").read_text() == "whole"


def _breaks(path: Path) -> None:
    path.write_text("half")
    raise OSError("the disk is full")
