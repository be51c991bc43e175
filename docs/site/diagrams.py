"""Draws sequence diagrams and decisions as SVG, in the colours of the console (pure); stories.py has what they say."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

MARGIN, HEAD, LINE = 92, 40, 17
WIDTH = 736  # of a page of the site
LIGHT = "--ink:#1c2326;--soft:#545b5e;--line:#857f70;--card:#fffefb;--wash:#e1eee9;--accent:#0d594c;--red:#98231a"
DARK = "--ink:#ecebe5;--soft:#a9b2b4;--line:#7b878b;--card:#1b2225;--wash:#1b3631;--accent:#85d3c0;--red:#ffb1a6"
SANS = 'Inter,system-ui,"Segoe UI",Roboto,"Liberation Sans",Arial,sans-serif'
STYLE = f""".diagram{{{LIGHT};font:13px {SANS}}}
@media (prefers-color-scheme:dark){{.diagram{{{DARK}}}}}
.diagram text{{fill:var(--ink)}}.diagram .b{{font-weight:600}}.diagram .s{{fill:var(--soft)}}
.diagram .n{{fill:var(--card);font-weight:600;font-size:11px}}.diagram .dot{{fill:var(--accent)}}
.diagram .box{{fill:var(--card);stroke:var(--line)}}.diagram .own{{fill:var(--wash);stroke:var(--accent)}}
.diagram .bad{{fill:var(--card);stroke:var(--red)}}
.diagram .l{{stroke:var(--line);fill:none}}.diagram .d{{stroke-dasharray:4 4}}.diagram .tip{{fill:var(--line)}}"""


@dataclass(frozen=True, slots=True)
class Step:
    """A message from one participant to another, or, where both are the same, what one does by itself."""

    source: str
    target: str
    text: str
    answer: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    """`title` is read to people who do not see the diagram. `ours` is drawn as the server of this project."""

    title: str
    participants: tuple[str, ...]
    steps: tuple[Step | str, ...]  # a text is a line across all, such as “later”
    ours: tuple[str, ...] = ("Gatehouse",)


@dataclass(frozen=True, slots=True)
class Ladder:
    """Questions from top to bottom: (question, what leaves to the right, where to, whether refused), and the end."""

    title: str
    rungs: tuple[tuple[str, str, str, bool], ...]
    on: str
    end: str


def sequence(drawn: Sequence) -> str:
    """The SVG of a sequence diagram."""
    column = min((WIDTH - 2 * MARGIN) // (len(drawn.participants) - 1), 240)
    xs = {name: MARGIN + column * index for index, name in enumerate(drawn.participants)}
    width = MARGIN * 2 + column * (len(xs) - 1)
    body, y, number = [], HEAD + 26, 0
    for step in drawn.steps:
        number += isinstance(step, Step)
        lines, parts = _step(step, number, xs, y, width)
        body += parts
        y += 26 + LINE * lines + (10 if isinstance(step, Step) and step.source == step.target else 0)
    lives = [f'<path class="l d" d="M{x} {HEAD}V{y}"/>' for x in xs.values()]
    heads = [part for name, x in xs.items() for part in _box(x - 80, 1, 160, HEAD - 2, name, name in drawn.ours)]
    return _svg(drawn.title, width, y + 4, [*lives, *heads, *body])


def _step(step: Step | str, number: int, xs: dict[str, int], y: int, width: int) -> tuple[int, list[str]]:
    """How many lines of text a step has, and its parts; `y` is the baseline of the first."""
    if isinstance(step, str):
        rule = f'<path class="l d" d="M8 {y - 4}H{width - 8}"/>'
        left, wide = width / 2 - 4 * len(step), 8 * len(step)
        cover = f'<rect x="{left}" y="{y - 14}" width="{wide}" height="20" fill="var(--card)"/>'
        return 0, [rule, cover, _text(width / 2, y, step, "s", "middle")]
    lines = step.text.split("\n")
    if step.source == step.target:
        return len(lines), list(_own(xs[step.source], y, width, lines, number))
    return len(lines), list(_message(step, xs[step.source], xs[step.target], y, lines, number))


def _own(x: float, y: int, width: int, lines: list[str], number: int) -> Iterator[str]:
    half = max(3.5 * max(map(len, lines)) + 22, 70)
    x = min(max(x, half + 12), width - half - 4)
    yield f'<rect class="own" x="{x - half}" y="{y - 17}" width="{2 * half}" height="{LINE * len(lines) + 12}" rx="6"/>'
    yield from (_text(x, y + LINE * index, line, "", "middle") for index, line in enumerate(lines))
    yield from _number(x - half, y - 4, number)


def _message(step: Step, source: int, target: int, y: int, lines: list[str], number: int) -> Iterator[str]:
    right, foot = target > source, y + LINE * (len(lines) - 1) + 9
    tip = target - 7 if right else target + 7
    yield f'<path class="l{" d" if step.answer else ""}" d="M{source} {foot}H{tip}"/>'
    yield f'<path class="tip" d="M{target} {foot}L{tip} {foot - 4}V{foot + 4}Z"/>'
    left = min(source, target) + 20
    for index, line in enumerate(lines):
        wide = 6.7 * len(line)
        yield f'<rect x="{left - 2}" y="{y - 12 + LINE * index}" width="{wide}" height="15" fill="var(--card)"/>'
        yield _text(left, y + LINE * index, line)
    yield from _number(source, foot, number)


def _number(x: float, y: float, number: int) -> Iterator[str]:
    yield f'<circle class="dot" cx="{x}" cy="{y}" r="9"/>'
    yield _text(x, y + 4, str(number), "n", "middle")


def ladder(drawn: Ladder) -> str:
    """The SVG of a decision: each question has one way out, and one way on."""
    parts, y = [], 2
    for question, label, outcome, refused in drawn.rungs:
        parts += _box(2, y, 340, 46, question, ours=False)
        parts += [f'<path class="l" d="M342 {y + 23}H425"/>', f'<path class="tip" d="M432 {y + 23}l-7 -4v8z"/>']
        parts += [
            _text(384, y + 17, label, "s", "middle"),
            *_box(432, y, 240, 46, outcome, ours=False, refused=refused),
        ]
        parts += [f'<path class="l" d="M172 {y + 46}V{y + 74}"/>', f'<path class="tip" d="M172 {y + 82}l-4 -8h8z"/>']
        parts += [_text(182, y + 68, drawn.on, "s")]
        y += 82
    return _svg(drawn.title, 676, y + 50, [*parts, *_box(2, y, 340, 46, drawn.end, ours=True)])


def _box(x: float, y: float, width: int, height: int, text: str, ours: bool, refused: bool = False) -> Iterator[str]:
    kind = "own" if ours else "bad" if refused else "box"
    yield f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="6"/>'
    lines = text.split("\n")
    first = y + height / 2 + 4.5 - LINE * (len(lines) - 1) / 2
    for index, line in enumerate(lines):
        yield _text(x + width / 2, first + LINE * index, line, "b", "middle")


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(title: str, width: int, height: float, parts: list[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" class="diagram" viewBox="0 0 {width} {height:g}" width="{width}"'
    ground = f'<rect width="{width}" height="{height:g}" rx="8" fill="var(--card)"/>'
    body = "\n".join([f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>", ground, *parts])
    return f'{head} height="{height:g}" role="img" aria-label="{escape(title)}">\n{body}\n</svg>\n'
