"""What argparse says of a wrong call, with the option or the word that was probably meant. Pure."""

import difflib
import re
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Collection, Iterator
from functools import partial
from typing import Any

_CHOICE = re.compile(r"invalid choice: '(.*?)' \(choose from (.*)\)", re.DOTALL)


def explain(parser: ArgumentParser, example: str, hidden: Collection[str]) -> None:
    """Have a parser and those of its actions say what was probably meant. `example` is a call that is right, `hidden`
    are options that are not suggested.
    """
    options = sorted({option for each in _all(parser) for option in _options(each)} - set(hidden))
    for each in _all(parser):
        say = each.error
        told: Any = partial(_say, say, options, example if each is parser else "")
        each.error = told  # type: ignore[method-assign]


def _say(say: Any, options: list[str], example: str, message: str) -> None:
    say(f"{message}{hint(message, options, example)}")


def hint(message: str, options: list[str], example: str) -> str:
    """Such as “; did you mean --json?”; "" where nothing is like it."""
    if found := _CHOICE.search(message):
        given, known = found[1], re.findall(r"[^\s,']+", found[2])
        if near := difflib.get_close_matches(given, known, n=1):
            return f"; did you mean {near[0]}?"
        return f"; for example: {example}" if example and message.startswith("argument ") else ""
    if message.startswith("unrecognized arguments: "):
        given = [word.partition("=")[0] for word in message.split()[2:] if word.startswith("-")]
        near = [match for word in given for match in difflib.get_close_matches(word, options, n=1)]
        return f"; did you mean {' '.join(near)}?" if near else ""
    return ""


def _options(parser: ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        yield from (option for option in action.option_strings if option.startswith("--"))


def _all(parser: ArgumentParser) -> Iterator[ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            for inner in dict.fromkeys(action.choices.values()):
                yield from _all(inner)
