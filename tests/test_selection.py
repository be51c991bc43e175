"""Which tests PostgreSQL gets (tests/support/selection.py), of tables of rows and of tests that commit."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.selection import EACH_ROW, WITHOUT_A_DATABASE, same_on_each_database

ROOT = Path(__file__).resolve().parents[1]


def item(nodeid: str, *rows: int, **marks: Any) -> Any:
    made = SimpleNamespace(nodeid=nodeid, fixturenames=marks.pop("fixtures", ()))
    made.get_closest_marker = lambda name: SimpleNamespace(kwargs=marks[name]) if name in marks else None
    made.callspec = SimpleNamespace(indices=dict(enumerate(rows)))

    class Hashable(SimpleNamespace):
        __hash__ = object.__hash__

    return Hashable(**vars(made))


@pytest.mark.parametrize("turned", [False, True])
def test_of_a_table_one_row_is_kept_in_any_order(turned: bool) -> None:
    rows = [item(f"tests/a.py::test[{a}-{b}]", a, b) for a in range(2) for b in range(3)]
    alone, other = item("tests/a.py::test_alone"), item("tests/a.py::test_other[x]", 4)
    items = [*rows, alone, other]
    assert same_on_each_database(items[::-1] if turned else items) == set(rows[1:])


def test_tables_whose_rows_may_differ_are_kept_whole() -> None:
    commits: dict[str, Any] = {"fixtures": ("transactional_db",)}
    marked: dict[str, Any] = {"django_db": {"transaction": True}}
    items = [item(f"tests/a.py::test_race[{row}]", row, **commits) for row in range(3)]
    items += [item(f"tests/a.py::test_threads[{row}]", row, **marked) for row in range(3)]
    items += [item(f"{EACH_ROW[0]}::test[{row}]", row) for row in range(3)]
    assert same_on_each_database(items) == set()


def test_what_is_about_something_else_is_not_kept() -> None:
    items = [item("tests/a.py::test", any_database={}), item(f"{WITHOUT_A_DATABASE[0]}test_rules.py::test")]
    assert same_on_each_database(items) == set(items)


def test_each_file_that_is_named_is_there() -> None:
    assert [named for named in (*EACH_ROW, *WITHOUT_A_DATABASE) if not [*ROOT.glob(f"{named}*")]] == []
