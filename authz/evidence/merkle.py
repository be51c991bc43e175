"""The Merkle tree of RFC 6962 §2.1 (pure): roots, inclusion proofs and consistency proofs over leaf hashes.

Hashes are 32 bytes of SHA-256. A tree over the first n leaves is known by its frontier: the roots of the perfect
subtrees that n is made of, largest first, one for each bit of n. From it the root follows, and so does the next
frontier when leaves are added; nothing older has to be read again.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

EMPTY_ROOT = hashlib.sha256().digest()
SIZE = 32


def leaf_hash(data: bytes) -> bytes:
    # > MTH({d(0)}) = SHA-256(0x00 || d(0)). (RFC 6962 §2.1)
    return hashlib.sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    # > This domain separation is required to give second preimage resistance. (RFC 6962 §2.1)
    return hashlib.sha256(b"\1" + left + right).digest()


def extend(frontier: Sequence[bytes], size: int, leaves: Iterable[bytes]) -> tuple[list[bytes], int]:
    """The frontier and the size after `leaves` were added to a tree of `size` leaves. Raises ValueError for a
    frontier of another size.
    """
    grown = list(frontier)
    if len(grown) != size.bit_count():
        raise ValueError("the frontier is not of this size")
    sha256 = hashlib.sha256
    for leaf in leaves:
        node, bit = leaf, 1
        while size & bit:
            node = sha256(b"\1" + grown.pop() + node).digest()
            bit <<= 1
        grown.append(node)
        size += 1
    return grown, size


def root(frontier: Sequence[bytes]) -> bytes:
    """The root of the tree with this frontier."""
    if not frontier:
        return EMPTY_ROOT
    node = frontier[-1]
    for left in reversed(frontier[:-1]):
        node = node_hash(left, node)
    return node


@dataclass(frozen=True, slots=True)
class Leaves:
    """The known part of a tree: the frontier of its first `start` leaves, and each leaf hash from there on."""

    frontier: Mapping[tuple[int, int], bytes]
    start: int
    hashes: bytes

    @classmethod
    def after(cls, frontier: Sequence[bytes], start: int, hashes: bytes) -> "Leaves":
        return cls(dict(zip(_ranges(start), frontier, strict=True)), start, hashes)

    def subtree(self, low: int, high: int) -> bytes:
        """MTH of the leaves [low, high). KeyError where it takes leaves that are not known."""
        known = self.frontier.get((low, high))
        if known is not None:
            return known
        if high - low == 1:
            at = (low - self.start) * SIZE
            if at < 0 or at + SIZE > len(self.hashes):
                raise KeyError(low)
            return self.hashes[at : at + SIZE]
        middle = low + _split(high - low)
        return node_hash(self.subtree(low, middle), self.subtree(middle, high))

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """PATH(index, D[size]) of RFC 6962 §2.1.1: the hashes that lead from one leaf to the root."""
        path: list[bytes] = []
        low, high = 0, size
        while high - low > 1:
            middle = low + _split(high - low)
            if index < middle:
                path.append(self.subtree(middle, high))
                high = middle
            else:
                path.append(self.subtree(low, middle))
                low = middle
        return path[::-1]

    def consistency(self, old: int, size: int) -> list[bytes]:
        """PROOF(old, D[size]) of RFC 6962 §2.1.2: that the tree of `old` leaves is the beginning of this one."""
        proof: list[bytes] = []
        low, high, whole = 0, size, True
        while high != old:
            middle = low + _split(high - low)
            if old <= middle:
                proof.append(self.subtree(middle, high))
                high = middle
            else:
                proof.append(self.subtree(low, middle))
                low, whole = middle, False
        if not whole:
            proof.append(self.subtree(low, high))
        return proof[::-1]


def root_by_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that a leaf and its path lead to (RFC 9162 §2.1.3.2). ValueError for a path of another length."""
    if not 0 <= index < size:
        raise ValueError("there is no such leaf")
    node, position, last = leaf, index, size - 1
    for sibling in path:
        if last == 0:
            raise ValueError("the path is too long")
        if position & 1 or position == last:
            node = node_hash(sibling, node)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        position, last = position >> 1, last >> 1
    if last:
        raise ValueError("the path is too short")
    return node


def is_consistent(old: int, old_root: bytes, size: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the tree of `old` leaves is the beginning of the tree of `size` leaves (RFC 9162 §2.1.4.2)."""
    if old == size:
        return not proof and old_root == new_root
    if not 0 < old < size:
        return False
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        return False
    position, last = old - 1, size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


def _split(count: int) -> int:
    """The largest power of two smaller than `count` (RFC 6962 §2.1)."""
    return 1 << ((count - 1).bit_length() - 1)


def _ranges(size: int) -> list[tuple[int, int]]:
    """The perfect subtrees that the first `size` leaves are made of, largest first."""
    ranges: list[tuple[int, int]] = []
    low = 0
    for bit in range(size.bit_length() - 1, -1, -1):
        if size >> bit & 1:
            ranges.append((low, low + (1 << bit)))
            low += 1 << bit
    return ranges


def split_hashes(joined: bytes) -> list[bytes]:
    return [joined[at : at + SIZE] for at in range(0, len(joined), SIZE)]
