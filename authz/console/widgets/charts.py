"""Charts as plain SVG geometry: computed here, drawn by a template, without a script (pure)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 720, 190
LEFT, RIGHT, TOP, BOTTOM = 38, 4, 10, 24
PLOT_WIDTH, PLOT_HEIGHT = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
GRID_LINES, MAX_TICKS = 4, 8
# The part of a bar's place that stays free on either side.
GAP = 0.12


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a stacked bar. `series` is the number of its colour, from 1 to 6."""

    x: float
    y: float
    width: float
    height: float
    series: int
    title: str


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    width: float
    label: str
    url: str
    segments: tuple[Segment, ...]
    values: tuple[int, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Line:
    y: float
    label: str


@dataclass(frozen=True, slots=True)
class Key:
    name: str
    series: int
    total: int
    url: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """Stacked bars over time with their grid, and their legend."""

    bars: tuple[Bar, ...]
    lines: tuple[Line, ...]
    keys: tuple[Key, ...]
    ticks: tuple[tuple[float, str], ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT


def ceiling(value: int) -> int:
    """The least of 4, 8, 12, 20, 40, 60, 80, 100, 120, 200 … that is no less than `value`: four round steps."""
    steps: tuple[int, ...] = (1, 2, 3, 5)
    size = 1
    while True:
        for step in steps:
            if 4 * step * size >= value:
                return 4 * step * size
        steps, size = (10, 15, 20, 25, 30, 50), (size * 10 if steps[0] == 10 else 1)


def stacked(
    labels: Sequence[str],
    series: Mapping[str, Sequence[int]],
    *,
    colours: Mapping[str, int] | None = None,
    urls: Sequence[str] = (),
    key_urls: Mapping[str, str] | None = None,
) -> Chart:
    """Bars in the order of `labels`. Each series has one value a label, and is stacked in the mapping's order.

    `colours` maps a series to its number from 1 to 6; without it they are numbered in order. `urls` has one address a
    label, `key_urls` one a series.
    """
    numbers = colours or {name: number for number, name in enumerate(series, start=1)}
    top = ceiling(max(map(sum, zip(*series.values(), strict=True)), default=0))
    pitch = PLOT_WIDTH / max(len(labels), 1)
    bars = []
    for i, label in enumerate(labels):
        values = {name: of_series[i] for name, of_series in series.items()}
        x, width = round(LEFT + (i + GAP) * pitch, 1), round(pitch * (1 - 2 * GAP), 1)
        segments = tuple(
            _segments(x, width, top, [(numbers[name], f"{label}: {n} {name}", n) for name, n in values.items()])
        )
        bars.append(
            Bar(x, width, label, urls[i] if urls else "", segments, tuple(values.values()), sum(values.values()))
        )
    return Chart(
        bars=tuple(bars),
        lines=tuple(_line(part, top) for part in range(GRID_LINES + 1)),
        keys=tuple(
            Key(name, numbers[name], sum(values), (key_urls or {}).get(name, "")) for name, values in series.items()
        ),
        ticks=_ticks(labels, pitch),
    )


def _segments(x: float, width: float, top: int, values: Iterable[tuple[int, str, int]]) -> Iterator[Segment]:
    """The parts of a bar from its foot upwards. A value is (number of its colour, title, count)."""
    y = float(HEIGHT - BOTTOM)
    for number, title, count in values:
        height = PLOT_HEIGHT * count / top
        y -= height
        if count:
            yield Segment(x, round(y, 1), width, round(height, 1), number, title)


def _line(part: int, top: int) -> Line:
    return Line(round(HEIGHT - BOTTOM - PLOT_HEIGHT * part / GRID_LINES, 1), f"{top * part // GRID_LINES}")


def _ticks(labels: Sequence[str], pitch: float) -> tuple[tuple[float, str], ...]:
    """The middle of each labelled bar, and its label."""
    every = max(1, len(labels) // MAX_TICKS)
    return tuple((round(LEFT + i * pitch + pitch / 2, 1), label) for i, label in enumerate(labels) if i % every == 0)
