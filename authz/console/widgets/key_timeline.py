"""The signing keys as tracks over time: published, signing, retired but still published (pure)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

PAST, AHEAD = timedelta(days=30), timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Key:
    kid: str
    alg: str
    published: datetime
    signs_from: datetime
    retired: datetime | None
    expires: datetime | None


@dataclass(frozen=True, slots=True)
class Stretch:
    """`stage` is `published`, `signing` or `retired`; x and width are shares of a hundred."""

    stage: str
    x: float
    width: float
    begin: datetime
    end: datetime | None


@dataclass(frozen=True, slots=True)
class Track:
    kid: str
    alg: str
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    begin: datetime
    end: datetime
    now_x: float
    tracks: tuple[Track, ...]


def timeline(keys: Iterable[Key], now: datetime) -> Timeline:
    """A month back and some days ahead, or less while the server is younger. Keys gone by then are left out."""
    known = [key for key in keys if key.expires is None or key.expires > now - PAST]
    begin = max(now - PAST, min((key.published for key in known), default=now) - timedelta(hours=6))
    end = now + AHEAD
    return Timeline(
        begin=begin,
        end=end,
        now_x=_x(now, begin, end),
        tracks=tuple(Track(key.kid, key.alg, tuple(_stretches(key, begin, end))) for key in known),
    )


def _stretches(key: Key, begin: datetime, end: datetime) -> Iterable[Stretch]:
    for stage, first, last in (
        ("published", key.published, key.signs_from),
        ("signing", key.signs_from, key.retired),
        ("retired", key.retired, key.expires),
    ):
        if first is None or first >= end or (last is not None and last <= max(first, begin)):
            continue
        x, right = _x(max(first, begin), begin, end), _x(min(last or end, end), begin, end)
        yield Stretch(stage, x, round(right - x, 2), first, last)


def _x(moment: datetime, begin: datetime, end: datetime) -> float:
    return round(100 * ((moment - begin) / (end - begin)), 2)
