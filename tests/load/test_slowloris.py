"""Slow documents of unknown clients (slowloris) delay no other request."""

from pathlib import Path

from tests.load.drips import drip

# `make load` does a minute.
SECONDS = 5.0


def test_slowloris_delays_no_other_request(tmp_path: Path) -> None:
    outcome = drip(SECONDS, tmp_path)
    print(outcome)
    assert outcome.failed == []
    assert outcome.dripped >= 64
    # The slow clients use the same machine: twice the usual time, and three seconds.
    assert outcome.slower(times=2, slack=3.0) == []
    assert outcome.sealed > 0
