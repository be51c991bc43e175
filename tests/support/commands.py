"""Programs of ours that tests start: the environment they get, and one that is run to its end."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

from demo import processes

SECRET_KEY = "a secret key for tests only, the same for every server of a run"


def environment(database_url: str, **settings: str) -> dict[str, str]:
    # The settings module of this run, for a run with other settings than the project's own.
    chosen = {name: os.environ[name] for name in ("DJANGO_SETTINGS_MODULE", "PYTHONPATH") if name in os.environ}
    chosen.setdefault("DJANGO_SETTINGS_MODULE", "authz.settings")
    return processes.environment(
        **{"DATABASE_URL": database_url, "GATEHOUSE_SECRET_KEY": SECRET_KEY, **chosen, **settings}
    )


def python(arguments: Sequence[str], env: Mapping[str, str]) -> str:
    """What it printed. Raises RuntimeError, with that and its errors, where it ends with another code than 0."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=processes.ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{arguments} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout
