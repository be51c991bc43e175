"""Documents as a whole: those of real products, and how others are refused (attacks 4, 11; interop 16, 17)."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authz.protocol.client_metadata import Verdict
from cimd.client_identifier import parse
from cimd.metadata_document import digest, validate
from tests.cimd.documents import CHATGPT, CLAUDE_CODE, CURSOR, JWT_BEARER, URL, VS_CODE, body, terms


@pytest.mark.parametrize("product", [CLAUDE_CODE, VS_CODE, CHATGPT, CURSOR], ids=lambda product: product["client_name"])
def test_real_products_are_accepted(product: dict[str, Any]) -> None:
    url = product["client_id"]
    allowed = terms(host=parse(url).host, custom_schemes=frozenset({"cursor"}))
    judgement = validate(url, json.dumps(product).encode(), allowed)
    assert judgement.refusals == ()
    metadata = judgement.metadata
    assert metadata is not None
    assert metadata.client_name == product["client_name"]
    assert list(metadata.redirect_uris) == product["redirect_uris"]
    assert metadata.grant_types == ("authorization_code", "refresh_token")
    assert metadata.token_endpoint_auth_method == product["token_endpoint_auth_method"]
    assert JWT_BEARER not in metadata.grant_types


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"[]", "json"),
        (b"", "json"),
        (b"<html></html>", "json"),
        (b"\xef\xbb\xbf" + body(), "json"),
        (body().decode().encode("utf-16"), "json"),
        (body() + b"\xff", "json"),
        (body().replace(b'"client_id"', b'"client_id": "https://evil.example/", "client_id"'), "json"),
        (body(x=float("nan")), "json"),
        (body(x=float("inf")), "json"),
        (body().replace(b"}", b', "x": ' + b"[" * 50 + b"]" * 50 + b"}"), "json"),
        (body(client_id=...), "client_id"),
        (body(client_id=None), "client_id"),
        (body(client_id=1), "client_id"),
        (body(client_id=[URL]), "client_id"),
        (body(client_id="https://app.example.com/Client.json"), "client_id"),
        (body(client_id="https://app.example.com:443/client.json"), "client_id"),
        (body(client_id="https://app.example.com/client.json?"), "client_id"),
        (body(client_id="https://app.example.com/clien%74.json"), "client_id"),
        (body(client_id="https://evil.example/client.json"), "client_id"),
        (body(client_secret="s"), "client_secret"),
        (body(client_secret=None), "client_secret"),
        (body(client_secret_expires_at=0), "client_secret_expires_at"),
        (body(token_endpoint_auth_method="client_secret_basic"), "token_endpoint_auth_method"),
        (body(client_name=...), "client_name"),
        (body(redirect_uris=...), "redirect_uris"),
    ],
)
def test_each_refusal_says_what_is_wrong(raw: bytes, name: str) -> None:
    judgement = validate(URL, raw, terms())
    assert judgement.metadata is None
    assert name in {check.name for check in judgement.refusals}
    assert all(check.explanation.endswith((".", "…")) for check in judgement.refusals)


def test_unknown_members_are_ignored() -> None:
    judgement = validate(URL, body(software_id="x", x_vendor={"a": [1, None]}, logo_uri=None), terms())
    assert judgement.metadata is not None
    assert {check.verdict for check in judgement.checks} == {Verdict.PASSED}


def test_a_version_is_known_by_every_byte() -> None:
    assert digest(body()) == digest(body())
    assert digest(body()) != digest(body() + b" ")
    assert len(digest(b"")) == 64


@given(st.binary(max_size=300))
def test_no_bytes_make_the_judging_fail(raw: bytes) -> None:
    assert validate(URL, raw, terms()).metadata is None


@settings(max_examples=300)
@given(st.integers(0, len(body()) - 1), st.binary(min_size=0, max_size=3))
def test_a_damaged_document_is_judged_like_any_other(position: int, noise: bytes) -> None:
    whole = body()
    judgement = validate(URL, whole[:position] + noise + whole[position + 1 :], terms())
    assert (judgement.metadata is None) == bool(judgement.refusals)
