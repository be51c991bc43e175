"""Each how-to is carried out as it is written: its commands are run, and what it shows is what is printed."""

from pathlib import Path

import pytest

from tests.how_to.page import PAGES, before, blocks
from tests.how_to.runner import stage


@pytest.mark.interop
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_it_works_as_it_is_written(page: Path, tmp_path: Path) -> None:
    with stage(tmp_path) as here:
        for text in [*(page.with_name(name).read_text() for name in before(page.read_text())), page.read_text()]:
            for block in blocks(text):
                here.do(block)
