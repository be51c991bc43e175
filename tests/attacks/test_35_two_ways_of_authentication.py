"""Attack 35: any Authorization header counts as a method of client authentication; with another one there are two (RFC
6749 §2.3).
"""

import base64
import json
import socket
from urllib.parse import urlsplit

import pytest

from authz.models import AuditEvent
from tests.support.processes import RunningGatehouse
from tests.support.world import SECRET, World, basic_header

pytestmark = pytest.mark.any_database

RIGHT = basic_header("posting-agent", SECRET)
HEADERS = [
    "",
    " ",
    "Basic",
    "basic",
    "BASIC",
    "Basic ",
    "Basic\t",
    f"Basic\t{RIGHT[6:]}",
    f"basic\t{RIGHT[6:]}",
    "Basic ,",
    "Basic =",
    RIGHT,
    f"{RIGHT},{RIGHT}",
    f"Basic,{RIGHT}",
    "Bearer",
    "Bearer x",
    "DPoP x",
    "Negotiate",
    "x",
    ",",
    RIGHT[6:],
]


@pytest.mark.parametrize("authorization", HEADERS)
@pytest.mark.parametrize("endpoint", ["token", "introspect", "revoke"])
def test_a_header_beside_a_secret_is_two_ways(gatehouse: World, endpoint: str, authorization: str) -> None:
    params = {"grant_type": "client_credentials", "token": "x", "client_id": "posting-agent", "client_secret": SECRET}
    answer = gatehouse.post(endpoint, params, authorization=authorization)
    assert (answer.status_code, json.loads(answer.content)["error"]) == (400, "invalid_request")
    event = AuditEvent.objects.order_by("id").last()
    assert event is not None
    assert event.reason == "client_authentication_mixed"


@pytest.mark.parametrize("authorization", [header for header in HEADERS if "," not in header and header != RIGHT])
def test_a_header_that_says_nothing_is_not_a_public_client(gatehouse: World, authorization: str) -> None:
    params = {"grant_type": "authorization_code", "code": "x", "client_id": "desktop-app"}
    answer = gatehouse.post("token", params, authorization=authorization)
    assert (answer.status_code, json.loads(answer.content)["error"]) == (401, "invalid_client")
    assert answer["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize("name", ["a\0b", "nightly-report\0", "a%00b", "nightly%0areport", "\x7f", "\t", "%1f"])
def test_an_id_with_control_characters_is_none(gatehouse: World, name: str) -> None:
    header = "Basic " + base64.b64encode(f"{name}:{SECRET}".encode()).decode()
    answer = gatehouse.post("token", {"grant_type": "client_credentials"}, authorization=header)
    assert (answer.status_code, json.loads(answer.content)["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    "lines",
    [
        [f"Authorization: {RIGHT}", f"Authorization: {RIGHT}"],
        [f"Authorization: {RIGHT}", "authorization: Bearer x"],
        ["Authorization: Basic", f"Authorization: {RIGHT}"],
        [f"Authorization: {RIGHT}", "Authorization:"],
        ["Authorization:", "Authorization:"],
    ],
)
def test_several_headers_are_several_ways(server: RunningGatehouse, lines: list[str]) -> None:
    target, body = urlsplit(server.issuer), b"grant_type=client_credentials"
    head = [
        f"POST {target.path}/token HTTP/1.1",
        f"Host: {target.netloc}",
        "Connection: close",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}",
        *lines,
    ]
    with socket.create_connection((target.hostname or "", target.port or 0), timeout=30) as connection:
        connection.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"invalid_request"' in answer
