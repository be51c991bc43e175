"""scim2-tester tries SCIM of a running server: discovery, and people and groups created, read, changed and deleted."""

import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import environments
from demo.gatehouse import Gatehouse
from tests.support import databases

SCRIPT = Path(__file__).resolve().parent / "scim/try_it.py"


@pytest.fixture(scope="module")
def gatehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gatehouse]:
    directory = tmp_path_factory.mktemp("scim")
    databases.prepare(directory / "gatehouse.sqlite3")
    with Gatehouse(directory, settings={"WORKERS": "1"}) as running:
        running.apply("directories: [{name: Staff, groups: ['*']}]\n")
        yield running


def test_it_finds_nothing_wrong(gatehouse: Gatehouse) -> None:
    made = gatehouse.manage("directory", "token", "Staff")
    (token,) = re.findall(r"^token +(\S+)$", made, re.MULTILINE)
    done = subprocess.run(
        [environments.python("scim"), SCRIPT, f"{gatehouse.issuer}/scim/v2", token],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    results = json.loads(done.stdout)
    wrong = [one for one in results if one["status"] not in {"SUCCESS", "SKIPPED"}]
    assert not wrong, json.dumps(wrong, indent=1)
    counts = Counter(one["status"] for one in results)
    # Of what it can try, it tries nearly all.
    assert counts["SUCCESS"] > 60, counts
