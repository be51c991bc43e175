"""Attack 14, measured: a cut-off takes effect on four busy server processes at once."""

from pathlib import Path

from authz.authorizations.status_lists import LIFETIME
from tests.support import cut_off_under_load
from tests.support.cut_off_under_load import ENDED_BY


def test_nothing_is_active_or_issued_after_the_switch_has_answered(tmp_path: Path) -> None:
    measured = cut_off_under_load.measure(tmp_path, seconds=0.6)
    for what in ENDED_BY:
        assert measured.before[what] > 0, what
        assert measured.asked_after[what] > 0, what
    assert dict(measured.succeeded_after) == dict.fromkeys(ENDED_BY, 0)
    # The lists of all processes show it, long before the last one that does not has expired.
    assert measured.listed < measured.valid <= LIFETIME
