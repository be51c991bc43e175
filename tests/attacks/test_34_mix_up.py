"""Attack 34: mix-up. One issuer, byte for byte, wherever it is said; and nothing is ever built from the Host header."""

from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.support.processes import RunningGatehouse
from tests.support.world import CHALLENGE, NOTES, REDIRECT, SECRET, claims

pytestmark = pytest.mark.any_database

EVIL = "evil.example"
HEADERS = [
    {"Host": EVIL},
    {"Host": f"{EVIL}:8000"},
    {"Host": "127.0.0.1:1"},
    {"X-Forwarded-Host": EVIL},
    {"X-Forwarded-Proto": "https", "X-Forwarded-Host": EVIL, "X-Forwarded-Port": "444"},
    {"Forwarded": f"host={EVIL};proto=https"},
    {"X-Original-URL": f"https://{EVIL}/", "X-Rewrite-URL": f"https://{EVIL}/"},
    {"X-Script-Name": "/evil", "SCRIPT_NAME": "/evil"},
]


def addresses(server: RunningGatehouse) -> list[str]:
    path = urlsplit(server.issuer).path
    inserted = [
        f"{server.origin}/.well-known/oauth-authorization-server{path}",
        f"{server.origin}/.well-known/openid-configuration{path}",
    ]
    appended = [
        f"{server.issuer}/.well-known/openid-configuration",
        f"{server.issuer}/.well-known/oauth-authorization-server",
    ]
    return [*inserted, *appended] if path else inserted


def authorize_url(server: RunningGatehouse, **changes: str) -> str:
    params = {
        "response_type": "code",
        "client_id": "desktop-app",
        "redirect_uri": REDIRECT,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "state": "xyz",
        "resource": NOTES,
    }
    return f"{server.url('authorize')}?{urlencode(params | changes)}"


@pytest.fixture(params=["with a path", "without a path"])
def either(request: pytest.FixtureRequest) -> RunningGatehouse:
    name = "server" if request.param == "with a path" else "strict_server"
    running: RunningGatehouse = request.getfixturevalue(name)
    return running


def test_the_metadata_is_at_every_address_and_names_the_issuer_and_its_endpoints(either: RunningGatehouse) -> None:
    documents = [either.ask("GET", address) for address in addresses(either)]
    assert [document.status_code for document in documents] == [200] * len(documents)
    assert len({document.text for document in documents}) == 1
    document = documents[0].json()
    assert document["issuer"] == either.issuer
    for name in ("authorization", "token", "introspection", "revocation"):
        assert document[f"{name}_endpoint"].startswith(f"{either.issuer}/")
    assert either.ask("GET", document["jwks_uri"]).json()["keys"]
    assert either.ask("POST", document["token_endpoint"]).headers["Content-Type"] == "application/json"


def test_only_the_issuers_own_addresses_answer(server: RunningGatehouse) -> None:
    for address in (
        f"{server.origin}/.well-known/oauth-authorization-server",
        f"{server.origin}/.well-known/oauth-authorization-server/o/",
        f"{server.origin}/.well-known/oauth-authorization-server/evil",
        f"{server.origin}/token",
    ):
        assert server.ask("GET", address).status_code == 404


MISSES = [
    "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server/", "/.well-known/openid-configuration/",
    "/.well-known/oauth-authorization-server/o/", "/.well-known/openid-configuration/o/",
    "/.well-known/oauth-authorization-server/mcp", "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/o", "/.well-known/jwks.json", "/.well-known/unknown", "/.well-known/",
    "/mcp/.well-known/openid-configuration", "/o/.well-known/openid-configuration/",
    "/o/.well-known/unknown", "/o/token/.well-known/openid-configuration", "/o/register/", "/o/unknown", "/o/token/",
]  # fmt: skip


@pytest.mark.parametrize("path", MISSES)
def test_a_discovery_miss_is_json_that_every_origin_may_read(server: RunningGatehouse, path: str) -> None:
    miss = server.ask("GET", server.origin + path, headers={"Origin": "https://app.example.com"})
    assert miss.status_code == 404
    assert miss.headers["Content-Type"] == "application/json"
    assert miss.headers["Access-Control-Allow-Origin"] == "*"
    assert miss.json()["error"] == "not_found"
    preflight = server.ask(
        "OPTIONS",
        server.origin + path,
        headers={"Origin": "https://app.example.com", "Access-Control-Request-Method": "GET"},
    )
    assert preflight.status_code == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    assert "mcp-protocol-version" in preflight.headers["Access-Control-Allow-Headers"]


def test_an_issuer_without_a_path_answers_at_the_root_alone(strict_server: RunningGatehouse) -> None:
    for path in ("/.well-known/oauth-authorization-server/", "/.well-known/openid-configuration/o", "/x/.well-known/y"):
        miss = strict_server.ask("GET", strict_server.origin + path)
        assert (miss.status_code, miss.headers["Access-Control-Allow-Origin"]) == (404, "*")
        assert miss.json()["error"] == "not_found"


def test_tokens_redirects_and_metadata_say_one_issuer(either: RunningGatehouse) -> None:
    token = either.token(auth=("nightly-report", SECRET), grant_type="client_credentials").json()["access_token"]
    assert claims(token)["iss"] == either.issuer
    for changes in ({"response_type": "token"}, {"code_challenge_method": "plain"}, {"scope": '"'}, {"prompt": "none"}):
        refused = either.ask("GET", authorize_url(either, **changes))
        assert parse_qs(urlsplit(refused.headers["Location"]).query)["iss"] == [either.issuer]


@pytest.mark.parametrize("headers", HEADERS)
def test_machine_endpoints_do_not_see_the_host(server: RunningGatehouse, headers: dict[str, str]) -> None:
    for address in addresses(server):
        document = server.ask("GET", address, headers=headers)
        assert document.status_code == 200, (address, document.text)
        assert document.json()["issuer"] == server.issuer
        assert EVIL not in document.text + str(document.headers)
    token = server.ask(
        "POST",
        server.url("token"),
        data={"grant_type": "client_credentials"},
        auth=("nightly-report", SECRET),
        headers=headers,
    )
    assert claims(token.json()["access_token"])["iss"] == server.issuer
    refused = server.ask("POST", server.url("introspect"), data={"token": "x"}, headers=headers)
    assert EVIL not in refused.text + str(refused.headers)
    assert server.ask("GET", server.url("jwks"), headers=headers).status_code == 200


@pytest.mark.parametrize("host", ["", "127.0.0.1\t.evil.example"])
def test_an_invalid_host_is_refused(server: RunningGatehouse, host: str) -> None:
    for address in [*addresses(server), f"{server.origin}/accounts/login/"]:
        answer = server.ask("GET", address, headers={"Host": host})
        assert answer.status_code == 400
        assert EVIL not in answer.text + str(answer.headers)


@pytest.mark.parametrize("headers", HEADERS)
def test_peoples_pages_never_show_a_foreign_host(server: RunningGatehouse, headers: dict[str, str]) -> None:
    pages = [authorize_url(server), authorize_url(server, client_id="nobody"), f"{server.origin}/accounts/login/"]
    for page in [*pages, authorize_url(server, response_type="token"), f"{server.origin}/"]:
        answer = server.ask("GET", page, headers=headers)
        assert answer.status_code < 500
        assert EVIL not in answer.text + str(answer.headers)


class TestCors:
    """Browser clients may read machine endpoints; nothing of a person's session is ever shared."""

    ORIGIN = {"Origin": "https://inspector.example"}

    def test_machine_endpoints_can_be_read_from_anywhere_but_never_with_cookies(self, server: RunningGatehouse) -> None:
        answers = [server.ask("GET", address, headers=self.ORIGIN) for address in addresses(server)]
        answers.append(server.ask("GET", server.url("jwks"), headers=self.ORIGIN))
        answers.append(server.ask("POST", server.url("token"), headers=self.ORIGIN))
        answers.append(server.ask("POST", server.url("revoke"), headers=self.ORIGIN))
        for answer in answers:
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert "Access-Control-Allow-Credentials" not in answer.headers

    @pytest.mark.parametrize("endpoint", ["token", "revoke", "jwks"])
    def test_a_preflight_is_answered(self, server: RunningGatehouse, endpoint: str) -> None:
        answer = server.ask(
            "OPTIONS", server.url(endpoint), headers=self.ORIGIN | {"Access-Control-Request-Method": "POST"}
        )
        assert answer.status_code == 204
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "authorization" in answer.headers["Access-Control-Allow-Headers"]

    def test_the_authorization_endpoint_and_introspection_cannot_be_read(self, server: RunningGatehouse) -> None:
        for method, address in (
            ("GET", authorize_url(server)),
            ("GET", authorize_url(server, client_id="nobody")),
            ("OPTIONS", server.url("authorize")),
            ("POST", server.url("introspect")),
            ("OPTIONS", server.url("introspect")),
            ("GET", f"{server.origin}/accounts/login/"),
        ):
            assert "Access-Control-Allow-Origin" not in server.ask(method, address, headers=self.ORIGIN).headers

    def test_head_is_get_without_a_body(self, server: RunningGatehouse) -> None:
        for address in (*addresses(server), server.url("jwks")):
            answer = server.ask("HEAD", address)
            assert answer.status_code == 200
            assert answer.content == b""
