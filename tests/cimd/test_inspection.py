"""What client developers are told of their documents (`manage.py cimd inspect`, and the page of it)."""

import json
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from authz.configuration import apply
from authz.database import configuration_cache
from authz.models import Client
from authz.protocol.jwks import public_jwk
from cimd.inspection import Inspection, inspect
from cimd.models import Document
from tests.cimd.pictures import picture
from tests.support import world
from tests.support.document_host import DocumentHost, drip, reply

KEYED = {"token_endpoint_auth_method": "private_key_jwt"}


@pytest.fixture(autouse=True)
def _trusting(gatehouse: world.World) -> None:
    apply("cimd: {trusted_hosts: [localhost]}")


def look(url: str) -> Inspection:
    configuration_cache.begin()
    return inspect(url, time.time())


def told(url: str) -> dict[str, str]:
    """By the name of what was looked at: verdict and explanation, those of one name in lines."""
    found: dict[str, str] = {}
    for check in look(url).checks:
        line = f"{check.verdict} {check.explanation}"
        found[check.name] = f"{found[check.name]}\n{line}" if check.name in found else line
    return found


def test_the_outcome_says_whether_approval_is_needed(documents: DocumentHost) -> None:
    url = documents.document()
    assert look(url).outcome == "The document is accepted."
    apply("cimd: {trusted_hosts: []}")
    assert look(url).outcome == "The document is accepted; its client waits for an approval."
    assert look(documents.document(client_name=...)).outcome == "The document is refused."
    assert Document.objects.count() == Client.objects.filter(registration_source="cimd").count() == 0


def test_a_blocked_host_is_not_asked_by_looking_either(documents: DocumentHost) -> None:
    apply("cimd: {blocked_hosts: [localhost]}")
    assert "refused localhost is blocked" in told(documents.document())["trust"]
    assert documents.connections == 0


def test_a_registered_client_is_not_what_a_document_says(documents: DocumentHost) -> None:
    url = documents.document()
    Client.objects.create(client_id=url, name="Ours", status="approved")
    assert "refused A client is registered here" in told(url)["identifier"]
    assert documents.connections == 0


def test_it_says_what_the_document_calls_itself(documents: DocumentHost) -> None:
    assert "⟨U+2069⟩" in told(documents.document(client_id="https://x\u2069"))["client_id"]
    said = told(documents.document(client_id="https://localhost/other"))["client_id"]
    assert said.startswith("refused") and documents.url("/client.json") in said and "“https://localhost/other”" in said
    assert told(documents.document(client_id=...))["client_id"].endswith("and is no text.")


def test_it_says_what_is_kept_beside_what_is_left_out(documents: DocumentHost) -> None:
    uris = ["http://localhost/callback", "cursor://x/callback"]
    said = told(documents.document(redirect_uris=uris, client_name="A\u202eb", redirect_uri="x", tos_uri="y"))
    assert "narrowed cursor://x/callback" in said["redirect_uris"]
    assert "passed http://localhost/callback" in said["redirect_uris"]
    assert "“A⟨U+202E⟩b”" in said["client_name"]
    assert said["ignored"] == "passed This server does not read redirect_uri, tos_uri."


def test_it_says_where_json_ends_to_be_json(documents: DocumentHost) -> None:
    url = documents.serve("/client.json", reply(b'{\n  "client_id": "x",\n}'))
    assert told(url)["json"] == "refused It is not well-formed JSON: line 3, column 1."


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (reply(b"<p>", content_type="text/html"), "has the wrong content type (HTTP status 200, text/html)."),
        (reply(b"", status="503 No"), "a status other than 200 (HTTP status 503)."),
    ],
)
def test_it_says_why_nothing_came_back(answer: Any, expected: str, documents: DocumentHost) -> None:
    assert told(documents.serve("/client.json", answer))["fetch"].endswith(expected)


def test_it_looks_at_the_keys(documents: DocumentHost) -> None:
    url = documents.document(**KEYED, jwks_uri=documents.url("/jwks.json"))
    assert told(url)["keys"] == (
        "narrowed Nothing that the client signs is believed. "
        "The host answered with a status other than 200 (HTTP status 404)."
    )
    key = public_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), kid="one")
    for body, expected in (
        ({"keys": [key]}, "passed EC one"),
        ({"keys": []}, "narrowed Nothing that the client signs is believed: there is no key"),
        ({"keys": [{**key, "d": "AAAA"}]}, "narrowed Nothing that the client signs is believed: it is not a set"),
        ([], "narrowed Nothing that the client signs is believed. It is not a JSON object."),
    ):
        documents.serve("/jwks.json", reply(json.dumps(body).encode()))
        assert told(url)["keys"].startswith(expected)
    assert not look(url).is_refused


def test_it_looks_at_the_logo(documents: DocumentHost) -> None:
    url = documents.document(logo_uri=documents.url("/logo.png"))
    assert told(url)["logo"].startswith("narrowed It is left out. The host answered with a status other than 200")
    documents.serve("/logo.png", reply(b"<svg/>", content_type="image/png"))
    assert told(url)["logo"].startswith("narrowed It is left out: it is no PNG")
    documents.serve("/logo.png", reply(picture("PNG"), content_type="image/png"))
    assert told(url)["logo"].startswith("passed")


def test_what_a_hostile_host_answers_is_not_written_into_the_log(
    documents: DocumentHost, caplog: pytest.LogCaptureFixture
) -> None:
    """Attack 32: a document injects a line into the log of the person who inspects it."""
    url = documents.serve("/client.json", drip(b"HTTP/1.1 200 OK\r\nX written by a stranger\r\n\r\n{}", every=0.0))
    look(url)
    assert "stranger" not in caplog.text
