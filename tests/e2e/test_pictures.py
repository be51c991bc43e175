"""The pictures of docs/: `make pictures` writes them to docs/images/."""

from collections.abc import Iterator

import pytest
import requests

from demo.gatehouse import Gatehouse
from demo.processes import ROOT
from tests.e2e.conftest import DESK, PHONE, Arrive, Someone
from tests.support import databases
from tests.support.organisation import CLAUDE, CONFIGURATION, LEDGER, SECRET, WIKI

FILL = """
from authz.audit import counts
from tests.support import organisation
organisation.fill()
counts.run()
"""
LEDGER_ASK = (
    "client_id=desktop-app&username=charlie&grant_type=authorization_code&resource=https://mcp.ledger.acme.example/"
)
PICTURES = [
    # name, who looks, path, viewport, dark
    ("home", "bob", "/console/", DESK, False),
    ("home-dark", "bob", "/console/", DESK, True),
    ("agents", "bob", "/console/authz/client/", DESK, False),
    ("agent", "bob", "/console/authz/client/1/change/", DESK, False),
    ("queue", "bob", "/console/authz/accessrequest/", DESK, False),
    ("decide-phone", "bob", "decide", PHONE, False),
    ("rules", "alice", "/console/authz/rule/", DESK, False),
    ("protect", "alice", "/console/authz/protectedresource/1/protect/", DESK, False),
    ("audit", "dana", f"/console/authz/auditevent/?resource={LEDGER}", DESK, False),
    ("story", "dana", "/console/story/?client_id=invoice-matcher", DESK, False),
    ("why", "dana", "why", DESK, False),
    ("keys", "alice", "/console/authz/signingkey/", DESK, False),
    ("simulator", "dana", f"/console/simulator/?{LEDGER_ASK}", DESK, False),
    ("consent", "alice", "authorize", DESK, False),
    ("consent-phone", "alice", "authorize", PHONE, True),
    ("approve-phone", "bob", "/console/authz/client/4/switch/approved/", PHONE, False),
]  # fmt: skip


@pytest.fixture(scope="module")
def gatehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gatehouse]:
    """An organisation after a month, on a server of its own: the pictures are the same whatever other tests did."""
    directory = tmp_path_factory.mktemp("pictures")
    databases.prepare(directory / "gatehouse.sqlite3")
    with Gatehouse(directory, settings={"WORKERS": "1"}) as server:
        server.apply(CONFIGURATION)
        server.manage("shell", "--no-imports", "-c", FILL)
        yield server


def why_of_a_token(someone: Someone) -> str:
    """Gets a token as an agent does, and returns the address of the page that explains it."""
    form = {"grant_type": "client_credentials", "resource": WIKI, "scope": "pages:read"}
    answer = requests.post(f"{someone.issuer}/token", form, auth=("nightly-report", SECRET), timeout=20)
    assert answer.status_code == 200
    someone.open("/console/authz/auditevent/?client_id=nightly-report&event=token:access:issued")
    someone.page.locator("#result_list tbody a").first.click()
    return someone.page.get_by_role("link", name="Why?").get_attribute("href") or ""


@pytest.mark.parametrize("picture", PICTURES, ids=[name for name, *_ in PICTURES])
def test_a_picture(arrive: Arrive, picture: tuple[str, str, str, dict[str, int], bool]) -> None:
    name, who, path, viewport, dark = picture
    someone = arrive(viewport=viewport, dark=dark)
    someone.sign_in(who)
    if path == "authorize":
        scope = "pages:read pages:share pages:write"
        client_id = CLAUDE if viewport is DESK else "desktop-app"
        path = someone.authorize_path(client_id=client_id, prompt="consent", resource=WIKI, scope=scope)
    if path == "decide":
        someone.open("/console/authz/accessrequest/?waits=me")
        path = someone.page.get_by_role("link", name="Decide").first.get_attribute("href") or ""
    if path == "why":
        path = why_of_a_token(someone)
    status = someone.open(path)

    file = ROOT / f"docs/images/{name}.png"
    someone.page.screenshot(path=file, full_page=viewport is PHONE or "authorize" in path)

    assert status == 200
    assert someone.overflow() <= 0
    assert file.read_bytes().startswith(b"\x89PNG")
