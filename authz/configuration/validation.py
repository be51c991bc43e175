"""Validates the items of a file, and collects all its mistakes, so that it is mended in one go."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from rest_framework.serializers import EmailField, ListSerializer, RelatedField, Serializer, ValidationError

from authz.configuration import value_types
from authz.configuration.document import ConfigurationError, Document, Mistake, Path
from authz.configuration.sections import Section
from authz.policy import near_miss, value_kinds

# Names that are looked through for one that was probably meant.
MAX_NAMES = near_miss.MAXIMUM_COMPARED


@dataclass(slots=True)
class Mistakes:
    """The mistakes of a file so far."""

    document: Document
    found: list[Mistake] = field(default_factory=list)
    # The natural keys of refused items. An item that names one of them is not mistaken for that.
    _refused: set[str] = field(default_factory=set)

    def add(self, path: Path, problem: str) -> None:
        if self._at(path) not in self._refused:
            self.found.append(Mistake(path, problem, self.document.line(path)))

    def add_item(self, section: Section, path: Path, item: object, error: ConfigurationError) -> None:
        """What is wrong with one item."""
        for mistake in error.mistakes():
            self.add(mistake.path, mistake.problem)
        if isinstance(item, dict):
            self._refused.add(str(item.get(section.LOOKUP)))

    def require_none(self) -> None:
        """Raises `ConfigurationError` with all of them, in the order of their lines."""
        if self.found:
            first, *others = sorted(self.found, key=lambda mistake: mistake.line)
            raise ConfigurationError(first.path, first.problem, first.line, also=others)

    def _at(self, path: Path) -> str | None:
        value: Any = self.document.data
        for step in path:
            try:
                value = value[step]
            except (LookupError, TypeError):
                return None
        return value if isinstance(value, str) else None


def validated(section: Section, item: object, path: Path, document: Document, *, local: bool) -> Mapping[str, Any]:
    """The item as `section.write` takes it. Raises `ConfigurationError` with all its mistakes."""
    if not isinstance(item, dict):
        raise ConfigurationError(path, value_kinds.refusal("a mapping", item), document.line(path))
    serializer = section.SERIALIZER(data=item)
    names = set() if local else set(getattr(section, "LOCAL", ())) & item.keys()
    # A caller over the network must not read this machine's environment.
    mistakes = [((*path, name), "is only for files that are applied on the server itself") for name in sorted(names)]
    mistakes += _unknown(serializer, item, path)
    has_unknown, mistyped = bool(mistakes), list(value_types.wrong(serializer, item, path))
    if has_unknown or mistyped:
        # Only what each member says for itself: what is missing, or does not go together, may be one that is misspelt.
        try:
            serializer.to_internal_value(item)
        except ValidationError as error:
            named = {at for at, _ in mistyped}
            others = in_words(error, path, serializer, skip="required" if has_unknown else "")
            mistakes += [(at, problem) for at, problem in others if not _is_within(at, named)]
        raise _all_of([*mistakes, *mistyped], document)
    try:
        serializer.is_valid(raise_exception=True)
    except ValidationError as error:
        raise _all_of(in_words(error, path, serializer), document) from None
    return cast(Mapping[str, Any], serializer.validated_data)


def _is_within(path: Path, named: Collection[Path]) -> bool:
    """Whether a path is one of those that are named already, or inside of one, or around one."""
    return any(path[: len(other)] == other or other[: len(path)] == path for other in named)


def refusal(error: ValidationError, path: Path, document: Document) -> ConfigurationError:
    """The mistakes that a section's own code raised for what stands at `path`."""
    return _all_of(in_words(error, path), document)


_CALLED = {"User": "person", "Client": "agent"}


def no_such(what: str, given: object, names: Iterable[str]) -> str:
    """There is no person 'alcie'; did you mean alice?"""
    return f"there is no {what} {str(given)[:100]!r}{nearest(given, names)}"


def nearest(given: object, known: Iterable[str]) -> str:
    """“; did you mean …?” with the known name that is most like the given one, or ""."""
    near = near_miss.nearest(str(given)[:200], list(known))
    return f"; did you mean {near}?" if near else ""


def unknown_name(given: object, known: Iterable[str], what: str) -> str:
    """The problem with a name that is none of those that there are."""
    names = sorted(known)
    return f"is not a known {what}{nearest(given, names) or '; there are ' + (', '.join(names) or 'none')}"


def in_words(error: ValidationError, path: Path, serializer: Any = None, *, skip: str = "") -> list[tuple[Path, str]]:
    """DRF's nested errors, each with its path; without those of the code `skip`."""
    item = getattr(serializer, "initial_data", None)
    return [
        ((*path, *steps), _sentence(detail, _field(serializer, steps), _value(item, steps)))
        for steps, detail in _flat(error.detail, ())
        if getattr(detail, "code", None) != skip
    ]


def _all_of(mistakes: Iterable[tuple[Path, str]], document: Document) -> ConfigurationError:
    first, *others = [Mistake(path, problem, document.line(path)) for path, problem in mistakes]
    return ConfigurationError(first.path, first.problem, first.line, also=others)


def _unknown(serializer: Any, item: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, str]]:
    """Unknown keys at every depth: a misspelt key that is ignored would look like a setting."""
    for name, value in item.items():
        inner = serializer.fields.get(name)
        if inner is None:
            yield (*path, name), unknown_name(name, serializer.fields, getattr(serializer, "KEYS_ARE", "key"))
        if isinstance(inner, Serializer) and isinstance(value, dict):
            yield from _unknown(inner, value, (*path, name))
        if isinstance(inner, ListSerializer) and isinstance(value, list):
            for index, member in enumerate(value):
                if isinstance(member, dict):
                    yield from _unknown(inner.child, member, (*path, name, index))


def _flat(detail: Any, steps: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(detail, dict):
        for name, nested in detail.items():
            yield from _flat(nested, steps if name == "non_field_errors" else (*steps, name))
    elif isinstance(detail, list):
        for index, nested in enumerate(detail):
            yield from _flat(nested, steps if isinstance(nested, str) else (*steps, index))
    else:
        yield steps, detail


def _field(serializer: Any, steps: Path) -> Any:
    """The serializer's field at a path, or None."""
    found = serializer
    for step in steps:
        if isinstance(found, Serializer):
            found = found.fields.get(str(step))
        else:
            found = getattr(found, "child", None) or getattr(found, "child_relation", None)
    return found


def _value(item: Any, steps: Path) -> Any:
    for step in steps:
        try:
            item = item[step]
        except (LookupError, TypeError):
            return None
    return item


def _sentence(detail: Any, of: Any, given: Any) -> str:
    """What DRF says, in our words; where it is about a name, with the names that there are."""
    code = getattr(detail, "code", "")
    if words := _words(code, of, given):
        return words
    if code == "invalid_choice" and getattr(of, "choices", None):
        known = [str(choice) for choice in of.choices if choice != ""]
        what = repr(given[:100]) if isinstance(given, str) else value_kinds.called(given)
        return f"{what} is none of {', '.join(known)}{nearest(given, known)}"
    if code == "does_not_exist" and isinstance(of, RelatedField) and hasattr(of, "slug_field"):
        rows = of.get_queryset()
        names = [] if rows is None else rows.values_list(of.slug_field, flat=True)[:MAX_NAMES]
        return no_such(_CALLED.get(rows.model.__name__, "item") if rows is not None else "item", given, map(str, names))
    return str(detail)


def _words(code: str, of: Any, given: Any) -> str:
    """Our sentence for one of DRF's codes; "" for those that are ours already."""
    few = "characters" if isinstance(given, str) else "items"
    match code:
        case "required":
            return "is required"
        case "null":
            return "has no value: write one, or leave the key out"
        case "blank":
            return "must not be empty"
        case "max_length" | "min_length" if given is not None:
            bound = f"at most {of.max_length}" if code == "max_length" else f"at least {of.min_length}"
            return f"must have {bound} {few}, not {len(given)}"
        case "max_value":
            return f"must be at most {of.max_value}, not {given}"
        case "min_value":
            return f"must be at least {of.min_value}, not {given}"
        case "invalid" if isinstance(of, EmailField):
            return f"must be an e-mail address{value_kinds.not_this(given)}"
        case _:
            return ""
