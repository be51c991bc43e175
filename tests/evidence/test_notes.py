"""Signed notes and checkpoints of C2SP: only what a trusted key signed is read."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from authz.evidence.notes import Checkpoint, NoteError, Verifier, open_note, read_notes, sign

# The verifier key and the note of the documentation of golang.org/x/mod/sumdb/note.
PETER = Verifier.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
QUOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
OURS = Verifier("audit.example.com/o", KEY.public_key().public_bytes_raw())
CHECKPOINT = Checkpoint("audit.example.com/o", 7, b"r" * 32)


def test_the_note_of_gos_documentation_verifies() -> None:
    with pytest.raises(NoteError, match="no checkpoint"):  # so its signature was found to hold
        open_note(QUOTE, [PETER])
    with pytest.raises(NoteError, match="does not hold"):
        open_note(QUOTE.replace("cryptography", "obscurity"), [PETER])


def test_a_checkpoint_is_read_as_it_was_signed() -> None:
    note = sign(CHECKPOINT, KEY, OURS)
    assert open_note(note, [PETER, OURS]) == CHECKPOINT
    assert Verifier.parse(str(OURS)) == OURS


@pytest.mark.parametrize(
    ("was", "becomes"),
    [("7\n", "8\n"), ("7\n", "07\n"), ("audit", "other"), ("— ", "- "), ("\n\n", "\n"), ("7\n", "7\nmore\n")],
)
def test_an_altered_note_is_refused(was: str, becomes: str) -> None:
    with pytest.raises(NoteError):
        open_note(sign(CHECKPOINT, KEY, OURS).replace(was, becomes, 1), [OURS])


def test_a_note_of_an_unknown_key_is_refused() -> None:
    other = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
    theirs = Verifier(OURS.name, other.public_key().public_bytes_raw())
    with pytest.raises(NoteError, match="no trusted key"):
        open_note(sign(CHECKPOINT, other, theirs), [OURS])


def test_notes_are_read_out_of_a_file_they_were_appended_to() -> None:
    notes = [sign(Checkpoint("a", size, b"r" * 32), KEY, OURS) for size in (1, 2, 3)]
    assert list(read_notes("".join(notes))) == notes
    assert list(read_notes("\n\n".join(notes) + "\n")) == notes
    assert list(read_notes("")) == []


@pytest.mark.parametrize("text", ["", "a+b", "a+00000000+AAAA", str(OURS).replace("+", "+0", 1), str(OURS)[:-4]])
def test_a_malformed_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        Verifier.parse(text)
