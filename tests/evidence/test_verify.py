"""Attack: the owner of the database drops the triggers and changes rows. `verify` reports the changes."""

import json
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import CommandError, call_command
from django.db import connection

from authz.evidence import checkpoint_keys, leaves, merkle, proofs, sealer
from authz.evidence.notes import Checkpoint, Verifier, sign
from authz.evidence.verify import verify
from authz.models import AuditEvent, AuditSegment, CheckpointKey
from tests.evidence.conftest import attack, findings, kinds


def test_an_untouched_audit_is_as_it_was_sealed(sealed: list[int]) -> None:
    assert findings() == []
    assert AuditSegment.objects.order_by("-start").first().size == len(sealed) == 31


COLUMNS = ("time", "event", "reason", "client_id", "subject", "resource", '"authorization"', "address", "request_id")


@pytest.mark.parametrize("column", COLUMNS)
def test_a_change_of_any_column_is_named(sealed: list[int], column: str) -> None:
    value = "2001-01-01 00:00:00" if column == "time" else "x"
    attack(f"UPDATE authz_auditevent SET {column} = %s WHERE id = %s", value, sealed[12])  # noqa: S608
    assert kinds() == [("changed", sealed[12])]


def test_a_changed_detail_is_named(sealed: list[int]) -> None:
    attack("UPDATE authz_auditevent SET detail = %s WHERE id = %s", '{"number": 4711}', sealed[3])
    assert kinds() == [("changed", sealed[3])]


def test_a_second_member_that_hides_the_first_is_a_change(sealed: list[int]) -> None:
    if connection.vendor == "postgresql":  # jsonb keeps the last one only
        return
    detail = AuditEvent.objects.get(id=sealed[3]).detail
    twice = '{"number": 4711, ' + json.dumps(detail)[1:]
    attack("UPDATE authz_auditevent SET detail = %s WHERE id = %s", twice, sealed[3])
    assert kinds() == [("changed", sealed[3])]


def test_every_column_is_sealed() -> None:
    names, _ = leaves._select()
    assert set(names) == {field.column for field in AuditEvent._meta.concrete_fields}


def test_text_that_cannot_be_read_hides_nothing_else(sealed: list[int]) -> None:
    if connection.vendor == "sqlite":
        attack("UPDATE authz_auditevent SET client_id = CAST(x'ff' AS TEXT) WHERE id = %s", sealed[3])
    else:
        attack("UPDATE authz_auditevent SET client_id = %s WHERE id = %s", "\ufffd", sealed[3])
    attack("DELETE FROM authz_auditevent WHERE id = %s", sealed[5])
    assert kinds() == [("changed", sealed[3]), ("removed", sealed[5])]


@pytest.mark.parametrize("place", [0, 6, 7, 15, 30])
def test_a_removed_event_is_named(sealed: list[int], place: int) -> None:
    attack("DELETE FROM authz_auditevent WHERE id = %s", sealed[place])
    assert kinds() == [("removed", sealed[place])]


def test_an_inserted_event_is_named(sealed: list[int]) -> None:
    attack("DELETE FROM authz_auditevent WHERE id IN (%s, %s)", sealed[8], sealed[9])
    AuditEvent.objects.filter(id=sealed[20]).update(id=sealed[8] - 100_000)
    AuditEvent(id=sealed[8], time=AuditEvent.objects.get(id=sealed[7]).time, event="token:access:issued").save()
    attack("INSERT INTO authz_auditevent (id, time, event, reason, client_id, subject, resource, \"authorization\","
           " address, request_id, detail) SELECT %s, time, event, reason, client_id, subject, resource,"
           " \"authorization\", address, request_id, detail FROM authz_auditevent WHERE id = %s",
           sealed[0] - 1, sealed[1])  # fmt: skip
    found = kinds()
    assert ("inserted", sealed[0] - 1) in found
    assert ("inserted", sealed[8] - 100_000) in found
    assert ("changed", sealed[8]) in found
    assert ("removed", sealed[9]) in found
    assert ("removed", sealed[20]) in found
    assert len(found) == 5


def test_reordered_events_are_named_with_what_they_were(sealed: list[int]) -> None:
    first, second = sealed[9], sealed[11]
    attack("UPDATE authz_auditevent SET id = -1 WHERE id = %s", first)
    attack("UPDATE authz_auditevent SET id = %s WHERE id = %s", first, second)
    attack("UPDATE authz_auditevent SET id = %s WHERE id = -1", second)
    assert kinds() == [("moved", first), ("moved", second)]
    assert [finding.sentence for finding in findings()] == [
        f"event {first} holds what event {second} was when it was sealed",
        f"event {second} holds what event {first} was when it was sealed",
    ]


def reseal(segment: AuditSegment, checkpoint: str | None = None) -> None:
    """Write a segment again from the current rows, as an attacker without the key can."""
    events = leaves.read(after=segment.last_id - len(bytes(segment.ids)) // 8, up_to=segment.last_id)
    before = AuditSegment.objects.filter(size=segment.start).first()
    hashes = [merkle.leaf_hash(line) for _, line in events]
    frontier = merkle.split_hashes(bytes(before.frontier)) if before else []
    grown, _ = merkle.extend(frontier, segment.start, hashes)
    values = {"leaves": b"".join(hashes), "frontier": b"".join(grown)}
    AuditSegment.objects.filter(pk=segment.pk).update(**values, checkpoint=checkpoint or segment.checkpoint)


def test_rewriting_an_event_with_its_seal_breaks_the_signature(sealed: list[int]) -> None:
    attack("UPDATE authz_auditevent SET subject = 'x' WHERE id = %s", sealed[9])
    reseal(AuditSegment.objects.get(start=7))
    assert [finding.sentence for finding in findings()] == [
        f"the seal of the events {sealed[7]} to {sealed[13]} is not the one that was signed"
    ]


def test_sealing_everything_again_without_the_key_is_detected(sealed: list[int]) -> None:
    own = Ed25519PrivateKey.generate()
    name = CheckpointKey.objects.get().name
    verifier = Verifier(name, own.public_key().public_bytes_raw())
    attack("UPDATE authz_auditevent SET subject = 'x' WHERE id = %s", sealed[0])
    for segment in AuditSegment.objects.order_by("start"):
        reseal(segment)
        written = AuditSegment.objects.get(pk=segment.pk)
        root = merkle.root(merkle.split_hashes(bytes(written.frontier)))
        note = sign(Checkpoint(name, segment.size, root), own, verifier)
        AuditSegment.objects.filter(pk=segment.pk).update(checkpoint=note)
    assert {finding.kind for finding in findings()} == {"signature"}
    # A key that the attacker adds is not trusted: the verification key is computed from what only our secret decrypts.
    theirs = CheckpointKey(key_id=verifier.key_id.hex(), name=name, encrypted=b"0" * 60, created="2026-01-01T00:00Z")
    theirs.save()
    assert {finding.kind for finding in findings()} == {"signature", "key"}
    # And nothing is ever sealed upon what he made.
    CheckpointKey.objects.filter(key_id=verifier.key_id.hex()).delete()
    with pytest.raises(sealer.SealError):
        sealer.run()


def test_sealing_everything_again_is_detected_by_a_stored_checkpoint(sealed: list[int]) -> None:
    kept = "\n".join(AuditSegment.objects.order_by("start").values_list("checkpoint", flat=True))
    attack("UPDATE authz_auditevent SET subject = 'x' WHERE id = %s", sealed[16])
    attack("DELETE FROM authz_auditsegment")
    assert ("seal_gone", None) in kinds()
    with pytest.raises(sealer.SealError, match="they are gone"):
        sealer.run()
    # Keeping the first segments, which are as they were, he gets our own sealer to go on.
    other = [row for row in rows_before(sealed) if row.size <= 7]
    AuditSegment.objects.bulk_create(other)
    sealer.run()
    assert findings() == []
    found = findings(kept)
    assert {finding.kind for finding in found} == {"forked"}
    assert "what was sealed between 14 and 21 was sealed anew" in found[0].sentence


def rows_before(sealed: list[int]) -> list[AuditSegment]:
    """The first segment as it was made: the same events, the same key, the same signature."""
    signer = checkpoint_keys.current()
    events = leaves.read(up_to=sealed[6])
    hashes = [merkle.leaf_hash(line) for _, line in events]
    frontier, size = merkle.extend([], 0, hashes)
    note = sign(Checkpoint(signer.verifier.name, size, merkle.root(frontier)), signer.private_key, signer.verifier)
    return [
        AuditSegment(
            start=0,
            size=size,
            last_id=sealed[6],
            ids=b"".join(i.to_bytes(8, "big", signed=True) for i, _ in events),
            leaves=b"".join(hashes),
            frontier=b"".join(frontier),
            checkpoint=note,
            sealed="2026-01-01T00:00Z",
        )
    ]


def test_a_new_key_with_a_new_history_is_detected_by_a_stored_checkpoint_or_key(sealed: list[int]) -> None:
    kept, key = proofs.latest(), str(checkpoint_keys.current().verifier)
    attack("DELETE FROM authz_auditsegment")
    attack("DELETE FROM authz_checkpointkey")
    sealer.run()
    assert findings() == []
    assert {kind for kind, _ in kinds(kept)} == {"forked"}
    with pytest.raises(SystemExit):
        call_command("audit", "verify", "--key", key)


def test_a_missing_seal_is_named(sealed: list[int]) -> None:
    attack("DELETE FROM authz_auditsegment WHERE start = 14")
    found = findings()
    between = f"after event {sealed[13]} and before event {sealed[21]}"
    assert str(found[0]) == f"seal_gone: the seals of 7 events are gone, {between}"
    assert [finding.event for finding in found[1:]] == sealed[14:21]
    assert {finding.kind for finding in found[1:]} == {"inserted"}


def test_a_sealed_run_that_was_removed_with_its_events_is_said_by_those_around_it(sealed: list[int]) -> None:
    attack("DELETE FROM authz_auditsegment WHERE start = 14")
    attack("DELETE FROM authz_auditevent WHERE id BETWEEN %s AND %s", sealed[14], sealed[20])
    between = f"after event {sealed[13]} and before event {sealed[21]}"
    assert [str(finding) for finding in findings()] == [f"seal_gone: the seals of 7 events are gone, {between}"]


def test_an_end_that_was_cut_off_is_found_by_a_checkpoint_kept_elsewhere(sealed: list[int]) -> None:
    kept = proofs.latest()
    attack("DELETE FROM authz_auditevent WHERE id > %s", sealed[20])
    assert [kind for kind, _ in kinds()] == ["removed"] * 10
    attack("DELETE FROM authz_auditsegment WHERE start >= 21")
    assert kinds() == []
    assert [finding.kind for finding in findings(kept)] == ["truncated"]


def test_a_range_is_proved_on_its_own(sealed: list[int]) -> None:
    attack("UPDATE authz_auditevent SET subject = 'x' WHERE id = %s", sealed[2])
    verifiers = checkpoint_keys.verifiers()
    later = verify(verifiers, since_id=sealed[8])
    assert (later.findings, later.events) == ([], 24)
    earlier = verify(verifiers, until_id=sealed[8])
    assert [finding.event for finding in earlier.findings] == [sealed[2]]
    assert earlier.events == 14


def test_the_command_says_which_and_ends_with_a_status(sealed: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    call_command("audit", "verify")
    assert "31 events in 6 segments up to 31: all is as it was sealed" in capsys.readouterr().out
    attack("DELETE FROM authz_auditevent WHERE id = %s", sealed[20])
    with pytest.raises(SystemExit) as ended:
        call_command("audit", "verify")
    assert ended.value.code == 1
    assert f"removed: event {sealed[20]} is gone" in capsys.readouterr().out


def test_a_rotated_key_goes_on_with_the_same_tree(sealed: list[int], write: Callable[[int], list[int]]) -> None:
    old = checkpoint_keys.current().verifier
    call_command("audit", "keys", "--rotate")
    write(3)
    sealer.run()
    assert checkpoint_keys.current().verifier != old
    assert findings() == []


@pytest.mark.parametrize(
    ("count", "most", "said"),
    [
        (0, 10_000, "every event is sealed"),
        (1, 10_000, "1 event is not sealed yet, the oldest of "),
        (2, 10_000, "2 events are not sealed yet, the oldest of "),
        (9, 10_000, "9 events are not sealed yet, the oldest of "),
        (9, 9, "9 or more events are not sealed yet, the oldest of "),
        (12, 9, "9 or more events are not sealed yet, the oldest of "),
    ],
)
def test_unsealed_events_are_reported(
    *,
    sealed: list[int],
    write: Callable[[int], list[int]],
    count: int,
    most: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("authz.evidence.status.MAX_EVENTS", most)
    monkeypatch.setattr("authz.management.commands.audit.MAX_EVENTS", most)
    written = write(count) if count else []
    call_command("audit", "verify")
    verdict, waiting = capsys.readouterr().out.strip().splitlines()
    assert verdict.endswith("up to 31: all is as it was sealed")
    assert waiting.startswith(said)
    if written:
        oldest = AuditEvent.objects.get(pk=written[0]).time
        assert waiting.endswith(f"{oldest:%Y-%m-%d %H:%M:%S} UTC")


def test_it_is_sealed_by_a_command_before_it_is_verified(
    sealed: list[int], write: Callable[[int], list[int]], capsys: pytest.CaptureFixture[str]
) -> None:
    write(20)
    call_command("audit", "seal")
    call_command("audit", "seal")
    call_command("audit", "verify")
    lines = capsys.readouterr().out.splitlines()
    assert [lines[0], lines[2], lines[-1]] == ["20 sealed", "0 sealed", "every event is sealed"]
    assert "up to 51: all is as it was sealed" in lines[-2]


def test_upon_a_rewritten_tree_nothing_is_sealed_by_command(
    sealed: list[int], write: Callable[[int], list[int]]
) -> None:
    write(1)
    attack("UPDATE authz_auditsegment SET frontier = %s", b"x" * 32)
    with pytest.raises(CommandError, match="not of this tree"):
        call_command("audit", "seal")
