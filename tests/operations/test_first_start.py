"""Two nodes that start for the first time at the same moment make one key file, and one signing key an algorithm."""

import subprocess
import sys
import threading
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from authz import keys
from authz.management import first_start
from authz.models import AuditEvent, SigningKey
from authz.operations import key_file
from tests.support import commands, databases
from tests.support.races import at_once

NOW = datetime(2026, 7, 28, 12, tzinfo=UTC)
_READ = (
    "import sys; from pathlib import Path; from authz.operations.key_file import read_or_make; sys.stdin.readline(); "
)


@pytest.mark.any_database
def test_of_many_processes_one_makes_the_key_file(tmp_path: Path) -> None:
    paths = [tmp_path / f"{index}" / "secret-key" for index in range(40)]
    code = f"{_READ}print([read_or_make(Path(path)) for path in sys.argv[1:]])"
    command = [sys.executable, "-c", code, *map(str, paths)]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(4)]
    for process in started:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    (found,) = {process.communicate(timeout=120)[0] for process in started}
    assert found.strip() == repr([path.read_text() for path in paths]).encode()
    assert len({path.read_text() for path in paths}) == len(paths)


@pytest.mark.any_database
@pytest.mark.parametrize("left", ["", " \n"])
def test_an_empty_key_file_after_a_crash_is_made_again(tmp_path: Path, left: str) -> None:
    path = tmp_path / "secret-key"
    path.write_text(left)
    (key,) = set(at_once([lambda: key_file.read_or_make(path)] * 8))
    assert len(key) >= 64
    assert key == path.read_text()


@pytest.mark.any_database
def test_the_key_file_is_its_owners_alone_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "var" / "secret-key"
    key = key_file.read_or_make(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["secret-key"]
    path.write_text("a key of one's own\n")
    assert key_file.read_or_make(path) == "a key of one's own" != key


def active() -> Counter[str]:
    return Counter(SigningKey.objects.filter(retired=None).values_list("alg", flat=True))


@pytest.mark.django_db(transaction=True)
def test_of_many_that_ensure_one_makes_the_signing_keys() -> None:
    made = at_once([lambda: len(keys.ensure(NOW))] * 6)
    assert sum(made) == len(keys.ALGORITHMS)
    assert active() == dict.fromkeys(keys.ALGORITHMS, 1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("was_announced", [False, True])
def test_of_many_that_rotate_at_once_each_leaves_one_active_key(was_announced: bool) -> None:
    keys.ensure(NOW)
    if was_announced:
        keys.rotate("ES256", now=NOW)
    at_once([lambda: keys.rotate("ES256", now=NOW, at_once=True).kid] * 4)
    assert active() == dict.fromkeys(keys.ALGORITHMS, 1)
    promoted = AuditEvent.objects.filter(event="key:signing:promoted").count()
    assert promoted == (1 if was_announced else 0)


def test_two_nodes_prepare_an_empty_database(tmp_path: Path) -> None:
    with databases.empty(tmp_path) as url:
        env = commands.environment(url)
        command = [sys.executable, "manage.py", "prepare"]
        started = [
            subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            for _ in range(3)
        ]
        told = [process.communicate(timeout=500)[0] for process in started]
        assert [process.returncode for process in started] == [0, 0, 0], told
        assert "".join(told).count("made ") == len(keys.ALGORITHMS)


@pytest.mark.django_db(transaction=True)
def test_a_second_prepare_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_start, "LOOK", 0.01)
    holds, may_go, order = threading.Event(), threading.Event(), list[str]()

    def first() -> None:
        with first_start.one_at_a_time():
            holds.set()
            assert may_go.wait(30)
            order.append("first")

    def second() -> None:
        assert holds.wait(30)
        threading.Timer(0.3, may_go.set).start()
        with first_start.one_at_a_time():
            order.append("second")

    at_once([first, second])
    assert order == ["first", "second"]
