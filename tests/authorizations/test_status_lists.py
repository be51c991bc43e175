"""Status lists, as a resource server sees them: with PyJWT and zlib alone, none of our code."""

import base64
import gzip
import json
import time
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from authz.authorizations import cut_off, status_lists
from authz.conf import conf
from authz.configuration import apply
from authz.database.transactions import unit_of_work
from authz.models import Authorization, Client, ProtectedResource, StatusList, User
from authz.operations import housekeeping
from tests.support import append_only, world
from tests.support.races import at_once
from tests.support.world import NOTES, World


@pytest.fixture
def notes(gatehouse: World) -> World:
    """Notes wants a status in its tokens."""
    ProtectedResource.objects.filter(identifier=NOTES).update(status_list=True)
    return gatehouse


@pytest.fixture
def committed_notes(committed_gatehouse: World) -> World:
    ProtectedResource.objects.filter(identifier=NOTES).update(status_list=True)
    return committed_gatehouse


@pytest.fixture(autouse=True)
def _looks_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_lists, "LOOK_INTERVAL", 0.0)


def path(uri: str) -> str:
    assert uri.startswith(conf.origin)
    return uri.removeprefix(conf.origin)


def key_of(server: World, token: str) -> Any:
    kid = jwt.get_unverified_header(token)["kid"]
    published = json.loads(server.browser.get("/o/jwks").content)["keys"]
    return next(jwt.PyJWK(key) for key in published if key["kid"] == kid)


def fetched(server: World, uri: str) -> dict[str, Any]:
    """The claims of a Status List Token, checked as the draft's §8.3 asks."""
    response = server.browser.get(path(uri))
    assert response.status_code == 200
    assert response["Content-Type"] == "application/statuslist+jwt"
    token = response.content.decode()
    assert jwt.get_unverified_header(token)["typ"] == "statuslist+jwt"
    claims: dict[str, Any] = jwt.decode(
        token, key_of(server, token), algorithms=["RS256"], options={"require": ["sub", "iat", "exp", "ttl"]}
    )
    assert claims["sub"] == uri
    return claims


def status(server: World, access_token: str) -> int:
    place = world.claims(access_token)["status"]["status_list"]
    claim = fetched(server, place["uri"])["status_list"]
    array = zlib.decompress(base64.urlsafe_b64decode(claim["lst"] + "=="))
    bits, index = claim["bits"], place["idx"]
    assert index < len(array) * 8 // bits
    return array[index * bits // 8] >> index * bits % 8 & (1 << bits) - 1


# --- The claim ------------------------------------------------------------------------------------------------------


def test_only_tokens_of_resources_that_want_it_have_a_status(gatehouse: World) -> None:
    assert "status" not in world.claims(gatehouse.machine_token()["access_token"])
    assert "status" not in world.claims(gatehouse.signed_in_tokens()["access_token"])
    assert StatusList.objects.count() == 0
    apply_status(True)
    with_status = world.claims(gatehouse.machine_token()["access_token"])
    assert with_status["status"]["status_list"]["uri"].startswith(f"{conf.issuer}/status-lists/")
    apply_status(False)
    assert "status" not in world.claims(gatehouse.machine_token()["access_token"])


def apply_status(wanted: bool) -> None:
    output = [line for line in world.configuration().splitlines() if line]
    at = output.index(f"  - identifier: {NOTES}")
    output.insert(at + 1, f"    status_list: {str(wanted).lower()}")
    apply("\n".join(output))


def test_it_is_exported(gatehouse: World, capsys: pytest.CaptureFixture[str]) -> None:
    apply_status(True)
    call_command("export")
    assert "status_list: true" in capsys.readouterr().out


def test_a_family_of_tokens_has_one_entry(notes: World) -> None:
    first = notes.signed_in_tokens()
    later = json.loads(notes.refresh(first["refresh_token"]).content)
    assert world.claims(first["access_token"])["status"] == world.claims(later["access_token"])["status"]
    machine = [world.claims(notes.machine_token()["access_token"])["status"] for _ in range(2)]
    assert machine[0] == machine[1]


def test_what_is_older_than_the_wish_gets_its_entry_with_the_next_token(gatehouse: World) -> None:
    first = gatehouse.signed_in_tokens()
    gatehouse.machine_token()
    apply_status(True)
    later = json.loads(gatehouse.refresh(first["refresh_token"]).content)
    assert status(gatehouse, later["access_token"]) == 0
    assert status(gatehouse, gatehouse.machine_token()["access_token"]) == 0
    assert Authorization.objects.filter(status_list=None).count() == 0


def test_introspection_tells_of_it_too(notes: World) -> None:
    token = notes.machine_token()["access_token"]
    assert notes.introspect(token)["status"] == world.claims(token)["status"]


# --- What a list says -----------------------------------------------------------------------------------------------


def suspend() -> None:
    Client.objects.filter(client_id="desktop-app").update(status="suspended")


def end_access(kind: str, identifier: str) -> None:
    found = cut_off.target(kind, identifier)
    cut_off.cut_off(found, kind=kind, identifier=identifier, reason="", by="alice", now=datetime.now(UTC))


def end_the_approval() -> None:
    """As by a file that is applied, after the token was issued."""
    Client.objects.filter(client_id="desktop-app").update(approved_until=datetime.now(UTC) - timedelta(seconds=1))


ENDINGS = {
    "the agent's approval has ended": end_the_approval,
    "the agent is suspended": suspend,
    "the person is deactivated": lambda: User.objects.filter(username="bob").update(is_active=False),
    "the resource is switched off": lambda: ProtectedResource.objects.update(is_active=False),
    "the agent's security changed": lambda: Client.objects.update(consent_digest="another"),
    "access ended of the agent": lambda: end_access("client", "desktop-app"),
    "access ended of the person": lambda: end_access("person", "bob"),
    "access ended of the resource": lambda: end_access("resource", NOTES),
    "access ended of the authorization": lambda: end_access("authorization", str(Authorization.objects.get().pk)),
    "access ended of the session": lambda: end_access("session", Authorization.objects.get().session_digest),
    "access ended of everything": lambda: end_access("everything", ""),
    "its issuer is trusted no more": lambda: Authorization.objects.update(lineage={"issuer": "https://gone.example"}),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_whatever_ends_it_is_in_the_list(notes: World, ending: str) -> None:
    token = notes.signed_in_tokens()["access_token"]
    assert status(notes, token) == 0
    ENDINGS[ending]()
    assert status(notes, token) == 1


def test_the_client_revokes(notes: World) -> None:
    tokens = notes.signed_in_tokens()
    notes.post("revoke", {"token": tokens["refresh_token"], "client_id": "desktop-app"})
    assert status(notes, tokens["access_token"]) == 1


def test_a_replayed_refresh_token_ends_it(notes: World, settings: Any) -> None:
    settings.GATEHOUSE = {**settings.GATEHOUSE, "REFRESH_REUSE_WINDOW": 0}
    tokens = notes.signed_in_tokens()
    assert notes.refresh(tokens["refresh_token"]).status_code == 200
    assert notes.refresh(tokens["refresh_token"]).status_code == 400
    assert status(notes, tokens["access_token"]) == 1


def test_a_machine_is_in_it(notes: World) -> None:
    token = notes.machine_token()["access_token"]
    assert status(notes, token) == 0
    end_access("client", "nightly-report")
    assert status(notes, token) == 1


def test_an_undo_makes_nothing_valid_again(notes: World) -> None:
    token = notes.signed_in_tokens()["access_token"]
    end_access("client", "desktop-app")
    cut_off.undo(cut_off.last("client", "desktop-app"), by="alice", now=datetime.now(UTC))
    assert status(notes, token) == 1


def test_others_stay_valid(notes: World) -> None:
    machine, person = notes.machine_token()["access_token"], notes.signed_in_tokens()["access_token"]
    end_access("client", "desktop-app")
    assert (status(notes, machine), status(notes, person)) == (0, 1)


# --- The endpoint ---------------------------------------------------------------------------------------------------


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


def test_it_is_compressed_for_whoever_can_read_that(notes: World) -> None:
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


# --- Allotting ------------------------------------------------------------------------------------------------------


def test_no_two_get_the_same_entry_however_many_ask(committed_notes: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_lists, "BLOCK", 4)
    entries = at_once([lambda: [status_lists.allot(status_lists.Kind.LONG) for _ in range(25)]] * 4)
    flat = [entry for some in entries for entry in some]
    assert len(set(flat)) == 100


def test_of_two_refreshes_at_once_that_give_an_entry_both_say_the_same(committed_gatehouse: World) -> None:
    tokens = committed_gatehouse.signed_in_tokens()
    ProtectedResource.objects.filter(identifier=NOTES).update(status_list=True)

    def refresh() -> str:
        answer = json.loads(World().refresh(tokens["refresh_token"]).content)
        return json.dumps(world.claims(answer["access_token"])["status"])

    assert len(set(at_once([refresh] * 4))) == 1


def test_a_full_list_is_followed_by_another(notes: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_lists, "SIZE", 2 * status_lists.BLOCK)
    entries = {status_lists.allot(status_lists.Kind.LONG) for _ in range(3 * status_lists.BLOCK)}
    assert len(entries) == 3 * status_lists.BLOCK
    assert [row.closed is not None for row in StatusList.objects.order_by("pk")] == [True, False]


def test_a_block_that_is_held_too_long_is_let_go(notes: World, monkeypatch: pytest.MonkeyPatch) -> None:
    status_lists.allot(status_lists.Kind.LONG)
    held = time.monotonic() + status_lists.BLOCK_HELD.total_seconds()
    monkeypatch.setattr(time, "monotonic", lambda: held + 1)
    status_lists.allot(status_lists.Kind.LONG)
    assert StatusList.objects.get().allotted == 2 * status_lists.BLOCK


def test_nothing_is_allotted_in_a_transaction_that_may_be_rolled_back(notes: World) -> None:
    with pytest.raises(RuntimeError), unit_of_work():
        status_lists.allot(status_lists.Kind.LONG)


def test_a_status_costs_no_statement(gatehouse: World) -> None:
    counts = []
    for wanted in (False, True):
        ProtectedResource.objects.filter(identifier=NOTES).update(status_list=wanted)
        refresh_token = gatehouse.signed_in_tokens()["refresh_token"]
        gatehouse.machine_token()
        with CaptureQueriesContext(connection) as queries:
            gatehouse.machine_token()
            gatehouse.refresh(refresh_token)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_the_kinds_live_apart(notes: World) -> None:
    notes.machine_token()
    notes.signed_in_tokens()
    assert sorted(StatusList.objects.values_list("kind", flat=True)) == ["long", "machine"]


# --- Forgetting -----------------------------------------------------------------------------------------------------


DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("kind", "closed_ago", "is_over"),
    [
        ("brief", None, False),
        ("brief", DAY, False),
        ("brief", 2 * DAY, True),
        ("long", 100 * DAY, False),
        ("long", 182 * DAY, True),
        ("machine", 1000 * DAY, False),
    ],
)
def test_a_list_is_forgotten_when_no_token_of_it_can_be_alive(
    notes: World, kind: str, closed_ago: timedelta | None, is_over: bool
) -> None:
    now = datetime.now(UTC)
    closed = None if closed_ago is None else now - closed_ago
    row = StatusList.objects.create(kind=kind, seed="00" * 16, created=now - 2000 * DAY, closed=closed)
    notes.machine_token()
    with append_only.lifted():  # in life, a place in a list is for good
        Authorization.objects.update(status_list=row.pk, status_index=1)
    housekeeping.run()
    assert StatusList.objects.filter(pk=row.pk).exists() is not is_over
    assert (notes.browser.get(f"/o/status-lists/{row.pk}").status_code == 404) is is_over


def test_a_machines_list_is_forgotten_when_all_of_them_have_ended(notes: World) -> None:
    now = datetime.now(UTC)
    row = StatusList.objects.create(kind="machine", seed="00" * 16, created=now - 9 * DAY, closed=now - 5 * DAY)
    notes.machine_token()
    with append_only.lifted():
        Authorization.objects.update(status_list=row.pk, status_index=1, revoked=now)
    housekeeping.run()
    assert StatusList.objects.filter(pk=row.pk).exists()
    Authorization.objects.update(revoked=now - 2 * DAY)
    housekeeping.run()
    assert not StatusList.objects.filter(pk=row.pk).exists()
