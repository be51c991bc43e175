"""Attacks 7, 10 and 11 on a running server: changes, floods, and what people see."""

import socket
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.attacks.cimd_server import CONFIGURATION, Attacked, no_connection_to_anywhere_else
from tests.cimd.documents import jwks
from tests.cimd.pictures import picture
from tests.support.document_host import reply

__all__ = ["no_connection_to_anywhere_else"]
pytestmark = pytest.mark.any_database


def test_authentication_is_never_downgraded_silently(attacked: Attacked) -> None:
    keyed = {"token_endpoint_auth_method": "private_key_jwt", "jwks": jwks("one")}
    client_id = attacked.documents.document("/downgrade.json", **keyed)
    assert attacked.accepts(client_id)
    attacked.documents.document("/downgrade.json")
    attacked.forget_failures()
    assert attacked.authorize(client_id).status_code == 403  # waits for an approval
    refused = attacked.token(grant_type="authorization_code", client_id=client_id, code="x")
    assert refused.json()["error"] in {"invalid_client", "unauthorized_client"}
    assert attacked.clients(client_id) == [("private_key_jwt", "pending")]


def test_concurrent_first_sights_of_one_document_make_one_fetch_over_all_processes(attacked: Attacked) -> None:
    url = attacked.documents.document("/popular.json")
    document = attacked.documents.handlers["/popular.json"]

    def slowly(connection: socket.socket, head: str) -> None:
        time.sleep(1)
        document(connection, head)

    attacked.documents.serve("/popular.json", slowly)
    with ThreadPoolExecutor(12) as pool:
        statuses = [response.status_code for response in pool.map(attacked.authorize, [url] * 12)]
    assert attacked.documents.seen("/popular.json") == 1
    assert set(statuses) <= {302, 503}  # few may wait for it, so that threads are left for others
    assert statuses.count(302) >= 4


def test_two_hundred_unknown_clients_on_one_slow_host_delay_no_other_and_keep_to_the_budget(attacked: Attacked) -> None:
    documents = attacked.documents
    under_way, most, lock = 0, 0, threading.Lock()

    def slow(connection: socket.socket, head: str) -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(2)
        with lock:
            under_way -= 1
        connection.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")

    urls = [documents.serve(f"/slow-{number}.json", slow) for number in range(200)]
    known = documents.document("/plain.json")
    assert attacked.accepts(known)
    latencies: list[float] = []
    done = threading.Event()

    def others() -> None:
        while not done.is_set():
            started = time.monotonic()
            assert attacked.authorize(known).status_code == 302
            latencies.append(time.monotonic() - started)

    with ThreadPoolExecutor(203) as pool:
        watching = [pool.submit(others) for _ in range(2)]
        statuses = [response.status_code for response in pool.map(attacked.authorize, urls)]
        done.set()
        for watch in watching:
            watch.result()
    assert set(statuses) <= {400, 503}
    assert statuses.count(503) >= 150
    assert most <= 2
    assert sum(documents.seen(f"/slow-{number}.json") for number in range(200)) <= 30
    assert statistics.quantiles(latencies, n=100)[98] < 2.0


def test_markup_in_a_document_never_becomes_markup_on_a_page(attacked: Attacked) -> None:
    attacked.gatehouse.apply("cimd: {trusted_hosts: []}")
    try:
        client_id = attacked.documents.document("/markup.json", client_name="<img src=x onerror=alert(1)>\u202e")
        page = attacked.authorize(client_id)
        assert page.status_code == 403
        assert "<img src=x" not in page.text
        assert "\u202e" not in page.text
    finally:
        attacked.gatehouse.apply(CONFIGURATION)


def test_the_server_describes_itself(attacked: Attacked) -> None:
    metadata = attacked.gatehouse.metadata()
    assert metadata["client_id_metadata_document_supported"] is True
    assert "none" in metadata["token_endpoint_auth_methods_supported"]
    assert "registration_endpoint" not in metadata


def test_inspect_explains_check_by_check(attacked: Attacked) -> None:
    documents = attacked.documents
    documents.serve("/logo.png", reply(picture("PNG"), content_type="image/png"))
    url = documents.document("/inspected.json", grant_types=["authorization_code", "implicit"])
    told = attacked.gatehouse.manage("cimd", "inspect", url)
    assert "NARROWED grant_types: Left out" in told
    assert "The document is accepted." in told
    with pytest.raises(RuntimeError, match="REFUSED  identifier: It has a fragment"):
        attacked.gatehouse.manage("cimd", "inspect", f"{url}#x")
    with pytest.raises(RuntimeError, match="REFUSED  fetch: The host answered with a status other than 200"):
        attacked.gatehouse.manage("cimd", "inspect", documents.url("/nowhere.json"))
    assert attacked.clients(url) == []
