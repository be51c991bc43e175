"""Programs of ours that tests start: the environment they get, one that is run to its end, and many commands."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

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


class Told(NamedTuple):
    """How a command ended, and what it wrote."""

    code: int
    output: str
    errors: str


# Loads the server once, and forks for each command. It reads calls and writes their answers, as JSON.
_EACH = """
import json, os, sys, tempfile, traceback
import django
django.setup()
from authz.command_line import execution, main
from authz.configuration import apply
from django.db import connections

def run(call, files):
    for number, file in enumerate(files, 1):
        os.dup2(file.fileno(), number)
    sys.argv, code = call, 0
    try:
        main(call)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush(), sys.stderr.flush()
    os._exit(code)

def told(call):
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        child = os.fork()
        child or run(call, (output, errors))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        output.seek(0), errors.seek(0)
        return code, output.read().decode(), errors.read().decode()

json.dump([told(["manage.py", *call]) for call in json.load(sys.stdin)], sys.stdout)
"""


def each(calls: Sequence[Sequence[str]], env: Mapping[str, str], folder: Path = processes.ROOT) -> list[Told]:
    """Each as a process of its own in that folder, which begins with the server loaded: that takes longer than most
    commands do. What happens before, such as with settings that are wrong, is seen with `python` only.
    """
    done = subprocess.run(
        [sys.executable, "-c", _EACH],
        cwd=folder,
        env={**env, "PYTHONPATH": str(processes.ROOT)},
        input=json.dumps([list(call) for call in calls]),
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    return [Told(*answer) for answer in json.loads(done.stdout)]
