"""The buttons above a page: at most one primary, at most three beside it, the rest in a menu (pure)."""

from collections.abc import Iterable
from dataclasses import dataclass

MAX_BESIDE = 3


@dataclass(frozen=True, slots=True)
class Tool:
    """A button that leads to `url`. `style` is "" for the primary one, or `plain` or `danger`.

    With `in_menu` it stands in the menu, however few others there are.
    """

    title: str
    url: str
    style: str = "plain"
    in_menu: bool = False


@dataclass(frozen=True, slots=True)
class Toolbar:
    primary: Tool | None
    beside: tuple[Tool, ...]
    menu: tuple[Tool, ...]


def arranged(tools: Iterable[Tool]) -> Toolbar:
    """The tools in their order. The first primary one stays primary; another one stands beside it as `plain`."""
    given = list(tools)
    primary = next((tool for tool in given if not tool.style and not tool.in_menu), None)
    others = [tool for tool in given if tool is not primary]
    beside = [tool for tool in others if not tool.in_menu]
    in_menu = [tool for tool in others if tool.in_menu]
    return Toolbar(primary, tuple(beside[:MAX_BESIDE]), tuple(beside[MAX_BESIDE:] + in_menu))
