"""Two running servers: who ends at the company, which signs them in, has nothing left at the partner that took its
ID-JAGs."""

import time
from collections.abc import Iterator

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
    given = {"grant_type": "client_credentials", "resource": f"{pair.company.issuer}/ssf"}
    basic = ("saas-receiver", pair.secret("saas-receiver"))
    ours = token_request(pair.company.issuer, {**given, "scope": "ssf.manage ssf.read"}, basic)["access_token"]
    source = {"name": "Company", "issuer": pair.company.issuer, "delivery": delivery, "token": ours}
    pair.also["saas"]["signal_sources"] = [source]
    pair.configure()
    pair.saas.manage("signals", "create", "Company")
    pair.saas.manage("signals", "verify", "Company")

    token = at_partner(pair)
    assert is_active(pair, token)
    pair.company.manage("end_access", "person", "bob", "--reason", "a test")
    began = time.monotonic()
    while is_active(pair, token):
        assert time.monotonic() - began < SOON, pair.saas.manage("signals", "events", "Company")
        time.sleep(0.1)
    events = pair.saas.manage("signals", "events", "Company")
    assert "session-revoked" in events
    assert "verification" in events

    pair.company.manage("end_access", "person", "bob", "--undo")
    pair.saas.manage("signals", "delete", "Company")


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
