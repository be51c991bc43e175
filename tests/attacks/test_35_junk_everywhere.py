"""Attack 35: junk at every machine endpoint and every operation of the API is a 4xx, on every database, and never a
5xx.
"""

import base64
import json
from itertools import cycle
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.test import Client as Browser

from authz.api.framework import schema
from authz.conf import conf
from authz.configuration import apply
from authz.models import Client, User
from authz.protocol import strict_json
from authz.protocol.strict_json import StrictJsonError
from tests.support.assertions import client_assertion
from tests.support.rotation import part
from tests.support.world import SECRET, World, agent_key, basic_header
from tests.xaa.company import JWT_BEARER, TOKEN_EXCHANGE

FORM = "application/x-www-form-urlencoded"
# Bytes as they stand in a form, a query or a path, percent-encoded.
ENCODED = [
    "%00", "a%00b", "%ED%A0%80", "%FF%FE", "%C0%AF", "%F4%90%80%80", "%EF%BF%BF", "%E2%80%AE", "%0D%0A", "%7F",
    "9" * 5000, "0000000019999999", "-1", "1e999", "NaN", "%D9%A3", "9223372036854775808", "%5B%5D", "%7B%7D",
    "'%22%3B--",
    "urn:x:" + "a" * 4000, "9999-12-31T23%3A59%3A59-14%3A00", "0001-01-01T00%3A00%3A00%2B14%3A00", "%F0%9F%A4%96", "*",
]  # fmt: skip
PARAMETERS = [
    "grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type", "code", "code_verifier",
    "redirect_uri", "refresh_token", "scope", "resource", "audience", "token", "token_type_hint", "assertion",
    "subject_token", "subject_token_type", "requested_token_type", "actor_token", "authorization_details",
]  # fmt: skip
BASIC = basic_header("nightly-report", SECRET)


def never_broken(response: Any, told: object) -> None:
    # The trusted issuer of these tests does not answer: that its keys cannot be had is no fault of ours.
    if response.status_code == 503 and response.headers["Content-Type"] == "application/json":
        assert json.loads(response.content)["error"] == "temporarily_unavailable", told
        return
    assert response.status_code < 500, (told, response.status_code, response.content[:300])


@pytest.mark.parametrize("endpoint", ["token", "introspect", "revoke"])
@pytest.mark.parametrize("name", PARAMETERS)
def test_no_parameter_breaks_a_machine_endpoint(gatehouse: World, endpoint: str, name: str) -> None:
    good = {"grant_type": "client_credentials", "token": "x", "code": "x", "refresh_token": "x", "assertion": "x"}
    grants = ["client_credentials", "authorization_code", "refresh_token", JWT_BEARER, TOKEN_EXCHANGE]
    for turn, junk in enumerate(ENCODED, PARAMETERS.index(name)):
        for grant in part(grants, turn, len(grants)) if endpoint == "token" else grants[:1]:
            rest = {**good, "grant_type": grant}
            rest.pop(name, None)
            body = f"{urlencode(rest)}&{name}={junk}"
            headers = {} if name.startswith("client_") else {"authorization": BASIC}
            answer = gatehouse.browser.post(f"/o/{endpoint}", body, content_type=FORM, headers=headers)
            never_broken(answer, (name, junk[:40], grant))


def segment(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


HEADERS: list[object] = [
    {"alg": "ES256", "kid": "k" * 100_000},
    {"alg": "ES256", "kid": "k" * 10_000},
    {"alg": "ES256", "kid": "a\0b"},
    {"alg": "ES256", "kid": "\ud800"},
    {"alg": "ES256", "kid": 1},
    {"alg": "ES256", "kid": ["a"]},
    {"alg": "ES256", "kid": None},
    {"alg": "a" * 10_000},
    {"alg": ["ES256"]},
    {"alg": {"ES256": 1}},
    {"alg": None},
    {"alg": True},
    {"alg": "ES256", "typ": "t" * 10_000},
    {"alg": "ES256", "typ": {}},
    {"alg": "ES256", "typ": "\0"},
    {"alg": "ES256", "cty": {"a": [[[]]]}},
    {"alg": "ES256", "x": [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]},
    [],
    "x",
    1,
    None,
    {},
    '{"alg":"ES256","alg":"none"}',
    '{"alg":"ES256","x":1e999}',
    '{"alg":"ES256","x":NaN}',
    '{"alg":"ES256","x":' + "9" * 5000 + "}",
    "{" * 5000,
    "[" * 5000 + "]" * 5000,
    "\ufeff{}",
]
TIMES: list[object] = [
    True, False, "1", "x", "", [], {}, None, -1, -(10**15), 1e300, 1.5, 0, 2**53, 2**53 - 1, 2**63, 10**400, -0.0,
    "9999-12-31", 253402300800,
]  # fmt: skip
RAW_TIMES = ["1e999", "-1e999", "NaN", "Infinity", "1" + "0" * 4999, "0.1e-9999", "1E+0400"]


def everywhere(token: str) -> list[dict[str, str]]:
    """The forms in which a JWT may be shown to the token endpoint."""
    kind = "urn:ietf:params:oauth:token-type:id_token"
    return [
        client_assertion() | {"grant_type": "client_credentials", "client_assertion": token},
        {"grant_type": JWT_BEARER, "assertion": token},
        {"grant_type": JWT_BEARER, "assertion": token, "client_id": "posting-agent", "client_secret": SECRET},
        {"grant_type": TOKEN_EXCHANGE, "subject_token": token, "subject_token_type": kind,
         "client_id": "posting-agent", "client_secret": SECRET},
    ]  # fmt: skip


def shown_everywhere(gatehouse: World, token: str, told: object) -> None:
    for params in everywhere(token):
        never_broken(gatehouse.token(**params), (told, params["grant_type"]))
    for endpoint in ("introspect", "revoke"):
        answer = gatehouse.post(endpoint, {"token": token}, authorization=BASIC)
        never_broken(answer, (told, endpoint))
    for path in ("/o/userinfo", "/api/v1/me", "/o/register/x"):
        answer = gatehouse.browser.get(path, headers={"authorization": f"Bearer {token}"})
        never_broken(answer, (told, path))
        assert answer.status_code != 200


@pytest.fixture
def with_every_grant(gatehouse: World) -> World:
    """The posting agent and the signing agent may try each grant."""
    apply("trusted_issuers: [{issuer: 'https://idp.example.com', name: I, accepts: [id-jag, id_token, workload]}]")
    every = ["client_credentials", JWT_BEARER, TOKEN_EXCHANGE]
    for name in ("posting-agent", "signing-agent"):
        row = Client.objects.get(client_id=name)
        row.grant_types = every
        row.save()
    return gatehouse


@pytest.mark.parametrize("number", range(len(HEADERS)))
def test_no_header_of_a_jwt_breaks_anything(with_every_grant: World, number: int) -> None:
    claims = {"iss": "https://idp.example.com", "sub": "signing-agent", "aud": conf.issuer, "exp": 2**40, "jti": "x"}
    header = HEADERS[number]
    try:
        token = f"{segment(header)}.{segment(claims)}.{segment('x' * 64)}"
    except UnicodeEncodeError:
        token = f"{segment(json.dumps(header))}.{segment(claims)}.{segment('x')}"
    shown_everywhere(with_every_grant, token, number)


@pytest.mark.parametrize("claim", ["exp", "iat", "nbf", "jti", "iss", "sub", "aud", "auth_time", "scope", "client_id"])
def test_no_claim_of_a_signed_assertion_breaks_anything(with_every_grant: World, claim: str) -> None:
    strings = ["", "a\0b", "\ud800", "k" * 8000, "\u202e", "9" * 5000]
    for value in [*TIMES, *strings, [[[[]]]], {"a": {"b": {}}}]:
        try:
            params = client_assertion(**{claim: value})
        except (TypeError, ValueError):
            continue
        answer = with_every_grant.token(grant_type="client_credentials", **params)
        never_broken(answer, (claim, str(value)[:40]))


@pytest.mark.parametrize("claim", ["exp", "iat", "nbf", "auth_time"])
@pytest.mark.parametrize("raw", RAW_TIMES)
def test_no_number_that_json_does_not_have_breaks_anything(with_every_grant: World, claim: str, raw: str) -> None:
    import jwt.algorithms  # as PyJWT would not write such a number

    text = f'{{"iss":"signing-agent","sub":"signing-agent","aud":"{conf.issuer}","jti":"x","{claim}":{raw}}}'
    body = f"{segment({'alg': 'ES256'})}.{segment(text)}"
    signature = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256).sign(body.encode(), agent_key())
    token = f"{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    shown_everywhere(with_every_grant, token, (claim, raw[:20]))


LINES = {
    "authorization": [
        "Basic " + "=" * 100,
        "Bearer " + "x" * 50_000,
        "Basic /w==",
        "Bearer é",
        "\x7f",
        "Bearer \ud83d",
    ],
    "traceparent": ["00-" + "f" * 32 + "-" + "f" * 16 + "-01", "x" * 5000, "00-é", "ff-\x01"],
    "content-type": ["x", ";", f"{FORM}; charset=bogus", "multipart/form-data", "é", f"{FORM}; charset=utf-7", "/"],
    "accept": ["x" * 5000, "é", ";q=", "application/json;q=1e999", "*/*;q=NaN", "application/yaml;" * 100],
    "if-match": ["x" * 5000, "é", '"', "W/", "*", ","],
    "if-none-match": ["é", '"', "," * 1000, "W/*"],
    "if-modified-since": ["x", "Thu, 99 Foo 99999 99:99:99 GMT", "9" * 5000, "Mon, 01 Jan 0001 00:00:00 GMT"],
    "origin": ["null", "é", "x" * 5000, "http://[::1"],
    "accept-language": ["x" * 5000, "é", ";q=1e999", "-" * 500],
    "cookie": ["sessionid=a\x01b", "sessionid=" + "x" * 5000, "=", "é=é", "csrftoken=%00", "sessionid=%00"],
    "host": ["[", "x" * 300, "é", "a_b", "a..b", "%00"],
}


@pytest.mark.parametrize("header", LINES)
def test_no_header_line_breaks_anything(gatehouse: World, header: str) -> None:
    name = header.upper().replace("-", "_")
    key = name if name.startswith("CONTENT_") else f"HTTP_{name}"
    paths = ["token", "introspect", "revoke", "jwks", "authorize?client_id=desktop-app", "userinfo", "register"]
    for path in [*(f"/o/{each}" for each in paths), "/api/v1/me", "/api/v1/configuration", "/accounts/login/", "/"]:
        for line in LINES[header]:
            value = line.encode("utf-8", "surrogatepass").decode("latin-1")
            for method in ("GET", "POST"):
                answer: Any = gatehouse.browser.generic(method, path, "grant_type=x&token=x", FORM, **{key: value})
                never_broken(answer, (method, path, line[:40]))


def operations() -> list[tuple[str, str]]:
    return [
        (method.upper(), path)
        for path, found in schema.document()["paths"].items()
        for method in found
        if path != "/api/v1/schema"
    ]


def parameters(method: str, path: str) -> list[str]:
    found = schema.document()["paths"][path][method.lower()].get("parameters", [])
    return [each["name"] for each in found if each["in"] == "query"]


def members(method: str, path: str) -> list[str]:
    """What its body may have, by the schema."""
    content = schema.document()["paths"][path][method.lower()].get("requestBody", {}).get("content", {})
    shape = next(iter(content.values()), {}).get("schema", {})
    if "$ref" in shape:
        shape = schema.document()["components"]["schemas"][shape["$ref"].rpartition("/")[2]]
    return list(shape.get("properties", {}))


JSON: list[str] = [
    '"a\\u0000b"', '"\\ud800"', '"\\udc00x"', "1e999", "-1e999", "NaN", "Infinity", "9" * 5000, "9007199254740993",
    "-1", "0", "1.5", "true", "null", "[]", "{}", "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]", '{"a":{"a":{"a":{}}}}', '""',
    '["a\\u0000b"]', '[1]', "[null]", '[{}]', '[[]]', '"' + "x" * 10_000 + '"', '"9999-12-31T23:59:59-14:00"',
    '"\\u202e"',
    '["\\u202e"]', '{"\\u0000":1}', "2147483648", "9223372036854775807"[:16], '"9999-12-31"', '"0001-01-01"',
]  # fmt: skip


def is_read(value: str) -> bool:
    """Whether it gets past the parser, which refuses the others wherever they stand in a body."""
    try:
        strict_json.read_object(f'{{"a":{value}}}'.encode())
    except StrictJsonError:
        return False
    return True


READ = [value for value in JSON if is_read(value)]
UNREAD = [value for value in JSON if value not in READ]


@pytest.fixture
def administrator(gatehouse: World) -> Browser:
    browser = Browser()
    browser.force_login(User.objects.get(username="alice"), "authz.sign_in.password_backend.PasswordBackend")
    return browser


@pytest.fixture(autouse=True)
def _no_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("authz.api.framework.view.READS", "1000000/m")
    monkeypatch.setattr("authz.api.framework.view.WRITES", "1000000/m")


def places(method: str, path: str) -> list[str]:
    """The address with something that is there, or could be, and with junk, for which its methods take turns."""
    if "{" not in path:
        return [path]
    before, _, rest = path.partition("{")
    _, _, after = rest.partition("}")
    known = ["1", "nightly-report", "00000000-0000-0000-0000-000000000000"]
    methods = [one for one, other in operations() if other == path]
    junk = part(ENCODED, methods.index(method), len(methods))
    return [f"{before}{value}{after}" for value in (*known, *junk)]


@pytest.mark.parametrize(("method", "path"), operations())
def test_no_address_and_no_query_breaks_an_operation(administrator: Browser, method: str, path: str) -> None:
    first, *others = places(method, path)
    for place in (first, *others):
        answer: Any = administrator.generic(method, place, b"{}", content_type="application/json")
        never_broken(answer, (method, place[:80]))
    known = parameters(method, path)
    # A parameter that an operation does not know is refused by its name. Other operations get other values for it.
    some = part(ENCODED, operations().index((method, path)), 5)
    for name in [*(name for name in known if name != "limit"), "unknown"]:
        for junk in ENCODED if name in known else some:
            address = f"{first}?{quote(name)}={junk}"
            answer = administrator.generic(method, address, b"{}", content_type="application/json")
            never_broken(answer, (method, address[:120]))
    if "limit" in known:
        for junk in [*ENCODED, "0", "201", "00", "01", "%201", "1.0"]:
            assert administrator.get(f"{first}?limit={junk}").status_code == 400, junk


WRITING = [each for each in operations() if each[0] in {"POST", "PUT", "PATCH"}]


@pytest.mark.parametrize(("method", "path"), WRITING)
def test_no_body_breaks_an_operation(administrator: Browser, method: str, path: str) -> None:
    place, turn = places(method, path)[0], WRITING.index((method, path))
    bodies = [*JSON, "", "{", "[", "\ufeff{}", "{" * 5000, '{"a":1,"a":2}']
    types = ("application/json", "application/merge-patch+json" if method == "PATCH" else "application/json")
    # Of whole bodies each operation gets a fourth: the same parser reads them for all.
    tried = list(zip(part(bodies, turn, 4), cycle(types), strict=False))
    # Each value comes as both types, at one member or the next; after the first, each member gets a third of them.
    tried += [
        (f'{{"{name}":{value}}}', types[(number + index) % 2])
        for number, name in enumerate(members(method, path))
        for index, value in enumerate(part(READ, number, 3) if number else [*READ, *part(UNREAD, turn, 4)])
    ]
    for body, content_type in tried:
        answer: Any = administrator.generic(method, place, body.encode(), content_type=content_type)
        never_broken(answer, (method, place, body[:60]))
    for raw in (b"\xff\xfe{}", b'{"a":"\xed\xa0\x80"}', b"{}\0", b'{"a":"\0"}', b"\x80"):
        answer = administrator.generic(method, place, raw, content_type="application/json")
        never_broken(answer, (method, place, raw))
        assert answer.status_code >= 400 or not members(method, path)


FORMS = [
    ("/accounts/login/", {"login": "a\0b", "password": "x"}),
    ("/accounts/login/", {"login": "alice", "password": "x\0"}),
    ("/accounts/login/", {"lo\0gin": "alice", "password": "x"}),
    ("/console/authz/client/1/switch/suspended/", {"reason": "a\0b"}),
    ("/console/cut-off/", {"kind": "client", "name": "nightly-report", "reason": "a\0b"}),
    ("/console/authz/client/add/", {"name": "a\0b"}),
    ("/console/login/", {"username": "a\0b", "password": "x"}),
    ("/account/", {"reason": "a\0b"}),
]


@pytest.mark.parametrize("encoding", [FORM, "multipart/form-data"])
@pytest.mark.parametrize(("path", "form"), FORMS)
def test_no_nul_in_a_form_breaks_a_page(administrator: Browser, path: str, form: dict[str, str], encoding: str) -> None:
    if encoding == FORM:
        answer: Any = administrator.post(path, urlencode(form), content_type=FORM)
    else:
        answer = administrator.post(path, form)
    assert answer.status_code in {400, 404, 405}, (path, answer.status_code)


@pytest.mark.parametrize("place", ["console/authz/client/%00/change/", "accounts/%00", "o/register/%00", "o/x/%00/y"])
def test_no_nul_in_an_address_breaks_a_page(administrator: Browser, place: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        never_broken(administrator.generic(method, f"/{place}"), place)
