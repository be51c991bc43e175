"""RFC 6962's tree, by its own examples and against the definition itself."""

import hashlib

import pytest

from authz.evidence import merkle

# The inputs and roots that Certificate Transparency's implementations test each other with.
INPUTS = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def leaves(count: int) -> list[bytes]:
    return [merkle.leaf_hash(str(number).encode()) for number in range(count)]


def mth(hashes: list[bytes]) -> bytes:
    """The definition of RFC 6962 §2.1, word by word."""
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return merkle.node_hash(mth(hashes[:k]), mth(hashes[k:]))


def test_roots_are_those_of_certificate_transparency() -> None:
    assert merkle.root([]) == hashlib.sha256(b"").digest()
    for count in range(1, 9):
        frontier, _ = merkle.extend([], 0, [merkle.leaf_hash(data) for data in INPUTS[:count]])
        assert merkle.root(frontier).hex() == ROOTS[count - 1]


@pytest.mark.parametrize("count", range(1, 66))
def test_a_tree_grown_in_two_steps_is_the_tree_of_the_definition(count: int) -> None:
    for first in range(count + 1):
        frontier, size = merkle.extend([], 0, leaves(count)[:first])
        frontier, size = merkle.extend(frontier, size, leaves(count)[first:])
        assert (merkle.root(frontier), size) == (mth(leaves(count)), count)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 21, 33])
def test_every_leaf_has_a_path_and_no_other_leaf_has_it(size: int) -> None:
    tree = merkle.Leaves.after([], 0, b"".join(leaves(size)))
    root = mth(leaves(size))
    for index, leaf in enumerate(leaves(size)):
        path = tree.inclusion(index, size)
        assert merkle.root_by_inclusion(leaf, index, size, path) == root
        assert merkle.root_by_inclusion(merkle.leaf_hash(b"x"), index, size, path) != root
        with pytest.raises(ValueError, match="too long"):
            merkle.root_by_inclusion(leaf, index, size, [*path, root])
        if path:
            with pytest.raises(ValueError, match="too short"):
                merkle.root_by_inclusion(leaf, index, size, path[:-1])


def test_a_path_needs_only_the_frontier_and_what_comes_after_it() -> None:
    whole = leaves(45)
    for start in range(45):
        frontier, _ = merkle.extend([], 0, whole[:start])
        part = merkle.Leaves.after(frontier, start, b"".join(whole[start:]))
        for index in range(start, 45):
            path = part.inclusion(index, 45)
            assert merkle.root_by_inclusion(whole[index], index, 45, path) == mth(whole)


def test_trees_are_consistent_with_their_beginnings_and_nothing_else() -> None:
    tree = merkle.Leaves.after([], 0, b"".join(leaves(33)))
    for size in range(1, 34):
        for old in range(1, size + 1):
            proof = tree.consistency(old, size)
            new_root = mth(leaves(size))
            assert merkle.is_consistent(old, mth(leaves(old)), size, new_root, proof)
            assert not merkle.is_consistent(old, merkle.leaf_hash(b"x"), size, new_root, proof)
            assert not merkle.is_consistent(old, mth(leaves(old)), size, merkle.leaf_hash(b"x"), proof) or old == size
            assert not merkle.is_consistent(old, mth(leaves(old)), size, new_root, [*proof, new_root])
