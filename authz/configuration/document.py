"""Reading a configuration file so that every mistake can be named by its line."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import yaml
from yaml.reader import ReaderError

Path = tuple[str | int, ...]
MAXIMUM_SIZE = 10 * 1024 * 1024
MAXIMUM_NODES = 200_000
MAXIMUM_DEPTH = 32
_CORE = "tag:yaml.org,2002:"
# What a value may be; a merge key is refused by a sentence of its own.
_KINDS = frozenset(f"{_CORE}{kind}" for kind in ("null", "bool", "int", "float", "str", "merge", "value"))
# PostgreSQL stores no NUL, and a lone surrogate cannot be written as UTF-8.
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")


def spelled(path: Path) -> str:
    """A path as rules spell it: `clients[0].redirect_uris`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


class Mistake(NamedTuple):
    """What is wrong at one place: its line (from 1; 0 where no line can be named), and the problem."""

    path: Path
    problem: str
    line: int = 0

    def __str__(self) -> str:
        where = spelled(self.path) if self.path else "the file"
        return f"line {self.line}: {where}: {self.problem}" if self.line else f"{where}: {self.problem}"


class ConfigurationError(Exception):
    """A mistake in the file, and `also` its further mistakes."""

    def __init__(self, path: Path, problem: str, line: int = 0, *, also: Sequence[Mistake] = ()) -> None:
        super().__init__(str(Mistake(path, problem, line)))
        self.path = path
        self.problem = problem
        self.line = line
        self.also = tuple(also)

    def mistakes(self) -> tuple[Mistake, ...]:
        return (Mistake(self.path, self.problem, self.line), *self.also)


@dataclass(frozen=True, slots=True)
class Document:
    """The data of a file, and the line of each path in it."""

    data: Mapping[str, Any]
    lines: Mapping[Path, int]

    def line(self, path: Path) -> int:
        """The line of a path, or of the nearest thing around it that has one."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)


def read(text: str) -> Document:
    """Parse YAML (or JSON) safely: no tags that build objects, no duplicate keys, no aliases that multiply. Raises
    `ConfigurationError`.
    """
    if len(text) > MAXIMUM_SIZE:
        raise ConfigurationError((), "is too large")
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise ConfigurationError((), _not_well_formed(error, text), line) from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigurationError((), "holds a character that YAML does not have", line) from None
    except yaml.YAMLError as error:
        raise ConfigurationError((), f"is not well-formed YAML: {error}") from None
    except RecursionError:
        raise ConfigurationError((), "is nested too deeply", _deepest(text)) from None
    if node is None:
        return Document({}, {})
    # An alias is expanded at each use: a few lines of nested aliases would be billions of values.
    if _size(node, {}, 0) > MAXIMUM_NODES:
        raise ConfigurationError((), "is too large")
    lines: dict[Path, int] = {}
    data = _value(node, (), lines, frozenset())
    if not isinstance(data, dict):
        raise ConfigurationError((), "must be a mapping of sections", 1)
    return Document(data, lines)


def _size(node: yaml.Node, known: dict[int, int], depth: int) -> int:
    """How many values it holds, itself included, with aliases expanded: each node is looked at once."""
    if isinstance(node, yaml.ScalarNode) or depth > MAXIMUM_DEPTH:
        return 1
    if id(node) not in known:
        known[id(node)] = 1  # where it contains itself, which is refused for that
        inside = [value for _, value in node.value] if isinstance(node, yaml.MappingNode) else node.value
        known[id(node)] = 1 + sum(_size(value, known, depth + 1) for value in inside)
    return known[id(node)]


def _value(node: yaml.Node, path: Path, lines: dict[Path, int], above: frozenset[int]) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if len(path) > MAXIMUM_DEPTH:
        raise ConfigurationError(path[:3], f"is nested more than {MAXIMUM_DEPTH} deep", node.start_mark.line + 1)
    if id(node) in above:
        raise ConfigurationError(path, "contains itself", node.start_mark.line + 1)
    above |= {id(node)}
    if not isinstance(node, yaml.ScalarNode) and node.tag not in {f"{_CORE}map", f"{_CORE}seq"}:
        raise ConfigurationError(path, _unknown_kind(node), node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, lines, above)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, index), lines, above) for index, item in enumerate(node.value)]
    return _scalar(node, path)


def _mapping(node: yaml.MappingNode, path: Path, lines: dict[Path, int], above: frozenset[int]) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = _scalar(key_node, path)
        line = key_node.start_mark.line + 1
        if not isinstance(key, str):
            raise ConfigurationError(path, "has a key that is not text", line)
        if key in mapping:
            raise ConfigurationError((*path, key), "is there twice", line)
        lines[(*path, key)] = line
        mapping[key] = _value(value_node, (*path, key), lines, above)
    return mapping


def _scalar(node: yaml.Node, path: Path) -> Any:
    if isinstance(node.value, str) and _UNWRITABLE.search(node.value):
        raise ConfigurationError(path, "holds a character that cannot be stored", node.start_mark.line + 1)
    if node.tag == f"{_CORE}timestamp":
        return node.value  # a time stays text, quoted or not; the section's serializer parses it
    line = node.start_mark.line + 1
    if node.tag not in _KINDS:
        raise ConfigurationError(path, _unknown_kind(node), line)
    try:
        value = yaml.SafeLoader("").construct_object(node, deep=True)
    # What the tag promises the text may not be: `!!int abc`, `!!bool maybe`, a number of ten thousand digits.
    except (yaml.YAMLError, ValueError, OverflowError, LookupError, AttributeError):
        if node.tag == f"{_CORE}merge":
            raise ConfigurationError(path, "has <<, which merges nothing here: write the keys out", line) from None
        raise ConfigurationError(path, f"is no {node.tag.removeprefix(_CORE)}", line) from None
    # As in JSON: every reader and every database has these, and no others.
    if isinstance(value, int | float) and not -(2**53) < value < 2**53:
        raise ConfigurationError(path, "is a number out of range", line)
    return value


def _unknown_kind(node: yaml.Node) -> str:
    hint = ": text that begins with ! has to be in quotes" if node.tag.startswith("!") else ""
    return f"has a value of unknown kind {node.tag[:100]}{hint}"


def _not_well_formed(error: yaml.MarkedYAMLError, text: str) -> str:
    """YAML's own problem; where it is known what was meant, how to write that."""
    said = str(error.problem)
    mark = error.context_mark if str(error.context).startswith("while scanning an ") else error.problem_mark
    first = text.split("\n")[mark.line][mark.column : mark.column + 1] if mark else ""
    if said.startswith("found undefined alias"):
        first = "*"
    elif "cannot start any token" not in said and "alphabetic" not in said:
        first = ""
    if first == "\t":
        return "has a tab where YAML takes spaces"
    if first and first in "*&@`%":
        return f"has a text that begins with {first}, which YAML takes for something else: it has to be in quotes"
    return f"is not well-formed YAML: {said}"


def _deepest(text: str) -> int:
    """The line on which most brackets are open, for a text that nothing of ours has read."""
    depth, deepest, found = 0, 0, 1
    for number, line in enumerate(text.splitlines(), 1):
        for character in line:
            depth += (character in "[{") - (character in "]}")
            if depth > deepest:
                deepest, found = depth, number
    return found
