"""Attack 35: duplicates, broken encodings, huge bodies, other media types and methods: never a 5xx, never HTML."""

import json
from typing import Any

import pytest
from django.http import HttpResponse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import world
from tests.support.processes import RunningGatehouse
from tests.support.world import SECRET, World, basic_header

pytestmark = pytest.mark.any_database

FORM = "application/x-www-form-urlencoded"
BASIC = basic_header("nightly-report", SECRET)
ENDPOINTS = ("token", "introspect", "revoke")


def send(gatehouse: World, endpoint: str, body: bytes, content_type: str = FORM, authorization: str = BASIC) -> Any:
    return gatehouse.browser.generic(
        "POST", f"/o/{endpoint}", body, content_type=content_type, headers={"authorization": authorization}
    )


def is_an_answer(response: HttpResponse) -> dict[str, Any]:
    assert response.status_code < 500, response.content
    assert response["Content-Type"] == "application/json"
    answer: dict[str, Any] = json.loads(response.content)
    assert response.status_code == 200 or {"error", "error_description"} <= set(answer)
    return answer


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"grant_type=client_credentials&grant_type=client_credentials&token=x", 400),
        (b"grant_type=client_credentials&scope=a&scope=b&token=x", 400),
        (b"grant_type=client_credentials&grant%5Ftype=password&token=x", 400),
        (b"grant_type=%zz&token=x", 400),
        (b"grant_type=%&token=x", 400),
        (b"grant_type=%0&token=x", 400),
        (b"grant_type=%00&token=x", 400),
        (b"grant_type=a\0b&token=x", 400),
        (b"grant_type=%ff%fe&token=x", 400),
        (b"grant_type=%ed%a0%80&token=x", 400),
        (b"\xff\xfe=\xff&token=x", 400),
        (b"&" * 200, 400),
        (b"a=b&" * 50, 400),
        (b"x=" + b"a" * 1_000_000, 413),
        (b"x=" + b"a" * 65_535, 413),
        (b"", 400),
        (b"=", 400),
        (b"grant_type", 400),
    ],
)
def test_a_body_that_reads_in_two_ways_is_refused(gatehouse: World, endpoint: str, body: bytes, status: int) -> None:
    response = send(gatehouse, endpoint, body)
    is_an_answer(response)
    assert response.status_code == status


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(
    "content_type",
    ["application/json", "multipart/form-data; boundary=x", "text/plain", "application/xml", "x", "", "é/é"],
)
def test_another_media_type_is_refused(gatehouse: World, endpoint: str, content_type: str) -> None:
    body = b'{"grant_type":"client_credentials","token":"x"}' if "json" in content_type else b"grant_type=a&token=x"
    assert is_an_answer(send(gatehouse, endpoint, body, content_type))["error"] == "invalid_request"


@pytest.mark.parametrize("content_type", [f"{FORM}; charset=UTF-8", FORM.upper(), f"{FORM} ;charset=utf-8"])
def test_the_right_one_may_be_spelt_freely(gatehouse: World, content_type: str) -> None:
    assert send(gatehouse, "token", b"grant_type=client_credentials", content_type).status_code == 200


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "get"])
def test_other_methods_are_refused_by_name(gatehouse: World, endpoint: str, method: str) -> None:
    response = gatehouse.browser.generic(method, f"/o/{endpoint}?token=x", headers={"authorization": BASIC})
    assert response.status_code == 405
    assert response["Allow"] == "POST, OPTIONS"
    assert response["Content-Type"] == "application/json"


@pytest.mark.parametrize("length", ["-1", "1e9", "+5", "0x10", "99999999999999999999", "five"])
def test_a_lying_length_is_no_crash(gatehouse: World, length: str) -> None:
    response = gatehouse.browser.post("/o/token", "grant_type=x", content_type=FORM, CONTENT_LENGTH=length)
    is_an_answer(response)


def test_the_query_string_neither_adds_nor_overrides(gatehouse: World) -> None:
    response = gatehouse.browser.post(
        "/o/token?scope=mcp:write&resource=https://payroll.example.com/mcp&grant_type=password",
        "grant_type=client_credentials",
        content_type=FORM,
        headers={"authorization": BASIC},
    )
    assert is_an_answer(response)["scope"] == "mcp:read"


def test_an_empty_parameter_is_one_left_out(gatehouse: World) -> None:
    assert send(gatehouse, "token", b"grant_type=client_credentials&scope=&resource=&audience").status_code == 200


RAW = [
    "GET /o/token HTTP/1.1\r\nHost: x\r\n\r\n",
    "POST /o/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n",
    "POST /o/token HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\nabcde",
    "POST /o/token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    f"POST /o/token HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\nTransfer-Encoding: chunked\r\n\r\n"
    "3\r\na=b\r\n0\r\n\r\n",
    f"POST /o/token HTTP/1.1\r\nHost: x\r\nAuthorization: {BASIC}\r\nAuthorization: Bearer x\r\n"
    f"Content-Type: {FORM}\r\nContent-Length: 29\r\n\r\ngrant_type=client_credentials",
    "POST /o/%74oken HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    "POST /o/../o/token HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /o/jwks\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /o/authorize?\xff\xfe=%ff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "GET /o/authorize?client_id=" + "a" * 70_000 + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "BREW /o/token HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
]


@pytest.mark.parametrize("request_text", RAW)
def test_bytes_on_the_wire_never_make_the_server_fail(server: RunningGatehouse, request_text: str) -> None:
    import socket
    from urllib.parse import urlsplit

    port = urlsplit(server.issuer).port
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(
            request_text.replace("HTTP/1.1\r\n", "HTTP/1.1\r\nConnection: close\r\n", 1).encode("latin-1")
        )
        answer = b""
        try:
            while chunk := connection.recv(65536):
                answer += chunk
        except ConnectionResetError:
            pass
    # The HTTP server may hang up on what is not HTTP; whatever it answers is no failure.
    assert not answer or int(answer.split(b" ", 2)[1]) < 500
    assert b"access_token" not in answer
    assert server.ask("GET", server.url("jwks")).status_code == 200


# --- Fuzz ----------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(
    [
        "grant_type",
        "client_id",
        "client_secret",
        "client_assertion",
        "client_assertion_type",
        "code",
        "code_verifier",
        "redirect_uri",
        "scope",
        "resource",
        "refresh_token",
        "token",
        "token_type_hint",
        "response_type",
        "state",
        "nonce",
        "prompt",
        "max_age",
        "request",
        "request_uri",
        "response_mode",
        "code_challenge",
        "code_challenge_method",
        "acr_values",
        "login_hint",
        "audience",
        "subject_token",
    ]
) | st.text(max_size=8)
VALUES = (
    st.sampled_from(
        [
            "client_credentials",
            "authorization_code",
            "refresh_token",
            "nightly-report",
            "desktop-app",
            "signing-agent",
            "code",
            "S256",
            "none",
            "mcp:read",
            "openid",
            "http://127.0.0.1:9200/mcp",
            "https://app.example.com/callback",
            "e30.e30.e30",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ]
    )
    | st.sampled_from([world.CHALLENGE, world.VERIFIER, SECRET])
    | st.text(max_size=40)
    | st.integers().map(str)
)
FUZZ = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def form(pairs: list[tuple[str, str]]) -> bytes:
    from urllib.parse import urlencode

    return urlencode(pairs, errors="surrogatepass").encode()


class TestFuzz:
    @FUZZ
    @given(
        endpoint=st.sampled_from(ENDPOINTS),
        body=st.binary(max_size=200) | st.lists(st.tuples(NAMES, VALUES), max_size=8).map(form),
        authorization=st.sampled_from([BASIC, "", basic_header("notes-server", world.SERVER_SECRET)])
        | st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=30),
    )
    def test_a_machine_endpoint_always_answers_in_json_and_never_fails(
        self, gatehouse: World, endpoint: str, body: bytes, authorization: str
    ) -> None:
        is_an_answer(send(gatehouse, endpoint, body, authorization=authorization))

    @FUZZ
    @given(
        changes=st.dictionaries(NAMES, VALUES, max_size=4),
        raw=st.binary(max_size=40).map(lambda raw: raw.decode("latin-1")) | st.just(""),
        signed_in=st.booleans(),
    )
    def test_the_authorization_endpoint_never_fails_and_redirects_only_home(
        self, gatehouse: World, changes: dict[str, str], raw: str, signed_in: bool
    ) -> None:
        gatehouse.browser.logout()
        if signed_in:
            gatehouse.browser.force_login(world.person("bob"), backend="authz.sign_in.password_backend.PasswordBackend")
        encodable = {name: value.encode(errors="replace").decode() for name, value in changes.items()}
        path, _, query = gatehouse.authorize_url(
            **{name.encode(errors="replace").decode(): value for name, value in encodable.items()}
        ).partition("?")
        response = gatehouse.browser.get(path, QUERY_STRING=query + raw)
        assert response.status_code < 500
        location = response.get("Location", "/accounts/")
        assert location.startswith((world.REDIRECT, "http://127.0.0.1", "/accounts/"))
