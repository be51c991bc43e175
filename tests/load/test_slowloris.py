"""Slow documents of unknown clients (slowloris) delay no other request."""

from pathlib import Path

from tests.load.drips import ATTACKERS, drip

# `make load` does a minute.
SECONDS = 5.0
ATTEMPTS = 3


def test_slowloris_delays_no_other_request(tmp_path: Path) -> None:
    # A busy machine delays one attempt; a server that slow clients delay is slow in each.
    for attempt in range(ATTEMPTS):
        directory = tmp_path / str(attempt)
        directory.mkdir()
        outcome = drip(SECONDS, directory)
        print(outcome)
        # The slow clients use the same machine: twice the usual time, and three seconds.
        slower = outcome.slower(times=2, slack=3.0)
        assert [one for one in outcome.failed if one.startswith("a drip")] == []
        if not slower and not outcome.failed and outcome.dripped >= ATTACKERS and outcome.sealed:
            break
    assert outcome.failed == []
    assert outcome.dripped >= ATTACKERS
    assert slower == []
    assert outcome.sealed > 0
