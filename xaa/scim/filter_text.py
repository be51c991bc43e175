"""The text of filters and of PATCH's paths, read within bounds (RFC 7644 §3.4.2.2, §3.5.2). Pure."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from xaa.scim import paths
from xaa.scim.filters import OF_TEXT, Both, Either, Filter, Inside, Not, Term
from xaa.scim.paths import Name
from xaa.scim.problems import ScimError
from xaa.scim.schemas import Attribute, Kind

LONGEST = 2048
MAXIMUM_TERMS = 40
MAXIMUM_DEPTH = 10

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*")"""
    r"""|(?P<number>-?(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,15})?(?![\w.]))|(?P<mark>[()\[\]])"""
    r"""|(?P<word>\.?[A-Za-z$][\w$\-.:]*))"""
)
OPERATORS = frozenset({"eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"})
_ORDERED = frozenset({"gt", "ge", "lt", "le"})


def wrong(detail: str) -> ScimError:
    return ScimError(400, detail, "invalidFilter")


def read(text: str, kind: Kind) -> Filter:
    """Raises `ScimError` (invalidFilter)."""
    try:
        reader = _Reader(text, kind)
        found = reader.either(0)
        reader.end()
    except ScimError as error:
        raise wrong(error.detail) from None
    return found


@dataclass(frozen=True, slots=True)
class Target:
    """A path of PATCH: `name`, `name[filter]` or `name[filter].sub`."""

    name: Name
    filter: Filter | None = None


def read_path(text: str, kind: Kind) -> Target:
    """Raises `ScimError`: invalidPath, or invalidFilter for what stands between the brackets."""
    if "[" not in text:
        return Target(paths.read(text.strip(), kind))
    reader = _Reader(text, kind)
    return reader.target()


class _Reader:
    """Reads by recursive descent: `or` binds less than `and`, which binds less than `not` (RFC 7644, Table 5)."""

    def __init__(self, text: str, kind: Kind) -> None:
        if len(text) > LONGEST:
            raise wrong(f"It has more than {LONGEST} characters.")
        self._tokens = list(_tokens(text))
        self._at = 0
        self._kind = kind
        self._terms = 0
        self._within: Attribute | None = None

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise wrong("Something stands after its end.")

    def either(self, depth: int) -> Filter:
        return self._joined("or", Either, self._both, depth)

    def _both(self, depth: int) -> Filter:
        return self._joined("and", Both, self._one, depth)

    def _joined(self, word: str, made: Callable[[Any], Filter], part: Callable[[int], Filter], depth: int) -> Filter:
        if depth > MAXIMUM_DEPTH:
            raise wrong(f"It is nested more than {MAXIMUM_DEPTH} levels deep.")
        parts = [part(depth)]
        while self._is_word(word):
            self._at += 1
            parts.append(part(depth))
        return parts[0] if len(parts) == 1 else made(tuple(parts))

    def _one(self, depth: int) -> Filter:
        if self._is_word("not") and self._mark_at(self._at + 1) == "(":
            self._at += 1
            return Not(self._one(depth + 1))
        if self._mark_at(self._at) == "(":
            self._at += 1
            found = self.either(depth + 1)
            self._expect(")")
            return found
        return self._term(depth)

    def _term(self, depth: int) -> Filter:
        self._terms += 1
        if self._terms > MAXIMUM_TERMS:
            raise wrong(f"It has more than {MAXIMUM_TERMS} comparisons.")
        name = self._name()
        if self._mark_at(self._at) == "[" and self._within is None:
            return self._narrowed(self._inside(name, depth))
        return self._comparison(name)

    def _narrowed(self, inside: Inside) -> Filter:
        """`emails[type eq "work"].value eq "…"`, by which Entra looks for people; the grammar has no such thing."""
        part = self._part()
        if not part:
            return inside
        self._within = self._complex(inside.name)
        compared = self._comparison(Name("", part))
        self._within = None
        return Inside(inside.name, Both((inside.part, compared)))

    def _comparison(self, name: Name) -> Filter:
        op = self._word().lower()
        attribute = self._attribute(name)
        if op == "pr":
            return Term(name, op, None, attribute, self._within)
        if op not in OPERATORS:
            raise wrong("A comparison is one of eq, ne, co, sw, ew, gt, ge, lt, le and pr.")
        value = self._value()
        _check(op, value, attribute)
        return Term(name, op, value, attribute, self._within)

    def _complex(self, name: Name) -> Attribute:
        found = self._kind.find(name.name, name.urn)
        if name.sub or (found is not None and found.type != "complex"):
            raise wrong("Only an attribute with parts can be followed by brackets.")
        # Without such an attribute no value is there, whatever the brackets say.
        return found or Attribute(name.name, "complex")

    def _inside(self, name: Name, depth: int) -> Inside:
        self._within = self._complex(name)
        self._expect("[")
        part = self.either(depth + 1)
        self._within = None
        self._expect("]")
        return Inside(name, part)

    def target(self) -> Target:
        name = self._name()
        inside = self._inside(name, 0)
        sub = self._part()
        if self._at < len(self._tokens):
            raise ScimError(400, "No path.", "invalidPath")
        return Target(Name(name.urn, name.name, sub), inside.part)

    def _part(self) -> str:
        """The `.sub` that follows brackets, "" if none does."""
        kind, text = self._tokens[self._at] if self._at < len(self._tokens) else ("", "")
        if kind != "word" or not text.startswith("."):
            return ""
        if "." in text[1:] or len(text) < 2:
            raise ScimError(400, "No path.", "invalidPath")
        self._at += 1
        return text[1:]

    def _name(self) -> Name:
        word = self._word()
        if self._within is not None:
            if "." in word or ":" in word:
                raise wrong("Between brackets stand parts of the attribute.")
            return Name("", word)
        return paths.read(word, self._kind)

    def _attribute(self, name: Name) -> Attribute | None:
        if self._within is not None:
            return self._within.part(name.name)
        found = paths.attribute(name, self._kind)
        if found is None:
            return None
        whole, part = found
        # > "emails co …": the "value" sub-attribute of a multi-valued complex attribute (RFC 7644 §3.4.2.2)
        return part or (whole.part("value") or whole if whole.type == "complex" else whole)

    def _word(self) -> str:
        kind, text = self._tokens[self._at] if self._at < len(self._tokens) else ("", "")
        if kind != "word":
            raise wrong("A name is missing.")
        self._at += 1
        return text

    def _value(self) -> Any:
        kind, text = self._tokens[self._at] if self._at < len(self._tokens) else ("", "")
        self._at += 1
        if kind == "string":
            found = json.loads(text)
            if any("\ud800" <= letter <= "\udfff" or letter == "\0" for letter in found):
                raise wrong("A value holds NUL or half a surrogate pair.")
            return found
        if kind == "number":
            return float(text)
        words = {"true": True, "false": False, "null": None}
        if kind == "word" and text.lower() in words:
            return words[text.lower()]
        raise wrong("A value is missing.")

    def _is_word(self, word: str) -> bool:
        kind, text = self._tokens[self._at] if self._at < len(self._tokens) else ("", "")
        return kind == "word" and text.lower() == word

    def _mark_at(self, at: int) -> str:
        return self._tokens[at][1] if at < len(self._tokens) and self._tokens[at][0] == "mark" else ""

    def _expect(self, mark: str) -> None:
        if self._mark_at(self._at) != mark:
            raise wrong(f"{mark} is missing.")
        self._at += 1


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at, text = 0, text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise wrong("It has a character that is no part of a filter.")
        yield found.lastgroup, found[found.lastgroup]
        at = found.end()


def _check(op: str, value: Any, attribute: Attribute | None) -> None:
    if op in OF_TEXT and not isinstance(value, str):
        raise wrong(f"{op} compares with a text.")
    if op in _ORDERED and not isinstance(value, str | float):
        # > Boolean and Binary attributes SHALL cause a failed response (HTTP status code 400) with "scimType" of
        # > "invalidFilter" (RFC 7644 §3.4.2.2)
        raise wrong(f"{op} does not compare with true, false and null.")
    if attribute is not None and attribute.type == "boolean" and op not in {"eq", "ne"}:
        raise wrong(f"{op} does not compare what is true or false.")
