"""What a search finds, and who looks for it: each app registers finders for the things that it knows."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.db.models import Model
from django.urls import reverse

from authz.models import User

# Of each kind at the most.
SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One thing that was found. `is_exact`: the text is its identifier, and not only a part of its name. `ends`: kind
    and identifier for ending its access (authz/authorizations/cut_off.py); None where there is none to end.
    """

    kind: str
    title: str
    sub: str = ""
    url: str
    is_exact: bool = False
    ends: tuple[str, str] | None = None


Find = Callable[[str, User], Iterable[Hit]]
"""Given the text, and the person who looks: a developer sees agents of their own."""


@dataclass(frozen=True, slots=True)
class Finder:
    """`find` is asked for those who have `permission`."""

    permission: str
    find: Find


_finders: list[Finder] = []


def finder(permission: str) -> Callable[[Find], Find]:
    """Register a function that finds things by a text."""

    def register(find: Find) -> Find:
        _finders.append(Finder(permission, find))
        return find

    return register


def all_finders() -> list[Finder]:
    return _finders


def page_of(row: Model) -> str:
    """The address of an object's own page in the console."""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
