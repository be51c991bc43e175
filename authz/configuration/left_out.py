"""What a file leaves as it is because it does not name it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from authz.configuration.leavers import Stays, as_items
from authz.configuration.sections import Section


@dataclass(frozen=True, slots=True)
class LeftOut:
    """How many items stay, by section: of the file's sections, and of those that the file does not have, which
    `prune` leaves as well.
    """

    items: dict[str, int] = field(default_factory=dict)
    sections: dict[str, int] = field(default_factory=dict)
    leavers: list[Stays] = field(default_factory=list)

    def lines(self) -> list[str]:
        """For people, a line for each."""
        found = []
        if self.items:
            found.append(f"Not in this file, and unchanged: {_counts(self.items)}. --prune removes them.")
        if self.sections:
            found.append(f"Sections that this file does not have are unchanged: {_counts(self.sections)}.")
        return [*found, *(f"! {one.line()}" for one in self.leavers)]

    def as_item(self) -> dict[str, object]:
        """For programs."""
        told = {"leavers": as_items(self.leavers)} if self.leavers else {}
        return {"items": self.items, "sections": self.sections, **told}

    def count(self, section: Section, staying: int) -> None:
        """Count what a section of the file leaves out."""
        if staying:
            self.items[section.KEY] = staying

    def count_section(self, section: Section) -> None:
        """Count a section that the file does not have."""
        if not getattr(section, "SINGLE", False) and (staying := section.rows().count()):
            self.sections[section.KEY] = staying


def _counts(found: Mapping[str, int]) -> str:
    return ", ".join(f"{section} ({count})" for section, count in found.items())
