"""Each how-to is carried out as it is written: its commands are run, and what it shows is what is printed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.how_to.page import PAGES, before
from tests.how_to.stages import Stages


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stages]:
    with Stages(tmp_path_factory.mktemp("stages")) as made:
        yield made


def _beginning(page: Path) -> list[str]:
    return before(page.read_text())


# Pages that begin with the same one stand beside each other, so that it is done once.
IN_ORDER: list[Path] = sorted(PAGES, key=_beginning)


@pytest.mark.interop
@pytest.mark.parametrize("page", IN_ORDER, ids=lambda page: page.stem)
def test_it_works_as_it_is_written(page: Path, stages: Stages) -> None:
    stages.carry_out(page)
