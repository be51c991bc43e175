#!/usr/bin/env python3
"""Verify a proof of Gatehouse's audit, offline: `python verify_audit_proof.py PROOF.json --key VERIFIER_KEY`.

Needs Python 3.9 or later and the `cryptography` package, and nothing of Gatehouse. Take the verifier key from a place
that you trust (the console or `manage.py audit keys`, when you began), not from the proof. With `--checkpoint FILE` the
proof has to match the checkpoint that you kept. The exit code is 0 if the proof is valid, 1 if not.

The tree is RFC 6962's, the checkpoints are C2SP tlog-checkpoints. It shares no code with the server on purpose.
"""

import argparse
import base64
import hashlib
import json
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class ProofError(Exception):
    """The proof is not valid."""


def open_checkpoint(note, key):
    """(size, root) of a signed checkpoint, if the verifier key signed it. Raises `ProofError`."""
    name, key_id, encoded = key.strip().split("+", 2)
    public_key = base64.b64decode(encoded, validate=True)
    identity = hashlib.sha256(name.encode() + b"\n" + public_key).digest()[:4]
    if public_key[:1] != b"\x01" or identity.hex() != key_id:
        raise ProofError("the verifier key is malformed")
    text, blank, signatures = note.rpartition("\n\n")
    if not blank:
        raise ProofError("the checkpoint is no signed note")
    text += "\n"
    for line in signatures.splitlines():
        dash, signer, signature = line.split(" ")
        decoded = base64.b64decode(signature, validate=True)
        if dash == "\u2014" and signer == name and decoded[:4] == identity:
            Ed25519PublicKey.from_public_bytes(public_key[1:]).verify(decoded[4:], text.encode())
            break
    else:
        raise ProofError("the checkpoint is not signed by this key")
    lines = text.split("\n")
    return int(lines[1]), base64.b64decode(lines[2], validate=True)


def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_by_inclusion(leaf, index, size, path):
    """RFC 9162 §2.1.3.2. Raises `ProofError`."""
    if not 0 <= index < size:
        raise ProofError("there is no such leaf in the checkpoint's tree")
    fn, sn, r = index, size - 1, leaf
    for p in path:
        if sn == 0:
            raise ProofError("the path is too long")
        if fn & 1 or fn == sn:
            r = node(p, r)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node(r, p)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise ProofError("the path is too short")
    return r


def roots_by_consistency(old, size, old_root, path):
    """RFC 9162 §2.1.4.2: the two roots that the path leads to. Raises `ProofError`."""
    if old == size:
        if path:
            raise ProofError("the path is too long")
        return old_root, old_root
    if not 0 < old < size:
        raise ProofError("the first checkpoint is not the older one")
    path = [old_root, *path] if old & (old - 1) == 0 else path
    fn, sn = old - 1, size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    if not path:
        raise ProofError("the path is too short")
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            raise ProofError("the path is too long")
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise ProofError("the path is too short")
    return fr, sr


def verify(proof, key, kept=None):
    """A sentence about what was proved. Raises ProofError, ValueError, KeyError or InvalidSignature."""
    if proof["format"] != "gatehouse-audit-proof/1":
        raise ProofError("the proof is of another format")
    size, root = open_checkpoint(proof["checkpoint"], key)
    if kept is not None and open_checkpoint(kept, key) != (size, root):
        raise ProofError("the proof is not about the checkpoint that you kept")
    if "consistency" in proof:
        path = [base64.b64decode(item, validate=True) for item in proof["consistency"]]
        old, old_root = open_checkpoint(proof["old_checkpoint"], key)
        if roots_by_consistency(old, size, old_root, path) != (old_root, root):
            raise ProofError("the checkpoints are of two histories")
        return f"the first {old} events of the {size} are those that were there before"
    path = [base64.b64decode(item, validate=True) for item in proof["inclusion"]]
    leaf = hashlib.sha256(b"\x00" + proof["leaf"].encode("ascii")).digest()
    if root_by_inclusion(leaf, int(proof["index"]), size, path) != root:
        raise ProofError("the event is not in the tree")
    event = json.loads(proof["leaf"])
    return f"event {event['id']} ({event['event']}, {event['time']}) is number {proof['index']} of {size} sealed events"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("proof", type=Path)
    parser.add_argument("--key", required=True, help="the verifier key: name+hash+key")
    parser.add_argument("--checkpoint", type=Path, help="the checkpoint that you kept")
    options = parser.parse_args()
    try:
        kept = options.checkpoint.read_text() if options.checkpoint else None
        sentence = verify(json.loads(options.proof.read_text()), options.key, kept)
    except (ProofError, ValueError, KeyError, IndexError, TypeError, InvalidSignature, OSError) as error:
        sys.stderr.write(f"NOT PROVED: {error or type(error).__name__}\n")
        return 1
    sys.stdout.write(f"proved: {sentence}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
