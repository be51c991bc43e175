"""npm's oidc-provider, a real OpenID provider, from the lock file of tests/bench/oidc_provider."""

import fcntl
import subprocess
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "bench/oidc_provider"


def oidc_provider() -> Path:
    """The folder with its `node_modules`. Several test runs may ask at the same time: one installs it."""
    with (FOLDER / ".installing").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (FOLDER / "node_modules/oidc-provider").exists():
            subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=FOLDER, check=True, capture_output=True)
    return FOLDER
