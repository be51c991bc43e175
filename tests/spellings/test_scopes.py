"""Blanks between scopes, wherever scopes are read."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from authz.configuration import apply
from authz.models import Client
from tests.cimd.test_registration import ON, PATH, TOKEN, program
from tests.cimd.test_registration import ask as register
from tests.spellings.doors import administrator, body
from tests.support.document_host import DocumentHost
from tests.support.world import NOTES, SECRET, client
from tests.xaa.company import Company


def of(response: Any) -> list[str]:
    """The scopes of the resource that a token response grants."""
    assert response.status_code == 200, response.content
    return [name for name in body(response)["scope"].split(" ") if name != "offline_access"]


SPELLINGS = [
    "{}", " {}", "{} ", "  {}  ", "{} {}", "{}  {}", "   {}   {}   ", " offline_access {}", "{}  offline_access",
    "{} " + " " * 200, " " * 200 + "{}", "offline_access  {} ",
]  # fmt: skip


def at_authorize(company: Company, scope: str) -> list[str]:
    return of(company.redeem(company.authorize(scope=scope)["code"]))


def at_token(company: Company, scope: str) -> list[str]:
    return of(company.token(basic=("nightly-report", SECRET), grant_type="client_credentials", scope=scope))


def at_refresh(company: Company, scope: str) -> list[str]:
    given = company.signed_in_tokens(scope="mcp:read mcp:write offline_access")
    return of(company.refresh(given["refresh_token"], scope=scope))


def in_an_id_jag(company: Company, scope: str) -> list[str]:
    return of(company.redeem_assertion(company.idp.id_jag(scope=scope)))


def beside_an_id_jag(company: Company, scope: str) -> list[str]:
    return of(company.redeem_assertion(company.idp.id_jag(), scope=scope))


def beside_a_workload(company: Company, scope: str) -> list[str]:
    return of(company.redeem_assertion(company.idp.workload(), basic=None, scope=scope))


def at_exchange(company: Company, scope: str) -> list[str]:
    granted = of(company.exchange(company.idp.id_token(), scope=scope.replace("mcp:read", "chat.read")))
    return ["mcp:read" if name == "chat.read" else name for name in granted]


def at_registration(company: Company, scope: str) -> list[str]:
    apply(ON)
    answer = register("post", PATH, program(scope=scope), TOKEN)
    assert answer.status_code == 201, answer.content
    return registered(client(answer.json()["client_id"]))


def in_the_file(company: Company, scope: str) -> list[str]:
    entry = {
        "client_id": "from-file",
        "grant_types": ["client_credentials"],
        "client_secret": SECRET,
        "scope": scope,
    }
    apply(json.dumps({"clients": [entry]}))
    return registered(client("from-file"))


def at_the_api(company: Company, scope: str) -> list[str]:
    made = administrator().post(
        "/api/v1/agents",
        {"client_name": "Digest", "grant_types": ["client_credentials"], "scope": scope},
        content_type="application/json",
    )
    assert made.status_code == 201, made.content
    return registered(client(made.json()["client_id"]))


def at_the_console(company: Company, scope: str) -> list[str]:
    browser = administrator()
    form = {
        "name": "Mine", "client_id": "mine", "grant_types": "client_credentials", "scope": scope,
        "token_endpoint_auth_method": "client_secret_basic",
    }  # fmt: skip
    saved: Any = browser.post("/console/authz/client/add/", form)
    assert saved.status_code == 302, saved.content
    return registered(client("mine"))


def at_the_simulator(company: Company, scope: str) -> list[str]:
    asked = {"client_id": "nightly-report", "resource": NOTES, "scope": scope}
    told = administrator().get("/api/v1/policy/explain", asked)
    assert told.status_code == 200, told.content
    return list(dict.fromkeys(told.json()["scopes"]))


def registered(row: Client) -> list[str]:
    assert row.scope is not None
    return [name for name in row.scope if name != "offline_access"]


READERS: list[Callable[[Company, str], list[str]]] = [
    at_authorize, at_token, at_refresh, in_an_id_jag, beside_an_id_jag, beside_a_workload, at_exchange,
    at_registration, in_the_file, at_the_api, at_the_console, at_the_simulator,
]  # fmt: skip


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_further_blanks_between_scopes_name_nothing(
    company: Company, spelling: str, reader: Callable[[Company, str], list[str]]
) -> None:
    assert reader(company, spelling.replace("{}", "mcp:read")) == ["mcp:read"]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_document_may_spell_its_scopes_so(company: Company, documents: DocumentHost, spelling: str) -> None:
    apply("cimd: {trusted_hosts: [localhost]}")
    url = documents.document(
        scope=spelling.replace("{}", "mcp:read"), grant_types=["authorization_code"], token_endpoint_auth_method="none"
    )
    company.sign_in("bob")
    company.browser.get(company.authorize_url(client_id=url, redirect_uri="http://localhost/callback"))
    assert registered(client(url)) == ["mcp:read"]


TABS = [
    "mcp:read\tmcp:write", "mcp:read\n", "mcp:read\u00a0mcp:write", "\u3000mcp:read", "mcp:read\r\n", "\x0bmcp:read",
]  # fmt: skip


@pytest.mark.parametrize("scope", TABS)
@pytest.mark.parametrize("reader", [at_token, beside_an_id_jag, beside_a_workload, at_exchange, at_refresh])
def test_what_is_no_blank_is_malformed(
    company: Company, scope: str, reader: Callable[[Company, str], list[str]]
) -> None:
    with pytest.raises(AssertionError, match="invalid_scope"):
        reader(company, scope)
