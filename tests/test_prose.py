"""Code, documents and pages are written in plain English (CONTRIBUTING.md): they avoid some words that hide the
subject, and words that only this project would understand.
"""

import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
WORDS = re.compile(
    r"\b(?:whoever|nobody(?:'s|’s)?|somebody(?:'s|’s)?|whom|hindsight|lanes?|by the clock)\b", re.IGNORECASE
)
ENDINGS = {".py", ".md", ".html", ".txt", ".yaml", ".yml", ".js", ".css", ".toml", ".sh", ""}
# This file names the words; in an image `nobody` is a user of the system.
EXCEPTIONS = {"tests/test_prose.py", "deploy/Dockerfile"}
CAMEL_CASE = re.compile(r"(?<=[a-z])(?=[A-Z])")
# Quotes of specifications: `# > …` in code, `> …` in docstrings and documents.
QUOTE = re.compile(r"^\s*(?:# )?> ")


def files() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return [
        name
        for name in listed
        if Path(name).suffix in ENDINGS
        and "/migrations/" not in name
        and not name.startswith(("requirements/", "docs/images/"))
    ]


def prose_of_python(source: str) -> Iterator[tuple[int, str]]:
    """(line, text) of each comment, of each string with a space in it, and of each name as words. Other strings are
    data.
    """
    kinds = {tokenize.COMMENT, tokenize.STRING, tokenize.NAME, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in kinds or (token.type == tokenize.STRING and " " not in token.string):
            continue
        text = CAMEL_CASE.sub(" ", token.string).replace("_", " ") if token.type == tokenize.NAME else token.string
        for number, line in enumerate(text.splitlines()):
            if not QUOTE.match(line):
                yield token.start[0] + number, line


def prose(name: str) -> Iterator[tuple[int, str]]:
    source = (ROOT / name).read_text()
    if name.endswith(".py"):
        yield from prose_of_python(source)
    else:
        yield from ((number, line) for number, line in enumerate(source.splitlines(), 1) if not QUOTE.match(line))


def found(name: str) -> list[str]:
    return [f"{name}:{number}: {match[0]}" for number, line in prose(name) for match in WORDS.finditer(line)]


def test_the_prose_avoids_words_that_hide_the_subject() -> None:
    assert [hit for name in files() if name not in EXCEPTIONS for hit in found(name)] == []


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("# Nobody waits.\n", [1]),
        ('"""Text.\n\n> Whoever (RFC 1 §1)\nby the clock\n"""\n', [4]),
        ("def test_somebody_waits() -> None: ...\n", [1]),
        ("class TestNobody: ...\n", [1]),
        ('x = "nobody"\n', []),
        ('x = f"{y} for whom"\n', [1]),
        ("# > whom (RFC 1 §1)\n", []),
    ],
)
def test_it_finds_them_in_comments_strings_and_names(source: str, lines: list[int]) -> None:
    assert [number for number, text in prose_of_python(source) if WORDS.search(text)] == lines
