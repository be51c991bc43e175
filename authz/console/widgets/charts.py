"""Charts as plain SVG geometry: computed here, drawn by a template, without a script (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 720, 190
LEFT, RIGHT, TOP, BOTTOM = 38, 4, 10, 24


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a stacked bar. `series` counts from 1 and picks the colour."""

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
    urls: Sequence[str] = (),
    key_urls: Mapping[str, str] | None = None,
) -> Chart:
    """Bars in the order of `labels`; each series has one value a label, and is stacked in the mapping's order."""
    totals = [sum(values[i] for values in series.values()) for i in range(len(labels))]
    top = ceiling(max(totals, default=0))
    plot_width, plot_height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    pitch = plot_width / max(len(labels), 1)
    bars = []
    for i, label in enumerate(labels):
        x, y = LEFT + i * pitch + pitch * 0.12, float(HEIGHT - BOTTOM)
        segments = []
        for number, (name, values) in enumerate(series.items(), start=1):
            if values[i]:
                height = plot_height * values[i] / top
                y -= height
                segments.append(
                    Segment(
                        round(x, 1),
                        round(y, 1),
                        round(pitch * 0.76, 1),
                        round(height, 1),
                        number,
                        f"{label}: {values[i]} {name}",
                    )
                )
        bars.append(
            Bar(
                round(x, 1),
                round(pitch * 0.76, 1),
                label,
                urls[i] if urls else "",
                tuple(segments),
                tuple(values[i] for values in series.values()),
                totals[i],
            )
        )
    every = max(1, len(labels) // 8)
    return Chart(
        bars=tuple(bars),
        lines=tuple(
            Line(round(HEIGHT - BOTTOM - plot_height * part / 4, 1), f"{top * part // 4}") for part in range(5)
        ),
        keys=tuple(
            Key(name, number, sum(values), (key_urls or {}).get(name, ""))
            for number, (name, values) in enumerate(series.items(), start=1)
        ),
        ticks=tuple(
            (round(LEFT + i * pitch + pitch / 2, 1), label) for i, label in enumerate(labels) if i % every == 0
        ),
    )
