"""A leaver is gone everywhere with the answer to one SCIM PATCH: over two nodes, under load."""

from pathlib import Path

from tests.support import leaver_under_load
from tests.support.leaver_under_load import HIS


def test_nothing_of_theirs_works_after_the_answer(tmp_path: Path) -> None:
    found = leaver_under_load.measure(tmp_path, seconds=1.0)
    for what in HIS:
        assert found.before[what] > 0, what
        assert found.asked_after[what] > 0, what
        assert found.succeeded_after[what] == 0, what
    assert found.succeeded_after["another agent's token"] > 0
    assert found.last < 5
    assert found.answered < 5
