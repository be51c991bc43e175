"""Applies a file, and revises one item, for all sections."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rest_framework.serializers import ValidationError

from authz import audit
from authz.configuration.digests import digest
from authz.configuration.document import ConfigurationError, Document, Path, read
from authz.configuration.left_out import LeftOut
from authz.configuration.name_changes import name_changes
from authz.configuration.rule_warnings import Warn, rule_warnings, unmatched_now
from authz.configuration.sections import Section, all_sections, items
from authz.configuration.validation import Mistakes, in_words, refusal, unknown_name, validated
from authz.database import configuration_cache
from authz.decisions import rule_history, rule_names
from authz.models import Generation
from authz.policy import value_kinds
from authz.policy.near_miss import one_of
from authz.policy.renaming import NameChange


@dataclass(frozen=True, slots=True)
class Change:
    """One difference that applying made: `action` is created, changed or removed; values in the file's form.

    `rules` are the rules that name what it removes, and go on doing so. `state` is a digest of the item before the
    change, with its secrets.
    """

    section: str
    key: str
    action: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    rules: tuple[str, ...] = ()
    state: str = field(default="", compare=False)

    def as_item(self) -> dict[str, Any]:
        """The change as the API and `apply --json` show it."""
        return {
            "section": self.section,
            "key": self.key,
            "action": self.action,
            "before": dict(self.before),
            "after": dict(self.after),
            **({"rules": list(self.rules)} if self.rules else {}),
        }

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "Change":
        """The change that `as_item` showed; without its state."""
        return cls(**{**item, "rules": tuple(item.get("rules", ()))})

    def lines(self) -> Iterator[str]:
        """The change as a diff for people."""
        sign = {"created": "+", "changed": "~", "removed": "-"}[self.action]
        yield f"{sign} {self.section}: {self.key}"
        for name in dict.fromkeys([*self.before, *self.after]):
            before, after = self.before.get(name), self.after.get(name)
            if self.action == "changed" and before != after:
                yield f"    {name}: {before!r} → {after!r}"
            elif self.action == "created" and after not in (None, "", [], {}):
                yield f"    {name}: {after!r}"
        if self.rules:
            yield f"    still named by rules: {one_of(self.rules, most=20)}"


@dataclass(frozen=True, slots=True)
class By:
    """The author of a change, for the audit: a name, the subject if it is a person, and the plan with its planner and
    its approver, if there is one (authz/configuration/plans.py).
    """

    name: str = ""
    subject: str = ""
    plan: Mapping[str, str] = field(default_factory=dict)


CONFIRM = "--prune-all, or prune_all=true"


@dataclass(frozen=True, slots=True)
class Prune:
    """Whether what a file does not name is removed, and whether that may be what `_loss` warns of."""

    wanted: bool
    of_all: bool


Permit = Callable[[Change], None]
"""Asked about each change before it is committed: raises to have all of them undone."""


class _DryRunError(Exception):
    """Ends the transaction of a dry run."""


def apply(
    text: str,
    *,
    prune: bool = False,
    prune_all: bool = False,
    dry_run: bool = False,
    by: By | None = None,
    permit: Permit | None = None,
    warn: Warn | None = None,
    warn_of_all: bool = False,
    left_out: LeftOut | None = None,
    local: bool = True,
) -> list[Change]:
    """Apply the file, all of it or nothing. Raises `ConfigurationError`.

    `prune` removes items that the file's sections do not name (sections that are not in the file do not change).
    Without `prune_all` it refuses sections with nothing behind their names, and to remove all people or the last
    administrator. `warn` is called with rules that name something that does not exist: those of the file, and others
    that do so only since it, or with `warn_of_all` all others. `left_out` counts what stays because the file does not
    name it. A file that is not `local` came over the network, and may not use members that read this machine
    (`Section.LOCAL`).
    """
    document = read(text)
    sections = {section.KEY: section for section in all_sections()}
    mistakes = Mistakes(document)
    if not document.data:
        raise ConfigurationError((), f"holds no section; there are {', '.join(sections)}")
    for key in document.data:
        if key == "expectations":
            mistakes.add((key,), "is what `policy test` takes, and no section of the configuration")
        elif key not in sections:
            mistakes.add((key,), unknown_name(key, sections, "section"))
    changes: list[Change] = []
    try:
        with rule_history.written_by(by.name if by else "", "apply"):
            one_at_a_time()
            known = unmatched_now() if warn is not None and not warn_of_all else {}
            kept = LeftOut() if left_out is None else left_out
            for key, section in sections.items():
                if key in document.data:
                    changes += _apply_section(section, mistakes, kept, prune=Prune(prune, prune_all), local=local)
                    if stays := getattr(section, "stays", None):
                        kept.leavers.extend(stays(document.data[key]))
                elif left_out is not None:
                    left_out.count_section(section)
            mistakes.require_none()
            changes = _with_rules(changes)
            _permit(changes, permit)
            if warn is not None:
                warn(rule_warnings(document, known))
            if dry_run:
                raise _DryRunError
            for change in changes:
                _record(change, by or By())
    except _DryRunError:
        pass
    return changes


def revise(
    section: Section,
    key: str,
    revision: Callable[[dict[str, Any] | None], Mapping[str, Any] | None],
    *,
    by: By,
    permit: Permit | None = None,
    changes_rules: bool = False,
) -> list[Change]:
    """Replace one item by the result of `revision` (None: the item does not exist, or is removed), in one transaction.

    With `changes_rules` the rules change along that name what goes (authz/decisions/rule_names.py); they are among the
    changes.

    Both values are as in the database, secrets included, and no other writer changes the item meanwhile. An exception
    in `revision` undoes everything. Raises `ConfigurationError`.
    """
    among = None if getattr(section, "TOUCHES_OTHERS", False) else key
    with rule_history.written_by(by.name if by else "", "api"):
        one_at_a_time()
        before = items(section, among)
        item = revision(before.get(key))
        if item is not None:
            _write(section, key, item)
        elif key in before:
            section.remove(key)
        changes = list(_differences(section, before, items(section, among)))
        _permit(changes, permit)
        for change in changes:
            _record(change, by)
        rules = _change_rules(changes, by) if changes_rules else []
        return [*_with_rules(changes), *rules]


def _change_rules(changes: list[Change], by: By) -> list[Change]:
    renamed = [name for change in changes for name in _name_changes(change)]
    found = rule_names.naming(renamed)
    rule_names.change_along(found, renamed, by=by.name, subject=by.subject)
    return [
        Change("rules", rule.row.name, "changed", rule.proposal.before.to_mapping(), rule.proposal.after.to_mapping())
        for rule in found
        if rule.proposal.after is not None
    ]


def _with_rules(changes: list[Change]) -> list[Change]:
    """With the rules that name in vain what was removed, as they are in this transaction."""
    with configuration_cache.bypassed():
        found = rule_names.naming_each([_name_changes(change) for change in changes])
    return [replace(change, rules=rules) for change, rules in zip(changes, found, strict=True)]


def _name_changes(change: Change) -> list[NameChange]:
    return name_changes(change.section, change.key, change.before, change.after)


def one_at_a_time() -> None:
    """Wait for the previous writer of the configuration (its trigger locks the same row)."""
    Generation.objects.select_for_update().filter(pk=1).first()


def _permit(changes: list[Change], permit: Permit | None) -> None:
    for change in changes if permit else ():
        permit(change)  # type: ignore[misc]


def _write(section: Section, key: str, item: Mapping[str, Any]) -> None:
    nowhere = Document({}, {})
    new = validated(section, item, (), nowhere, local=False)
    if section.natural_key(new) != key:
        raise ConfigurationError((section.LOOKUP,), "identifies the item: it does not change")
    try:
        section.write(new)
    except ValidationError as error:
        raise refusal(error, (), nowhere) from None


def _apply_section(
    section: Section, mistakes: Mistakes, left_out: LeftOut, *, prune: Prune, local: bool
) -> list[Change]:
    """Validate and write the items of one section, and collect the changes, or the mistakes."""
    data = mistakes.document.data[section.KEY]
    is_single = getattr(section, "SINGLE", False)
    given = [data] if is_single else data
    if given is None:
        given = []
    if not isinstance(given, list):
        mistakes.add((section.KEY,), f"must be a list{value_kinds.not_this(given)}")
        return []
    before, many = items(section), len(mistakes.found)
    named: dict[str, Path] = {}
    together = []
    for index, item in enumerate(given):
        path: Path = (section.KEY,) if is_single else (section.KEY, index)
        try:
            new = _apply_item(section, item, path, mistakes.document, named, local=local)
        except ConfigurationError as error:
            mistakes.add_item(section, path, item, error)
        else:
            together.append(new)
    if len(mistakes.found) > many:
        return []
    if hasattr(section, "check_together"):
        try:
            section.check_together(together)
        except ValidationError as error:
            for path, problem in in_words(error, (section.KEY,)):
                mistakes.add(path, problem)
            return []
    if not is_single:
        unnamed = [key for key in before if key not in named]
        left_out.count(section, 0 if prune.wanted else len(unnamed))
        for key in unnamed if prune.wanted else ():
            section.remove(key)
    after = items(section)
    if prune.wanted and not prune.of_all and (problem := _loss(section, data, before, after)):
        mistakes.add((section.KEY,), f"{problem}. If you mean it, say so: {CONFIRM}")
    return list(_differences(section, before, after))


def _loss(
    section: Section, data: object, before: Mapping[str, dict[str, Any]], after: Mapping[str, dict[str, Any]]
) -> str:
    """What pruning would take that is more often a mistake than a wish; "" if nothing is. `[]` is a wish: a template
    whose loop found nothing leaves nothing behind the section's name.
    """
    if data is None and before:
        return f"names none, so pruning would remove all there are ({len(before)})"
    lost: Callable[..., str] = getattr(section, "loss", lambda *_: "")
    return lost(before, after)


def _apply_item(
    section: Section, item: object, path: Path, document: Document, named: dict[str, Path], *, local: bool
) -> Mapping[str, Any]:
    """Raises `ConfigurationError`."""
    new = validated(section, item, path, document, local=local)
    key = section.natural_key(new)
    if key in named:
        raise ConfigurationError(path, f"{key} is there twice", document.line(path))
    named[key] = path
    try:
        section.write(new)
    except ValidationError as error:
        raise refusal(error, path, document) from None
    return new


def state_of(item: Mapping[str, Any] | None) -> str:
    """A digest of an item with its secrets; "" if there is none."""
    return "" if item is None else digest(item, purpose="states of items")


def _differences(
    section: Section, before: Mapping[str, dict[str, Any]], after: Mapping[str, dict[str, Any]]
) -> Iterator[Change]:
    for key, item in after.items():
        if key not in before:
            yield Change(section.KEY, key, "created", {}, _shown(section, item))
        elif before[key] != item:
            yield Change(
                section.KEY, key, "changed", *_shown_both(section, before[key], item), state=state_of(before[key])
            )
    for key, item in before.items():
        if key not in after:
            yield Change(section.KEY, key, "removed", _shown(section, item), {}, state=state_of(item))


def _shown(section: Section, item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: "(hidden)" if name in section.SECRET and value else value for name, value in item.items()}


def _shown_both(
    section: Section, before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    was, is_now = _shown(section, before), _shown(section, after)
    for name in section.SECRET:
        if before.get(name) != after.get(name):
            was[name], is_now[name] = "(hidden)", "(hidden, changed)"
    return was, is_now


_EVENTS = {
    "created": audit.Event.CONFIGURATION_CREATED,
    "changed": audit.Event.CONFIGURATION_CHANGED,
    "removed": audit.Event.CONFIGURATION_REMOVED,
}


def _record(change: Change, by: By) -> None:
    audit.record(
        _EVENTS[change.action],
        client_id=change.key if change.section == "clients" else "",
        subject=by.subject,
        resource=change.key if change.section == "resources" else "",
        detail={
            "section": change.section,
            "key": change.key,
            "before": dict(change.before),
            "after": dict(change.after),
            **({"by": by.name} if by.name else {}),
            **by.plan,
        },
    )
