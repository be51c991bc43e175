"""What the API says beside a directory and a receiver of signals: when they were last here, and what went wrong."""

from typing import Any

import pytest

from authz.configuration import apply
from tests.xaa.company import Company
from tests.xaa.directories import Scim
from tests.xaa.directories import configure as with_directories
from tests.xaa.signals.receivers import Receiver
from tests.xaa.signals.receivers import configure as with_receivers
from xaa.configuration import directories, signal_receivers


@pytest.fixture
def both(company: Company) -> Company:
    with_directories()
    with_receivers()
    return company


def test_a_directory(both: Company) -> None:
    def state() -> dict[str, Any]:
        return directories.annotations({"name": "Okta", "issuer": "", "enabled": True})["state"]  # type: ignore[no-any-return]

    assert state() == {
        **dict.fromkeys(("last_contact", "last_error")),
        **dict.fromkeys(("people", "inactive", "groups"), 0),
        "tokens": [],
    }
    okta = Scim("Okta")
    okta.person("ann", active=False)
    assert okta.ask("GET", "/Users?filter=x").status == 400
    found = state()
    assert found["last_contact"]
    assert found["last_error"]["what"] == "400 A name is missing."
    assert (found["people"], found["inactive"], len(found["tokens"])) == (1, 1, 1)
    assert okta.token not in str(found)


def test_a_receiver(both: Company) -> None:
    item = {"name": "Notes"}
    assert signal_receivers.annotations(item) == {"stream": None}
    notes = Receiver(both)
    notes.create()
    both.signed_in_tokens()
    apply("users: [{username: bob, email: bob@example.com, groups: [engineering], active: false}]")
    found = signal_receivers.annotations(item)["stream"]
    assert (found["status"], found["waiting"], found["method"]) == ("enabled", 1, "poll")
