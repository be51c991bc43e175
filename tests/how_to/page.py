"""A how-to as something that can be carried out: its blocks of code, in their order (pure).

A comment before a block says what the reader of the page needs not be told:

    <!-- keeps running: https://notes.example.com/mcp -->   it serves that address while the rest of the page is done
    <!-- refused -->                                        it has to end with an error
    <!-- where PostgreSQL answers -->                       it needs one on 127.0.0.1
    <!-- not run: why -->                                   it can't be run here

These stand on lines of their own:

    <!-- begins with: other.md -->                   the reader has done that page before
    <!-- bob connects: URL of an app's metadata document, redirect URI -->   a person uses an app; in place of the URL,
                                                     the client_id that it was given, or `register` if it registers
    <!-- registered at: https://acme.okta.com -->    the redirect URI that the last command printed is registered there
    <!-- carol signs in: Okta -->                    a person signs in by it
    <!-- heidi's ID token: CLIENT, SECRET, REDIRECT URI -->   a person signs in to an app, which keeps id-token.txt
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

PAGES = sorted((Path(__file__).resolve().parents[2] / "docs/how-to").glob("[a-z]*.md"))
_BEFORE = re.compile(r"^<!--\s*begins with:\s*(\S+)\s*-->$", re.MULTILINE)
_BLOCK = re.compile(
    r"^<!--\s*bob connects:\s*(?P<app>\S+),\s*(?P<redirect>[^\n]+?)\s*-->$"
    r"|^<!--\s*(?P<does>registered at|\w+ signs in|\w+'s ID token):\s*(?P<provider>[^\n]+?)\s*-->$"
    r"|(?:^<!--\s*(?P<comment>[^\n]*?)\s*-->\n)?^```(?P<info>[^\n]*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


class Kind(Enum):
    FILE = "is written to a file"
    COMMAND = "is run"
    APP = "is an app that a person uses"
    REGISTERED = "is registered at an identity provider"
    SIGN_IN = "is a sign-in"
    ID_TOKEN = "is an ID token that an app has got"
    SHOWN = "is what the last command prints"
    NOT_RUN = "is not run"


@dataclass(frozen=True, slots=True)
class Block:
    """`file` is the name under which it is written; `serves` the address that a command goes on serving; `reason` why
    it is not run. An app's `text` is the URL of its metadata document, that of a registration and of a sign-in the
    identity provider, that of an ID token the app's client_id, secret and redirect URI.
    """

    kind: Kind
    text: str
    file: str = ""
    serves: str = ""
    redirect_uri: str = ""
    person: str = ""
    is_refused: bool = False
    needs_postgresql: bool = False
    reason: str = ""


class PageError(ValueError):
    """A block of which nothing says what becomes of it."""


def blocks(markdown: str) -> Iterator[Block]:
    """Raises `PageError`."""
    for found in _BLOCK.finditer(markdown):
        if found["app"]:
            yield Block(Kind.APP, found["app"], redirect_uri=found["redirect"])
        elif found["does"]:
            yield _done(found["does"], found["provider"])
        else:
            yield _block(found["comment"] or "", found["info"], found["text"])


def _done(does: str, text: str) -> Block:
    person = re.split(r"\W", does, maxsplit=1)[0]
    if does == "registered at":
        return Block(Kind.REGISTERED, text)
    return Block(Kind.SIGN_IN if does.endswith("signs in") else Kind.ID_TOKEN, text, person=person)


def before(markdown: str) -> list[str]:
    """The names of the pages that the reader has done."""
    return _BEFORE.findall(markdown)


def _block(comment: str, info: str, text: str) -> Block:
    name, _, value = comment.partition(":")
    language, _, file = info.partition(" ")
    match name:
        case "not run" if value.strip():
            return Block(Kind.NOT_RUN, text, reason=value.strip())
        case "keeps running" if value.strip() and language == "sh":
            return Block(Kind.COMMAND, text, serves=value.strip())
        case "where PostgreSQL answers" if language == "sh":
            return Block(Kind.COMMAND, text, needs_postgresql=True)
        case "refused" if language == "sh":
            return Block(Kind.COMMAND, text, is_refused=True)
        case "":
            if file:
                return Block(Kind.FILE, text, file=file)
            if language == "sh":
                return Block(Kind.COMMAND, text)
            if language in {"text", "json"}:
                return Block(Kind.SHOWN, text)
    raise PageError(f"nothing says what becomes of this block: {comment!r} {info!r}\n{text}")


def is_shown(expected: str, printed: str) -> bool:
    """Whether a page's lines were printed, in their order; `…` stands for anything."""
    at = 0
    for line in filter(None, map(str.strip, expected.splitlines())):
        pattern = ".*?".join(re.escape(part) for part in line.split("…"))
        found = re.compile(pattern).search(printed, at)
        if found is None:
            return False
        at = found.end()
    return True
