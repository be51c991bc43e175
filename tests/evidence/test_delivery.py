"""Delivery of the audit: at least once and in order, with any response and after any crash."""

import json
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from authz.evidence import delivery, destination_tokens, sealer, targets
from authz.models import AuditDestination, AuditEvent, AuditSegment
from tests.evidence.collectors import Write, again, collector, destination, told
from tests.evidence.conftest import attack, kinds
from tests.support import world
from tests.support.document_host import DocumentHost, drip, raw, reply
from tests.support.races import at_once
from tests.support.world import World

__all__ = ["collector"]


def test_a_collector_gets_all_events_once_and_in_order(
    sealed: list[int], write: Write, collector: DocumentHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "BATCH", 10)
    row = destination(collector.url("/ingest"))
    destination_tokens.set_token(row, "the-token")
    row.save()
    delivery.run()
    assert told(collector) == sealed
    assert len(collector.requests) == 4
    assert "Authorization: Bearer the-token\r\n" in collector.requests[0]
    more = write(5)
    delivery.run()
    assert told(collector) == sealed, "only what is sealed is told"
    sealer.run()
    delivery.run()
    assert told(collector) == sealed + more
    row = AuditDestination.objects.get()
    assert (row.position, row.failures, row.failure, row.lease_until) == (36, 0, "", 0)


HOSTILE = {
    "down": (None, "connect"),
    "an error": (reply(b"no", status="500 Oops"), "status"),
    "garbage": (raw(b"\x00\x01garbage\r\n\r\n"), "protocol"),
    "a redirect": (reply(b"", status="302 Found", headers={"Location": "https://evil.example"}), "redirect"),
    "an endless answer": (reply(b"x" * 200_000), "too_large"),
    "a drip": (drip(b"HTTP/1.1 200 OK\r\n" * 50, 0.05), "timeout"),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_a_collector_that_was_down_slow_or_broken_gets_the_events_later(
    sealed: list[int], collector: DocumentHost, how: str, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    handler, cause = HOSTILE[how]
    monkeypatch.setattr(delivery, "BATCH", 10)
    limits = delivery.targets.Role.AUDIT_COLLECTOR.limits
    if how == "a drip":
        monkeypatch.setattr(delivery.targets.Role.AUDIT_COLLECTOR, "limits", type(limits)(65536, "*/*", ".*", 0.5))
    url = collector.url("/ingest")
    if handler is None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        url = f"https://localhost:{port}/ingest"
        allowed = [*settings.GATEHOUSE["OUTBOUND_ALLOWED_HOSTS"], ("localhost", port)]
        settings.GATEHOUSE = {**settings.GATEHOUSE, "OUTBOUND_ALLOWED_HOSTS": allowed}
    else:
        collector.serve("/ingest", handler)
    destination(url)
    delivery.run()
    row = AuditDestination.objects.get()
    assert (row.position, row.failures, row.lease_until) == (0, 1, 0)
    assert cause in row.failure
    assert 3 < row.next_try - time.time() < 6
    delivery.run()
    assert AuditDestination.objects.get().failures == 1, "it rests"
    assert again().failures == 2
    assert AuditDestination.objects.get().next_try - time.time() > 8
    monkeypatch.setattr(delivery.targets.Role.AUDIT_COLLECTOR, "limits", limits)
    before = len(told(collector)) if handler else 0
    collector.serve("/ingest", reply(b"", status="200 OK"))
    assert again(to=collector.url("/ingest")).failures == 0
    assert told(collector)[before:] == sealed
    assert AuditEvent.objects.count() == len(sealed)


def test_a_crash_after_a_delivery_repeats_it_and_leaves_nothing_out(
    sealed: list[int], collector: DocumentHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    send, calls = targets.send, iter(range(1, 100))

    def die_the_second_time(*arguments: Any) -> None:
        send(*arguments)
        if next(calls) == 2:
            raise Killed

    monkeypatch.setattr(delivery, "BATCH", 10)
    monkeypatch.setattr("authz.evidence.targets.send", die_the_second_time)
    destination(collector.url("/ingest"))
    with pytest.raises(Killed):
        delivery.run()
    AuditDestination.objects.update(lease_until=0)  # as if it had expired
    delivery.run()
    assert told(collector) == sealed[:20] + sealed[10:]


@pytest.mark.django_db(transaction=True)
def test_of_concurrent_deliveries_one_is_made(write: Write, collector: DocumentHost) -> None:
    ids = write(20)
    sealer.run()
    destination(collector.url("/ingest"))
    at_once([delivery.run] * 6)
    assert told(collector) == ids


@pytest.mark.django_db(transaction=True)
def test_a_slow_destination_delays_no_other(
    write: Write, collector: DocumentHost, audit_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "BATCH", 5)
    ids = write(20)
    sealer.run()
    arrived: list[float] = []
    collector.serve("/ingest", reply(b"", after=0.5))
    for number in range(3):
        AuditDestination.objects.create(name=f"slow-{number}", format="jsonl", to=collector.url("/ingest"))
    AuditDestination.objects.create(name="quick", format="jsonl", to="file:events.jsonl")

    def watch() -> None:
        path = audit_directory / "events.jsonl"
        while not path.exists() or len(path.read_text().splitlines()) < 20:
            time.sleep(0.01)
        arrived.append(time.monotonic())

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.monotonic()
    delivery.run()
    watcher.join(10)
    assert arrived and arrived[0] < time.monotonic() - 1
    assert time.monotonic() - began < 7, "the slow ones wait side by side"
    lines = (audit_directory / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == ids


def test_an_event_removed_after_sealing_is_delivered_as_missing(sealed: list[int], audit_directory: Path) -> None:
    attack("DELETE FROM authz_auditevent WHERE id = %s", sealed[4])
    destination("file:events.jsonl")
    delivery.run()
    lines = [json.loads(line) for line in (audit_directory / "events.jsonl").read_text().splitlines()]
    assert [line["index"] for line in lines] == list(range(31))
    assert lines[4]["event"] == "audit:event:missing"


def test_a_file_goes_on_after_a_line_that_was_cut_off(sealed: list[int], audit_directory: Path) -> None:
    audit_directory.mkdir()
    (audit_directory / "events.cef").write_text("half a li")
    destination("file:events.cef", "cef")
    delivery.run()
    lines = (audit_directory / "events.cef").read_text().splitlines()
    assert (lines[0], len(lines)) == ("half a li", 32)
    (audit_directory / "events.cef").rename(audit_directory / "events.cef.1")
    AuditDestination.objects.update(position=30)
    delivery.run()
    assert len((audit_directory / "events.cef").read_text().splitlines()) == 1


def test_checkpoints_are_kept_in_a_file_that_finds_a_cut_off_end(
    sealed: list[int], write: Write, audit_directory: Path
) -> None:
    destination("file:checkpoints", "checkpoint")
    delivery.run()
    write(3)
    sealer.run()
    delivery.run()
    kept = audit_directory / "checkpoints"
    assert kept.read_text().count("\n— ") == 2
    call_command("audit", "verify", "--checkpoint", str(kept))
    attack("DELETE FROM authz_auditevent WHERE id > %s", sealed[20])
    attack("DELETE FROM authz_auditsegment WHERE start >= 21")
    assert ("truncated", None) in kinds(), "the destination was told of more"
    AuditDestination.objects.update(position=0)
    write(20)
    sealer.run()
    with pytest.raises(SystemExit):
        call_command("audit", "verify", "--checkpoint", str(kept))
    delivery.run()
    row = AuditDestination.objects.get()
    assert "contradicts the audit" in row.failure
    assert kept.read_text().count("\n— ") == 2


def test_no_link_leads_a_file_out_of_its_directory(sealed: list[int], audit_directory: Path, tmp_path: Path) -> None:
    audit_directory.mkdir()
    (audit_directory / "events").symlink_to(tmp_path / "elsewhere")
    destination("file:events")
    delivery.run()
    assert AuditDestination.objects.get().failures == 1
    assert not (tmp_path / "elsewhere").exists()


def test_no_address_inside_is_reached_that_was_not_named(sealed: list[int]) -> None:
    destination("syslog+tls://127.0.0.1:6514", "cef")
    delivery.run()
    assert "address_forbidden" in AuditDestination.objects.get().failure


@pytest.mark.parametrize("spoken", ["jsonl", "ocsf", "cef"])
def test_no_token_code_or_secret_is_ever_exported(
    gatehouse: World, spoken: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tokens = gatehouse.signed_in_tokens()
    refreshed = json.loads(gatehouse.refresh(tokens["refresh_token"]).content)
    machine = gatehouse.machine_token()
    gatehouse.token(basic=("nightly-report", "canary-" * 10), grant_type="client_credentials")
    gatehouse.redeem("canary-code")
    gatehouse.introspect(machine["access_token"])
    sealer.run()
    call_command("audit", "export", "--format", spoken)
    exported = capsys.readouterr().out
    assert "token:access:issued" in exported and "client_secret_wrong" in exported
    canaries = [tokens["access_token"], tokens["refresh_token"], refreshed["access_token"], machine["access_token"]]
    canaries += [refreshed["refresh_token"], world.SECRET, world.SERVER_SECRET, world.VERIFIER, "canary-", "-password"]
    for canary in canaries:
        assert canary not in exported
        assert canary.rpartition(".")[2] not in exported


def test_a_range_is_exported_once(sealed: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    call_command("audit", "export", "--from", str(sealed[5]), "--to", str(sealed[20]))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["id"] for line in lines] == sealed[5:21]
    assert [line["index"] for line in lines] == list(range(5, 21))
    assert AuditEvent.objects.get(event="audit:events:exported").detail["form"] == "jsonl"
    with pytest.raises(CommandError):
        call_command("audit", "export", "--from", "yesterday")
    assert AuditSegment.objects.count() == 6
