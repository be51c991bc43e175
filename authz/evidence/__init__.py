"""The audit as evidence: sealed in a Merkle tree, verified, exported and archived (docs/audit.md)."""
