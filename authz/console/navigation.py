"""The console's navigation: at most fifteen entries, in groups that are named by a task.

A page says where it stands with a `Place`. Pages with the same entry share it, and are tabs of one another.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

GROUPS = ("", "Decide", "Connect", "Allow", "Trust", "Operate")
MAX_ENTRIES = 15


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page stands. `tab` names it among the pages of its entry; entries and tabs are sorted by `order`."""

    group: str
    entry: str
    icon: str
    tab: str = ""
    order: int = 0


@dataclass(frozen=True, slots=True)
class Tab:
    """A page of an entry. `count` is what waits there."""

    title: str
    url: str
    count: int = 0
    current: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """An entry. Its address is that of the first page which the person may see."""

    title: str
    icon: str
    tabs: tuple[Tab, ...]

    @property
    def url(self) -> str:
        return self.tabs[0].url

    @property
    def count(self) -> int:
        return sum(tab.count for tab in self.tabs)

    @property
    def current(self) -> bool:
        return any(tab.current for tab in self.tabs)


@dataclass(frozen=True, slots=True)
class Group:
    title: str
    items: tuple[Item, ...]


def arranged(pages: Iterable[tuple[Place, str, int]], path: str, home: str) -> tuple[Group, ...]:
    """The groups of the pages (place, address, what waits there) that a person may see, for the page at `path`.

    Every address begins with `home`.
    """
    ordered = sorted(pages, key=lambda page: (GROUPS.index(page[0].group), page[0].order, page[0].entry))
    # `/rule/history/` lies under `/rule/`, and is a page of its own: the longest address counts.
    current = max(
        (url for _, url, _ in ordered if path == url or (url != home and path.startswith(url))), key=len, default=""
    )
    return tuple(
        Group(title, tuple(_items(of_group, current)))
        for title, of_group in groupby(ordered, key=lambda page: page[0].group)
    )


def _items(pages: Iterable[tuple[Place, str, int]], current: str) -> Iterator[Item]:
    for entry, of_entry in groupby(pages, key=lambda page: page[0].entry):
        found = list(of_entry)
        tabs = tuple(Tab(place.tab or entry, url, count, url == current) for place, url, count in found)
        yield Item(entry, found[0][0].icon, tabs)


def tabs(groups: Iterable[Group], path: str) -> tuple[Tab, ...]:
    """The pages beside the one at `path`; none where it has no other, or is not itself one of them."""
    for group in groups:
        for item in group.items:
            if len(item.tabs) > 1 and any(tab.url == path for tab in item.tabs):
                return item.tabs
    return ()
