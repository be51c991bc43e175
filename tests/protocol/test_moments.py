import pytest

from authz.protocol.moments import is_due

NOW, LONGEST = 1_000_000.0, 30.0


@pytest.mark.parametrize(
    ("ahead", "due"),
    [
        (-1.0, True),
        (0.0, True),
        (0.001, False),
        (30.0, False),
        (30.001, False),  # taken by a node whose clock is a millisecond ahead
        (89.0, False),
        (90.0, False),
        (91.0, True),  # set by a clock that was wrong
        (3600.0, True),
    ],
)
def test_what_lies_further_ahead_than_clocks_may_differ_is_due(ahead: float, due: bool) -> None:
    assert is_due(NOW + ahead, NOW, LONGEST) is due
