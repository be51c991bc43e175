"""Attack 41: unknown clients cannot block the queue, and an agent that a person asked for stays."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from authz.configuration import apply
from authz.database import configuration_cache
from authz.models import AccessRequest, Authorization, Client, Notification
from authz.protocol.errors import OAuthError
from cimd import approval_queue
from cimd.models import Document
from cimd.reasons import Reason
from tests.support import world
from tests.support.document_host import DocumentHost

NOW = time.time()
CALLBACK = "http://localhost:51999/callback"


def stranger(url: str, status: str = "pending", **of_document: Any) -> Client:
    """A client as a first sight leaves it."""
    host = url.split("/")[2]
    client = Client.objects.create(client_id=url, registration_source="cimd", status=status)
    values = {"approval": "host" if status == "approved" else "", "fetched": NOW - 1, **of_document}
    Document.objects.create(url=url, host=host, origin=f"https://{host}", client=client, **values)
    return client


def arrives(url: str) -> bool:
    """Whether there is room for one more; it takes it."""
    configuration_cache.begin()
    host = url.split("/")[2]
    try:
        approval_queue.require_room(host, NOW)
        approval_queue.make_room(host, NOW)
    except OAuthError as full:
        assert full.reason is Reason.QUEUE_FULL
        return False
    stranger(url)
    return True


def waiting() -> list[str]:
    return list(Client.objects.filter(registration_source="cimd").order_by("pk").values_list("client_id", flat=True))


@pytest.fixture(autouse=True)
def _small(gatehouse: world.World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approval_queue, "PENDING", 6)
    monkeypatch.setattr(approval_queue, "PENDING_PER_HOST", 4)
    monkeypatch.setattr(approval_queue, "CLIENTS_PER_HOST", 5)


def test_hosts_that_fill_the_queue_push_out_their_own() -> None:
    honest = stranger("https://honest.example/c.json")
    for number in range(12):
        assert arrives(f"https://{'ab'[number % 2]}.evil.example/{number}.json")
    assert honest.client_id in waiting()
    assert arrives("https://newcomer.example/c.json")
    assert len(waiting()) == 6
    for number in range(12, 20):
        arrives(f"https://a.evil.example/{number}.json")
    assert {honest.client_id, "https://newcomer.example/c.json"} <= {*waiting()}


def test_hosts_without_number_never_shut_it() -> None:
    for number in range(40):
        assert arrives(f"https://{number}.evil.example/c.json")
    assert len(waiting()) == 6


TOUCHED: list[Callable[[Client], object]] = [
    lambda client: Document.objects.filter(client=client).update(asked_for=True),
    lambda client: Document.objects.filter(client=client).update(approval="person"),
    lambda client: Document.objects.filter(client=client).update(lease_until=NOW + 10),
    lambda client: Client.objects.filter(pk=client.pk).update(owner=world.person("alice")),
    lambda client: Client.objects.filter(pk=client.pk).update(status="suspended"),
    lambda client: Authorization.objects.create(client=client, grant_type="x", created="2026-01-01T00:00:00Z"),
    lambda client: AccessRequest.objects.create(
        digest="x", client=client, first_asked="2026-01-01T00:00:00Z", last_asked="2026-01-01T00:00:00Z"
    ),
]


@pytest.mark.parametrize("touch", TOUCHED)
def test_a_client_that_a_person_asked_for_is_not_replaced(touch: Callable[[Client], object]) -> None:
    first = stranger("https://0.example/c.json")
    touch(first)
    for number in range(1, 20):
        assert arrives(f"https://{number}.example/c.json")
    assert first.client_id in waiting()


def test_a_host_has_so_many_that_wait_and_they_make_room_after_an_hour() -> None:
    for number in range(4):
        assert arrives(f"https://shared.example/{number}.json")
    assert not arrives("https://shared.example/more.json")
    Document.objects.filter(url="https://shared.example/2.json").update(fetched=NOW - 4000)
    assert arrives("https://shared.example/more.json")
    assert "https://shared.example/2.json" not in waiting()


def test_a_trusted_host_is_never_bound_for_ever() -> None:
    apply("cimd: {trusted_hosts: [trusted.example]}")
    used = [stranger(f"https://trusted.example/used-{number}.json", "approved") for number in range(8)]
    for client in used:
        Authorization.objects.create(client=client, grant_type="x", created="2026-01-01T00:00:00Z")
    for number in range(20):
        assert arrives(f"https://trusted.example/{number}.json")
    assert {client.client_id for client in used} <= {*waiting()}
    assert len(waiting()) == 8 + 5


def test_who_is_asked_for_waits_apart_from_strangers(
    gatehouse: world.World, documents: DocumentHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bob uses an agent that is not approved, and presses the button."""
    url = documents.document()
    gatehouse.sign_in("bob")
    flow = {"client_id": url, "redirect_uri": CALLBACK}
    gatehouse.browser.get(gatehouse.authorize_url(**flow))
    assert Document.objects.get().asked_for is False
    gatehouse.ask(**flow)
    assert Document.objects.get().asked_for is True
    assert Notification.objects.get().recipient == world.person("alice")
    for number in range(20):
        assert arrives(f"https://{number}.evil.example/c.json")
    assert url in waiting()
