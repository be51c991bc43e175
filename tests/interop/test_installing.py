"""The wheel, as one installs it: built as deploy/Dockerfile builds it, installed with the locked requirements under
each Python of this machine that we support, and started in an empty folder. What only the wheel's files decide is tried
under one of them.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from zipfile import ZipFile

import pytest
import requests

from authz import __version__
from demo.processes import ROOT, Server, environment, free_port

SUPPORTED = ("3.11", "3.12", "3.13")
OURS = f"{sys.version_info.major}.{sys.version_info.minor}"
under_one = pytest.mark.parametrize("installed", [OURS], indirect=True, scope="module")
SECRET = "demo-only-secret-0123456789-0123456789"


def interpreter(version: str) -> str | None:
    """A Python of this version: the one that runs the tests, one on the path, or one of pyenv's."""
    if version == OURS:
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for found in [*pyenv.glob(f"{version}.*/bin/python"), shutil.which(f"python{version}")]:
        if found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
            return str(found)
    return None


def plain(**changes: str) -> dict[str, str]:
    """The environment of one who has only what pip installed."""
    kept = environment(**changes)
    kept.pop("PYTHONPATH", None)
    return kept


def run(*command: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=env or plain(), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def made(home: Path, python: str, lock: str) -> Path:
    """A fresh environment with the requirements of a lock file; its `bin`."""
    # To put a pip into each takes three seconds of processor time.
    run(python, "-m", "venv", "--without-pip", home, cwd=home.parent)
    quietly = ("--quiet", "--no-compile", "--no-deps", "--require-hashes")
    pip(home / "bin/python", "install", *quietly, "-r", ROOT / f"requirements/{lock}.txt")
    return home / "bin"


def pip(of: Path, *command: str | Path) -> None:
    """A command of our pip about the environment of that Python."""
    run(sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", of, *command, cwd=of.parent)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    python = made(folder / "build", sys.executable, "build") / "python"
    pip(python, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_has_everything_that_the_server_reads_and_nothing_else(wheel: Path) -> None:
    shipped = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    ours = {
        str(path.relative_to(ROOT))
        for package in ("authz", "cimd", "xaa")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    ours |= {
        f"authz/{path.relative_to(ROOT)}"
        for folder in ("templates", "examples")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert shipped == ours
    assert wheel.name == f"gatehouse-{__version__}-py3-none-any.whl"


@pytest.fixture(scope="module", params=SUPPORTED)
def installed(request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `gatehouse` command of a fresh environment."""
    python = interpreter(request.param)
    if python is None:
        pytest.skip(f"no Python {request.param} on this machine")
    folder = tmp_path_factory.mktemp("installed")
    commands = made(folder / "venv", python, "runtime")
    pip(commands / "python", "install", "--quiet", "--no-deps", "--no-index", wheel)
    pip(commands / "python", "check")
    return commands / "gatehouse"


@pytest.fixture(scope="module")
def demo(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The demo's origin and its folder, which was empty."""
    folder, port = tmp_path_factory.mktemp("empty"), free_port()
    origin, log = f"http://127.0.0.1:{port}", tmp_path_factory.mktemp("log") / "log"
    command = [str(installed), "run", "--port", str(port)]
    with Server("gatehouse", command, f"{origin}/healthz", log, plain(), cwd=folder):
        yield origin, folder


def test_run_in_an_empty_folder_issues_a_token(demo: tuple[str, Path]) -> None:
    origin, folder = demo
    answer = requests.post(
        f"{origin}/o/token", data={"grant_type": "client_credentials"}, auth=("nightly-report", SECRET), timeout=30
    )
    assert answer.json()["token_type"] == "Bearer"
    assert [path.name for path in folder.iterdir()] == ["var"]
    assert {"gatehouse.sqlite3", "secret-key"} <= {path.name for path in (folder / "var").iterdir()}


def test_its_pages_have_their_style_and_fonts(demo: tuple[str, Path]) -> None:
    origin, _ = demo
    page = requests.get(f"{origin}/console/", timeout=30)
    assert "Sign in" in page.text
    for file in ("gatehouse.css", "console.css", "fonts/inter.woff2", "icons.svg"):
        assert requests.get(f"{origin}/static/gatehouse/{file}", timeout=30).status_code == 200, file


@under_one
def test_its_commands_speak_with_the_same_database(demo: tuple[str, Path], installed: Path) -> None:
    _, folder = demo
    assert "nightly-report: approved" in run(installed, "agents", "list", cwd=folder)
    elsewhere = plain(GATEHOUSE_HOME=str(folder / "var"))
    exported = run(installed, "export", cwd=folder.parent, env=elsewhere)
    assert "http://127.0.0.1:9200/mcp" in exported
    (folder / "again.yaml").write_text(exported)
    assert run(installed, "apply", "again.yaml", cwd=folder) == "Nothing to change.\n"
    (folder / "again.yaml").unlink()


@under_one
def test_a_backup_is_restored_from_the_wheel(demo: tuple[str, Path], installed: Path, tmp_path: Path) -> None:
    _, folder = demo
    run(installed, "backup", tmp_path / "copy", cwd=folder)
    other = tmp_path / "other"
    (other / "var").mkdir(parents=True)
    shutil.copy(folder / "var/secret-key", other / "var/secret-key")
    run(installed, "prepare", cwd=other)
    assert run(installed, "restore", tmp_path / "copy", "--replace", cwd=other).startswith("Restored.")
    assert "nightly-report: approved" in run(installed, "agents", "list", cwd=other)


@under_one
def test_questions_leave_nothing_behind(installed: Path, tmp_path: Path) -> None:
    assert run(installed, "--version", cwd=tmp_path) == f"Gatehouse {__version__}\n"
    assert "Usage: gatehouse COMMAND" in run(installed, cwd=tmp_path)
    assert "usage: gatehouse apply" in run(installed, "apply", "--help", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


@under_one
def test_a_command_in_another_folder_finds_no_database_and_makes_none(installed: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [installed, "agents", "list"], cwd=tmp_path, env=plain(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert done.stderr == (
        f"There is no database at {tmp_path}/var/gatehouse.sqlite3. `gatehouse prepare` makes it; if it is elsewhere,"
        " set GATEHOUSE_HOME or DATABASE_URL.\n"
    )
    assert not list(tmp_path.rglob("*.sqlite3"))
