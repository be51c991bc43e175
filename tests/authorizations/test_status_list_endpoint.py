"""The endpoint of status lists: caching, compression, and what it doesn't tell."""

import base64
import gzip
import json
import zlib
from datetime import UTC, datetime

import pytest

from authz.authorizations import status_lists
from tests.support import world
from tests.support.world import World

from .status_list_reader import fetched, path
from .test_status_lists import end_access


def test_it_is_cacheable_and_asks_whether_it_changed(notes: World) -> None:
    token = notes.signed_in_tokens()["access_token"]
    uri = world.claims(token)["status"]["status_list"]["uri"]
    first = notes.browser.get(path(uri))
    seconds = int(first["Cache-Control"].removeprefix("public, max-age="))
    assert 1 <= seconds <= status_lists.TTL
    assert first["Access-Control-Allow-Origin"] == "*"
    assert notes.browser.get(path(uri), headers={"if-none-match": first["ETag"]}).status_code in {200, 304}
    end_access("client", "desktop-app")
    changed = notes.browser.get(path(uri), headers={"if-none-match": first["ETag"]})
    assert changed.status_code == 200
    assert changed["ETag"] != first["ETag"]


def test_every_process_gives_the_same_bytes_within_its_time(notes: World, monkeypatch: pytest.MonkeyPatch) -> None:
    number = int(world.claims(notes.machine_token()["access_token"])["status"]["status_list"]["uri"].rsplit("/", 1)[1])
    now = float(int(datetime.now(UTC).timestamp()) // 60 * 60 + 60)
    one = status_lists.published(number, now + 1)
    status_lists.forget()
    other = status_lists.published(number, now + 31)
    assert one is not None
    assert other is not None
    assert (one.token, one.etag, one.gzipped) == (other.token, other.etag, other.gzipped)
    assert (one.fresh_for, other.fresh_for) == (59, 29)
    later = status_lists.published(number, now + 61)
    assert later is not None
    assert later.etag != one.etag


def test_not_modified_has_no_body(notes: World) -> None:
    uri = world.claims(notes.machine_token()["access_token"])["status"]["status_list"]["uri"]
    for _ in range(3):  # the minute may turn between two requests
        etag = notes.browser.get(path(uri))["ETag"]
        again = notes.browser.get(path(uri), headers={"if-none-match": f'"other", W/{etag}'})
        if again.status_code == 304:
            break
    assert (again.status_code, again.content) == (304, b"")


def test_it_is_compressed_for_clients_that_accept_it(notes: World) -> None:
    uri = world.claims(notes.machine_token()["access_token"])["status"]["status_list"]["uri"]
    plain = notes.browser.get(path(uri))
    small = notes.browser.get(path(uri), headers={"accept-encoding": "gzip, br"})
    assert small["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in small["Vary"]
    assert small["ETag"] != plain["ETag"]
    assert gzip.decompress(small.content).count(b".") == 2


@pytest.mark.parametrize(
    ("accepted", "is_small"),
    [("gzip", True), ("br;q=1, GZIP;q=0.5", True), ("gzip;q=0", False), ("gzip; q=0.0, br", False), ("br", False)],
)
def test_who_refuses_gzip_gets_none(notes: World, accepted: str, is_small: bool) -> None:
    uri = world.claims(notes.machine_token()["access_token"])["status"]["status_list"]["uri"]
    response = notes.browser.get(path(uri), headers={"accept-encoding": accepted})
    assert response.has_header("Content-Encoding") is is_small


@pytest.mark.parametrize("number", ["0", "9999", "99999999999999999999", "x"])
def test_an_unknown_list_is_not_found(notes: World, number: str) -> None:
    assert notes.browser.get(f"/o/status-lists/{number}").status_code == 404


def test_the_past_is_not_told(notes: World) -> None:
    uri = world.claims(notes.machine_token()["access_token"])["status"]["status_list"]["uri"]
    assert notes.browser.get(f"{path(uri)}?time=1686925000").status_code == 501


def test_the_metadata_leads_to_all_lists(notes: World) -> None:
    uris = {
        world.claims(token)["status"]["status_list"]["uri"]
        for token in (notes.machine_token()["access_token"], notes.signed_in_tokens()["access_token"])
    }
    metadata = json.loads(notes.browser.get("/.well-known/oauth-authorization-server/o").content)
    response = notes.browser.get(path(metadata["status_list_aggregation_endpoint"]))
    assert response["Content-Type"] == "application/json"
    assert set(json.loads(response.content)["status_lists"]) == uris
    assert fetched(notes, uris.pop())["status_list"]["aggregation_uri"] == metadata["status_list_aggregation_endpoint"]


def test_a_list_is_no_access_token(notes: World) -> None:
    """Attack 17: the same keys sign it."""
    uri = world.claims(notes.machine_token()["access_token"])["status"]["status_list"]["uri"]
    assert notes.introspect(notes.browser.get(path(uri)).content.decode()) == {"active": False}


def test_its_size_and_what_it_says_tell_nothing_of_how_many_there_are(notes: World) -> None:
    uri = world.claims(notes.machine_token()["access_token"])["status"]["status_list"]["uri"]
    claim = fetched(notes, uri)["status_list"]
    array = zlib.decompress(base64.urlsafe_b64decode(claim["lst"] + "=="))
    assert len(array) * 8 == status_lists.SIZE
    assert not any(array)
