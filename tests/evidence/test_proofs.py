"""Offline proofs: the stand-alone script verifies them in a process without the server's code."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from authz.evidence import checkpoint_keys, proofs, sealer
from authz.models import AuditSegment
from tests.evidence.conftest import attack

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "verify_audit_proof.py"


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    call_command("audit", *arguments)
    return capsys.readouterr().out


def offline(folder: Path, proof: str, key: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = folder / "proof.json"
    path.write_text(proof)
    command = [sys.executable, "-I", str(SCRIPT), str(path), "--key", key, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env={}, check=False)


@pytest.fixture
def key(sealed: list[int]) -> str:
    return str(checkpoint_keys.current().verifier)


@pytest.mark.parametrize("place", [0, 6, 7, 13, 30])
def test_an_event_is_proved_offline(
    sealed: list[int], key: str, place: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    proof = command(capsys, "proof", str(sealed[place]))
    told = offline(tmp_path, proof, key)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith(f"proved: event {sealed[place]} (")


def test_an_event_is_proved_against_the_checkpoint_that_an_auditor_kept(
    sealed: list[int], key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], write: Callable[[int], list[int]]
) -> None:
    kept = tmp_path / "kept"
    kept.write_text(command(capsys, "checkpoint"))
    write(20)
    sealer.run()
    proof = command(capsys, "proof", str(sealed[4]), "--checkpoint", str(kept))
    assert offline(tmp_path, proof, key, "--checkpoint", str(kept)).returncode == 0
    other = command(capsys, "proof", str(sealed[4]))
    assert "not about the checkpoint" in offline(tmp_path, other, key, "--checkpoint", str(kept)).stderr


@pytest.mark.parametrize("spoil", ["leaf", "index", "inclusion", "checkpoint", "key"])
def test_a_spoilt_proof_proves_nothing(
    sealed: list[int], key: str, spoil: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    proof = json.loads(command(capsys, "proof", str(sealed[9])))
    if spoil == "leaf":
        proof["leaf"] = proof["leaf"].replace("agent-9", "agent-8")
    elif spoil == "index":
        proof["index"] += 1
    elif spoil == "inclusion":
        proof["inclusion"][0] = proof["inclusion"][1]
    elif spoil == "checkpoint":
        proof["checkpoint"] = proof["checkpoint"].replace("\n14\n", "\n15\n")
    else:
        key = str(checkpoint_keys.rotate(AuditSegment.objects.first().sealed).verifier)
    told = offline(tmp_path, json.dumps(proof), key)
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.startswith("NOT PROVED")


@pytest.mark.usefixtures("sealed")
@pytest.mark.parametrize(("old", "new"), [(7, 14), (7, 31), (21, 28), (28, 28), (14, 31)])
def test_a_checkpoint_is_proved_to_continue_another(
    key: str, old: int, new: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for size in (old, new):
        (tmp_path / str(size)).write_text(AuditSegment.objects.get(size=size).checkpoint)
    proof = command(capsys, "consistency", str(tmp_path / str(old)), str(tmp_path / str(new)))
    assert offline(tmp_path, proof, key).stdout == (
        f"proved: the first {old} events of the {new} are those that were there before\n"
    )
    spoilt = json.loads(proof)
    spoilt["old_checkpoint"] = AuditSegment.objects.get(size=31 if old != 31 else 7).checkpoint
    assert offline(tmp_path, json.dumps(spoilt), key).returncode == 1


def test_a_changed_event_cannot_be_proved(sealed: list[int], tmp_path: Path) -> None:
    attack("UPDATE authz_auditevent SET subject = 'x' WHERE id = %s", sealed[9])
    with pytest.raises(CommandError, match="not as it was sealed"):
        call_command("audit", "proof", str(sealed[9]))


def test_an_unsealed_event_has_no_proof(sealed: list[int], write: Callable[[int], list[int]], tmp_path: Path) -> None:
    [new] = write(1)
    with pytest.raises(CommandError, match="not sealed yet"):
        call_command("audit", "proof", str(new))
    kept = tmp_path / "kept"
    kept.write_text(AuditSegment.objects.get(size=7).checkpoint)
    with pytest.raises(CommandError, match="before event"):
        call_command("audit", "proof", str(sealed[9]), "--checkpoint", str(kept))


def test_a_proof_against_a_forged_checkpoint_is_not_made(sealed: list[int]) -> None:
    forged = proofs.latest().replace("\n31\n", "\n30\n")
    with pytest.raises(proofs.ProofError, match="not signed"):
        proofs.inclusion(sealed[0], checkpoint_keys.verifiers(), Path(), forged)
