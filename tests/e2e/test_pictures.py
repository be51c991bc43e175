"""The pictures of docs/: `make e2e PICTURES=1` writes them to docs/images/; otherwise they are only taken."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.gatehouse import Gatehouse
from demo.processes import ROOT
from tests.e2e.conftest import DESK, PHONE, Arrive, serving

PICTURES = [
    # name, path, viewport, dark
    ("home", "/console/", DESK, False),
    ("home-dark", "/console/", DESK, True),
    ("agents", "/console/authz/client/", DESK, False),
    ("agent", "/console/authz/client/1/change/", DESK, False),
    ("rules", "/console/authz/rule/", DESK, False),
    ("protect", "/console/authz/protectedresource/1/protect/", DESK, False),
    ("audit", "/console/authz/auditevent/", DESK, False),
    ("story", "/console/story/?client_id=nightly-report", DESK, False),
    ("keys", "/console/authz/signingkey/", DESK, False),
    ("simulator", "/console/simulator/?client_id=desktop-app&username=charlie&grant_type=authorization_code"
     "&resource=http://127.0.0.1:9200/mcp", DESK, False),
    ("consent", "authorize", DESK, False),
    ("consent-phone", "authorize", PHONE, True),
    ("approve-phone", "/console/authz/client/3/switch/approved/", PHONE, False),
]  # fmt: skip


@pytest.fixture(scope="module")
def gatehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gatehouse]:
    """One of its own: the pictures are the same whatever other tests did before."""
    with serving(tmp_path_factory.mktemp("pictures")) as server:
        yield server


@pytest.mark.parametrize("picture", PICTURES, ids=[name for name, *_ in PICTURES])
def test_a_picture(arrive: Arrive, tmp_path: Path, picture: tuple[str, str, dict[str, int], bool]) -> None:
    name, path, viewport, dark = picture
    someone = arrive(viewport=viewport, dark=dark)
    someone.sign_in("alice")
    status = someone.open(someone.authorize_path(prompt="consent") if path == "authorize" else path)
    directory = ROOT / "docs/images" if os.environ.get("PICTURES") == "1" else tmp_path
    directory.mkdir(parents=True, exist_ok=True)

    file = directory / f"{name}.png"
    someone.page.screenshot(path=file, full_page=path == "authorize" or viewport is PHONE)

    assert status == 200
    assert file.read_bytes().startswith(b"\x89PNG")
