"""Two running servers: who ends at the company, which signs them in, has nothing left at the partner that took its
ID-JAGs."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import requests

from demo.gatehouse import Gatehouse
from tests.interop.cross_app import JWT_BEARER, CrossApp, token_request
from tests.interop.document_host import DocumentHost
from tests.support import databases

NOTES = "http://127.0.0.1:9/mcp"
SOON = 10.0  # seconds: two of the receiver's polls, and a machine that others use


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrossApp]:
    directory = tmp_path_factory.mktemp("signals")
    for name in ("company", "saas"):
        databases.prepare(directory / f"{name}.sqlite3")
    with DocumentHost(directory) as documents:
        company, saas = (
            Gatehouse(directory, name=name, settings=dict(documents.settings)) for name in ("company", "saas")
        )
        for one, other in ((company, saas), (saas, company)):
            one.settings["GATEHOUSE_OUTBOUND_ALLOWED_HOSTS"] += f",127.0.0.1:{other.port}"
        with company, saas:
            found = CrossApp(company, saas, NOTES, documents)
            found.add("company", **at_company(found))
            found.configure()
            yield found


def at_company(pair: CrossApp) -> dict[str, list[object]]:
    """The partner is a receiver of the company's signals."""
    ssf = f"{pair.company.issuer}/ssf"
    return {
        "clients": [
            {
                "client_id": "saas-receiver",
                "status": "approved",
                "grant_types": ["client_credentials"],
                "client_secret": pair.secret("saas-receiver"),
            }
        ],
        "resources": [
            {"identifier": ssf, "name": "Shared signals", "scopes": [{"name": "ssf.manage"}, {"name": "ssf.read"}]}
        ],
        "signal_receivers": [
            {"name": "Saas", "client_id": "saas-receiver", "authorization_servers": [pair.saas.issuer]}
        ],
        "rules": [
            {
                "name": "The partner's receiver",
                "effect": "allow",
                "clients": ["saas-receiver"],
                "grant_types": ["client_credentials"],
                "resources": [ssf],
                "scopes": ["ssf.manage", "ssf.read"],
            }
        ],
    }


@pytest.mark.parametrize("delivery", ["push", "poll"])
def test_an_end_here_is_an_end_there(pair: CrossApp, delivery: str) -> None:
    """All of a stream's life, with the access tokens that the company's own metadata leads to."""
    client = {"client_id": "saas-receiver", "client_secret": pair.secret("saas-receiver")}
    pair.also["saas"]["signal_sources"] = [
        {"name": "Company", "issuer": pair.company.issuer, "delivery": delivery, **client}
    ]
    pair.configure()
    before = len(events(pair))
    signals(pair, "create")
    signals(pair, "verify")

    ends(pair, at_partner(pair), "person", "bob")
    # The person's access is ended, and given back: both are told.
    came = told(pair, before, until="account-enabled")
    assert came.pop("verification") == "verified"
    assert came == dict.fromkeys(("session-revoked", "account-disabled", "account-enabled"), "acted")

    # One agent's access ends at the company: the event names it, and it alone ends at the partner.
    ends(pair, at_partner(pair), "client", "desk-assistant")
    (one, *_) = events(pair)
    assert (one["outcome"], one["action"]) == ("acted", "sessions")
    assert one["subject"]["application"]["id"] == "assistant-of-the-company"
    acknowledged(pair)
    signals(pair, "delete")


def test_a_stream_that_is_paused_tells_it_afterwards(pair: CrossApp) -> None:
    signals(pair, "create")
    signals(pair, "update")
    assert signals(pair, "status", "paused") == "paused\n"
    token = at_partner(pair)
    pair.company.manage("end_access", "client", "desk-assistant", "--reason", "a test")
    time.sleep(3)
    assert is_active(pair, token)
    assert signals(pair, "status", "enabled") == "enabled\n"
    gone(pair, token)
    pair.company.manage("end_access", "client", "desk-assistant", "--undo")

    signals(pair, "delete")
    with pytest.raises(RuntimeError, match="The stream was not made by this server"):
        signals(pair, "status")


def signals(pair: CrossApp, action: str, *more: str) -> str:
    """`manage.py signals` at the partner."""
    return pair.saas.manage("signals", action, "Company", *more)


def ends(pair: CrossApp, token: str, kind: str, name: str) -> None:
    """The company ends it, and what the partner gave for it is gone soon."""
    assert is_active(pair, token)
    pair.company.manage("end_access", kind, name, "--reason", "a test")
    gone(pair, token)
    pair.company.manage("end_access", kind, name, "--undo")


def gone(pair: CrossApp, token: str) -> None:
    began = time.monotonic()
    while is_active(pair, token):
        assert time.monotonic() - began < SOON, signals(pair, "events")
        time.sleep(0.1)


def events(pair: CrossApp) -> list[dict[str, Any]]:
    """What the partner was told, the newest first."""
    found: list[dict[str, Any]] = json.loads(signals(pair, "events", "--json"))
    return found


def told(pair: CrossApp, before: int, until: str) -> dict[str, str]:
    """The events after so many, by their types, with what became of each; as soon as one of this type came."""
    ends, found = time.monotonic() + SOON, dict[str, str]()
    while until not in found and time.monotonic() < ends:
        new = events(pair)
        found = {one["event_type"].rpartition("/")[2]: one["outcome"] for one in new[: len(new) - before]}
    return found


def acknowledged(pair: CrossApp) -> None:
    """Nothing waits at the company any more."""
    until = time.monotonic() + SOON
    while (waiting := _waiting(pair)) and time.monotonic() < until:
        time.sleep(0.2)
    assert waiting == 0


def _waiting(pair: CrossApp) -> int:
    with closing(sqlite3.connect(pair.company.directory / "company.sqlite3")) as database:
        return int(database.execute("SELECT count(*) FROM xaa_signalevent").fetchone()[0])


def at_partner(pair: CrossApp) -> str:
    """What the partner gives for the company's ID-JAG about bob."""
    asked = {
        "grant_type": JWT_BEARER,
        "assertion": pair.id_jag(pair.saas.issuer, NOTES, "mcp:read"),
        "scope": "mcp:read",
    }
    answer = token_request(pair.saas.issuer, asked, ("assistant-of-the-company", pair.secret("saas")))
    return str(answer["access_token"])


def is_active(pair: CrossApp, token: str) -> bool:
    answer = requests.post(
        f"{pair.saas.issuer}/introspect", data={"token": token}, auth=("notes-server", pair.secret("notes")), timeout=10
    )
    return bool(answer.json()["active"])
