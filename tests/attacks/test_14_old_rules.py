"""Attack 14 across processes: a request that was allowed is repeated after its rule was removed."""

from pathlib import Path

from tests.bench import old_rules
from tests.support import processes


def test_no_process_decides_by_an_old_rule_once_the_change_is_answered(database_url: str, tmp_path: Path) -> None:
    with processes.running(database_url, tmp_path, workers=old_rules.WORKERS) as server:
        figures = old_rules.measure(server, changes=8)

    assert figures.judged > figures.changes
    assert figures.stale == 0
    # A change sends no messages, so it waits only for the database's own lock.
    assert figures.slowest < 20
