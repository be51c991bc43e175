"""Clients that introduce themselves push their requests (RFC 9126), with the URL of their document as `client_id`."""

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from authz.conf import conf
from tests.cimd.discovered import CALLBACK
from tests.grants.test_par import allowed, url
from tests.support import world
from tests.support.document_host import DocumentHost
from tests.support.dpop import DpopKey
from tests.support.world import VERIFIER


def push(gatehouse: world.World, client_id: str, **headers: str) -> Any:
    wanted = gatehouse.authorize_url(client_id=client_id, redirect_uri=CALLBACK)
    return gatehouse.post("par", dict(parse_qsl(urlsplit(wanted).query)), **headers)


def test_it_is_fetched_at_the_push_and_its_code_is_bound(trusting: world.World, documents: DocumentHost) -> None:
    client_id, key = documents.document(), DpopKey()
    pushed = push(trusting, client_id, dpop=key.proof(conf.endpoint("par")))
    assert pushed.status_code == 201, pushed.content
    trusting.sign_in("bob")
    given = allowed(trusting, url(json.loads(pushed.content)["request_uri"], client_id))
    form = {"grant_type": "authorization_code", "code": given["code"], "code_verifier": VERIFIER}
    form |= {"client_id": client_id, "redirect_uri": CALLBACK}
    # Attack: a thief of the code has not the key.
    assert trusting.post("token", form, dpop=DpopKey().proof()).status_code == 400
    answer = json.loads(trusting.post("token", form, dpop=key.proof()).content)
    assert (answer["token_type"], world.claims(answer["access_token"])["cnf"]) == ("DPoP", {"jkt": key.jkt})


def test_a_reference_is_no_other_documents(trusting: world.World, documents: DocumentHost) -> None:
    mine, theirs = documents.document(), documents.document("/other.json")
    reference = json.loads(push(trusting, mine).content)["request_uri"]
    trusting.sign_in("bob")
    assert trusting.browser.get(url(reference, theirs)).status_code == 400


def test_a_redirect_uri_that_the_document_does_not_have(trusting: world.World, documents: DocumentHost) -> None:
    wanted = trusting.authorize_url(client_id=documents.document(), redirect_uri="https://evil.example/callback")
    answer = trusting.post("par", dict(parse_qsl(urlsplit(wanted).query)))
    assert (answer.status_code, json.loads(answer.content)["error"]) == (400, "invalid_request")
