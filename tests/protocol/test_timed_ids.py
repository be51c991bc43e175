"""Identifiers that begin with the second in which they were made."""

import os

from authz.protocol.timed_ids import AT_ONCE, RANDOM_BYTES, made_at, new_id

NOW = 1_800_000_000.7


def test_each_is_another_one_and_says_when_it_was_made() -> None:
    made = [new_id(NOW) for _ in range(AT_ONCE * 3)]
    assert len({identifier[-2 * RANDOM_BYTES :] for identifier in made}) == len(made)
    assert {made_at(identifier, NOW) for identifier in made} == {1_800_000_000}


def test_processes_of_one_parent_make_different_ones() -> None:
    """Attack: what a worker has kept of the system's randomness is the same in each worker that it was forked into."""
    new_id(NOW)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, new_id(NOW).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        assert answer.read() != new_id(NOW)
