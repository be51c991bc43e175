"""Environments of their own: for clients `.venv-mcp2`, `.venv-mcp1` and tests/interop/node_modules, for `make mutants`
`.venv-mutants`, for `make site` `.venv-docs`, to try the API `.venv-schemathesis`, to try SCIM
`.venv-scim`, for gateways `.venv-envoy`, made from their lock files.

    python -m demo.environments [mcp2] [mcp1] [node] [docs]

Each is made once, and again when its lock file changes. Only `make interop`, `make demo`, `make mutants`,
`make site` and CI come here.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
JAVASCRIPT = ROOT / "tests/interop"
LOCKS = {"mcp1": "interop-mcp1", "mcp2": "interop-mcp2"} | {
    name: name for name in ("mutants", "docs", "schemathesis", "envoy", "scim")
}
NODE_NEEDED = 22  # required by the conformance suite and the Inspector


def python(line: str) -> Path:
    """The interpreter of an environment: `mcp` of a line ("mcp1" or "mcp2"), mutmut ("mutants"), Sphinx ("docs"), Envoy
    ("envoy")."""
    home, lock = ROOT / f".venv-{line}", ROOT / f"requirements/{LOCKS[line]}.txt"
    interpreter = home / "bin/python"
    with _one_at_a_time():
        if not _made(home, lock):
            shutil.rmtree(home, ignore_errors=True)
            _run(sys.executable, "-m", "venv", "--without-pip", str(home))
            # The lock file is complete. If pip resolved dependencies, it would look for `pydantic[email]` besides the
            # `pydantic` that is pinned, find a newer one, and give up.
            pip = (sys.executable, "-m", "pip", "--python", str(interpreter), "install")
            quietly = ("--quiet", "--disable-pip-version-check", "--no-compile")
            _run(*pip, *quietly, "--no-deps", "--require-hashes", "-r", str(lock))
            _remember(home, lock)
    return interpreter


def node() -> Path:
    """A recent enough Node.js: this machine's, or the one in the lock file, with its packages.
    Raises RuntimeError for an older one.
    """
    home, lock = JAVASCRIPT / "node_modules", JAVASCRIPT / "package-lock.json"
    with _one_at_a_time():
        if not _made(home, lock):
            _run("npm", "ci", "--silent", cwd=JAVASCRIPT)
            _remember(home, lock)
    locked = sorted(home.glob("node-linux-*/bin/node"))
    if locked:
        return locked[0]
    installed = shutil.which("node")
    if installed is None or _major(installed) < NODE_NEEDED:
        raise RuntimeError(
            f"node {NODE_NEEDED} or newer is needed, and there is none in the lock file for this machine"
        )
    return Path(installed)


def _major(installed: str) -> int:
    version = subprocess.run([installed, "--version"], capture_output=True, text=True, check=True).stdout
    return int(version.removeprefix("v").partition(".")[0])


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Processes of one test run ask for the same environment at once."""
    with Path(__file__).open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _stamp(home: Path) -> Path:
    return home / ".made-from"


def _made(home: Path, lock: Path) -> bool:
    stamp = _stamp(home)
    return stamp.exists() and stamp.read_text() == hashlib.sha256(lock.read_bytes()).hexdigest()


def _remember(home: Path, lock: Path) -> None:
    _stamp(home).write_text(hashlib.sha256(lock.read_bytes()).hexdigest())


def _run(*command: str, cwd: Path = ROOT) -> None:
    subprocess.run(command, cwd=cwd, check=True, timeout=900)


if __name__ == "__main__":
    for wanted in sys.argv[1:] or ["mcp2", "mcp1", "node"]:
        sys.stdout.write(f"{node() if wanted == 'node' else python(wanted)}\n")
