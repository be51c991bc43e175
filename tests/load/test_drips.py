"""Nobody waits for strangers whose documents drip."""

from pathlib import Path

from tests.load.drips import drip

# `make load` does a minute.
SECONDS = 5.0


def test_strangers_who_drip_keep_nobody_waiting(tmp_path: Path) -> None:
    outcome = drip(SECONDS, tmp_path)
    print(outcome)
    assert outcome.failed == []
    assert outcome.dripped >= 64
    # The machine is shared, and whoever drips costs some of it: twice the usual time, and a moment.
    assert outcome.slower(times=2, slack=3.0) == []
    assert outcome.sealed > 0
