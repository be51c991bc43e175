"""The connection goes to a checked address, and all else is the name's (attack 2)."""

from typing import Any

from django.conf import settings

from authz.outbound import Cause, fetch
from tests.outbound.support import DOCUMENT, OK, allowing, refused
from tests.support.document_host import DocumentHost, reply


def test_certificate_sni_and_host_are_the_names_while_the_connection_is_pinned(
    host: DocumentHost, names: dict[str, list[str]], connected: list[Any]
) -> None:
    names["client.example.com"] = ["127.0.0.1"]
    host.serve("/client.json", reply(OK))
    assert fetch(DOCUMENT, host.url("/client.json", "client.example.com")).body == OK
    assert f"Host: client.example.com:{host.port}\r\n" in host.requests[0]
    assert names["queries"].count("client.example.com") == 1
    assert connected == [("127.0.0.1", host.port)]


def test_a_certificate_for_another_name_is_refused(host: DocumentHost, names: dict[str, list[str]]) -> None:
    names["other.example.com"] = ["127.0.0.1"]
    bundle = settings.GATEHOUSE["OUTBOUND_CA_BUNDLE"]
    with allowing(("other.example.com", host.port), bundle=bundle):
        assert refused(host.url("/client.json", "other.example.com")).cause is Cause.TLS
    assert host.requests == []


def test_a_certificate_of_an_unknown_ca_is_refused(host: DocumentHost) -> None:
    with allowing(("localhost", host.port)):
        assert refused(host.url("/client.json")).cause is Cause.TLS
    assert host.requests == []
