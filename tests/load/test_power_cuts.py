"""No token without its audit record, wherever a power cut ends SQLite's log. PostgreSQL has its own tests of that."""

from pathlib import Path

import pytest
from django.conf import settings

from tests.load.power_cuts import cut_again_and_again

# `make load` does twenty.
CUTS = 3


@pytest.mark.skipif(not settings.IS_SQLITE, reason="the log that is cut is SQLite's")
def test_every_token_that_a_client_received_has_its_event_after_a_power_cut(tmp_path: Path) -> None:
    outcome = cut_again_and_again(CUTS, tmp_path)
    assert outcome.cuts == CUTS
    assert outcome.received
    assert outcome.lost == set()
