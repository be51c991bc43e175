"""axe-core finds no serious violation on any page, light or dark, at a desk or on a phone; nothing overflows."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from demo.gatehouse import Gatehouse
from tests.e2e.conftest import DESK, PHONE, Arrive, serving

STRANGER = ["/", "/accounts/login/", "/accounts/password/reset/", "/nothing-is-here"]
# In a process of its own, since it needs Django on the server's database: every page that the URL conf knows.
CATALOGUE = """
import json
from tests.support import everything, pages
everything.fill()
print(json.dumps([path for paths in pages.pages(everything.first).values() for path in paths]))
"""
RUN = "async () => (await axe.run(document, {resultTypes: ['violations']})).violations"


@pytest.fixture(scope="module")
def gatehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gatehouse]:
    """One of its own: what a stranger wrote everywhere would be in the other tests' way, and in their pictures."""
    with serving(tmp_path_factory.mktemp("accessibility")) as server:
        yield server


@pytest.fixture(scope="module")
def catalogue(gatehouse: Gatehouse) -> list[str]:
    paths: list[str] = json.loads(gatehouse.manage("shell", "--no-imports", "-c", CATALOGUE).splitlines()[-1])
    return [*paths, "authorize"]


def serious(violations: list[dict[str, Any]]) -> list[str]:
    return [
        f"{found['id']}: {found['help']}: {found['nodes'][0]['html'][:200]}"
        for found in violations
        if found["impact"] in {"serious", "critical"}
    ]


@pytest.mark.parametrize(
    ("viewport", "dark"), [(DESK, False), (PHONE, True)], ids=["light at a desk", "dark on a phone"]
)
def test_no_serious_violation_on_any_page(
    arrive: Arrive, catalogue: list[str], axe: str, viewport: dict[str, int], dark: bool
) -> None:
    someone = arrive(viewport=viewport, dark=dark)
    found: dict[str, list[str]] = {}

    def look_at(path: str) -> None:
        status = someone.open(someone.authorize_path(prompt="consent") if path == "authorize" else path)
        # Otherwise it is the page that says why there is nothing to consent to.
        assert path != "authorize" or status == 200
        someone.page.evaluate(axe)
        problems = serious(someone.page.evaluate(RUN))
        if (wider := someone.overflow()) > 0:
            problems.append(f"{wider} pixels too wide")
        if problems:
            found[path] = problems

    for path in STRANGER:
        look_at(path)
    someone.sign_in("alice")
    assert len(catalogue) > 100
    for path in catalogue:
        look_at(path)

    assert not found, json.dumps(found, indent=1)
