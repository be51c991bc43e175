"""No token without its audit record, also when the server is killed."""

from pathlib import Path

from tests.load.kills import kill_again_and_again

# `make load` does a hundred.
KILLS = 2


def test_every_token_that_a_client_received_has_its_event_after_the_server_was_killed(tmp_path: Path) -> None:
    outcome = kill_again_and_again(KILLS, tmp_path)
    assert outcome.kills == KILLS
    assert outcome.received
    assert outcome.lost == set()
    assert outcome.refused == []
    assert outcome.refreshed
