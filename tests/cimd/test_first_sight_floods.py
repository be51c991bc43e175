"""Floods of first sights, and the logos of documents (attack 10)."""

import threading
from typing import Any

import pytest
from django.db import connection

from authz.configuration import apply
from authz.models import Client
from authz.protocol.errors import OAuthError
from cimd import approval_queue, budget, logos, resolver, settlement
from cimd.models import DocumentVersion, FetchWindow, Logo
from cimd.reasons import Reason
from tests.cimd.discovered import TRUSTED, age, find, refusal
from tests.cimd.pictures import picture
from tests.support import world
from tests.support.document_host import DocumentHost, reply

# --- Floods ----------------------------------------------------------------------------------------------------------


def test_first_sights_of_one_host_are_budgeted(
    trusting: world.World, documents: DocumentHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "FIRST_SIGHTS", budget.Limits(2, 8, 5, 240))
    urls = [documents.document(f"/{number}.json") for number in range(10)]
    monkeypatch.setattr(budget, "MINUTE", 10**9)  # the minute does not turn while we look
    for url in urls[:5]:
        find(url)
    assert [refusal(url) for url in urls[5:]] == [Reason.BUSY] * 5
    assert documents.connections == 5
    assert set(FetchWindow.objects.values_list("count", flat=True)) == {5}
    assert find(urls[0]).client_id == urls[0]


def test_a_known_client_is_refreshed_although_first_sights_are_spent(
    trusting: world.World, documents: DocumentHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = documents.document()
    find(url)
    monkeypatch.setattr(budget, "FIRST_SIGHTS", budget.Limits(0, 0, 0, 0))
    assert refusal(documents.document("/new.json")) is Reason.BUSY
    age()
    assert find(url).client_id == url
    assert documents.seen("/client.json") == 2


def test_the_approval_queue_is_bounded(
    gatehouse: world.World, documents: DocumentHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approval_queue, "PENDING_PER_HOST", 3)
    for number in range(3):
        find(documents.document(f"/{number}.json"))
    assert refusal(documents.document("/more.json")) is Reason.QUEUE_FULL
    assert documents.seen("/more.json") == 0
    assert find(documents.url("/0.json")).status == Client.Status.PENDING


def test_old_versions_are_forgotten_but_for_those_in_force(
    trusting: world.World, documents: DocumentHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement, "MAX_VERSIONS", 2)
    url = documents.document(client_name="0")
    for number in range(1, 6):
        find(url)
        documents.document(client_name=str(number))
        age()
    assert find(url).name == "5"
    assert DocumentVersion.objects.count() <= 4


@pytest.mark.django_db(transaction=True)
def test_concurrent_first_sights_of_one_url_make_one_fetch(
    committed_gatehouse: world.World, documents: DocumentHost
) -> None:
    apply(TRUSTED)
    documents.document()
    handler = documents.handlers["/client.json"]
    url = documents.serve("/client.json", slowly(handler, 0.5))
    found: list[Any] = []

    def look() -> None:
        try:
            found.append(find(url).client_id)
        except OAuthError as error:
            found.append(error.reason)
        finally:
            connection.close()

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found == [url] * 6
    assert documents.seen("/client.json") == 1


def slowly(handler: Any, seconds: float) -> Any:
    def later(connection: Any, head: str) -> None:
        threading.Event().wait(seconds)
        handler(connection, head)

    return later


# --- Logos -----------------------------------------------------------------------------------------------------------


def test_a_logo_is_drawn_anew_and_served_from_our_origin(trusting: world.World, documents: DocumentHost) -> None:
    documents.serve("/logo.jpg", reply(picture("JPEG", 400), content_type="image/jpeg"))
    client = find(documents.document(logo_uri=documents.url("/logo.jpg")))
    path = resolver.presentation(client)["logo_url"]
    response = trusting.browser.get(path)
    assert response["Content-Type"] == "image/png"
    assert response.content.startswith(b"\x89PNG")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert trusting.browser.get(path.replace("client-logos/", "client-logos/0")).status_code == 404


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
        ("image/png", b"<svg/>"),
        ("image/png", b""),
        ("image/png", picture("PNG")[:60]),
        ("image/png", picture("PNG", 3000)),
        ("image/png", picture("BMP")),
        ("text/html", picture("PNG")),
    ],
)
def test_a_logo_that_cannot_be_used_is_left_out(
    content_type: str, body: bytes, trusting: world.World, documents: DocumentHost
) -> None:
    documents.serve("/logo", reply(body, content_type=content_type))
    client = find(documents.document(logo_uri=documents.url("/logo")))
    assert resolver.presentation(client) == {}
    assert Logo.objects.count() == 0


def test_the_logo_of_a_client_that_waits_is_not_fetched(gatehouse: world.World, documents: DocumentHost) -> None:
    find(documents.document(logo_uri=documents.url("/logo.png")))
    assert documents.seen("/logo.png") == 0


def test_with_trust_in_its_host_comes_the_logo(gatehouse: world.World, documents: DocumentHost) -> None:
    documents.serve("/logo.png", reply(picture("PNG"), content_type="image/png"))
    url = documents.document(logo_uri=documents.url("/logo.png"))
    assert find(url).status == Client.Status.PENDING
    apply(TRUSTED)
    for _ in range(3):
        client = find(url)
    assert client.status == Client.Status.APPROVED
    assert resolver.presentation(client)["logo_url"]
    assert documents.seen("/logo.png") == 1
    assert documents.seen("/client.json") == 2


def test_a_picture_loses_everything_but_its_pixels() -> None:
    drawn = logos.redrawn(picture("PNG", 300, text={"Comment": "<script>"}))
    assert b"script" not in drawn
    assert len(drawn) < 40_000
