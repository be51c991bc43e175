"""The official Python SDK, 1.x: it adds a slash to an issuer without a path, its post has no client_id for machines."""

import time
from pathlib import Path

import pytest

from tests.interop.conftest import World, assert_read_the_notes, claims, run


@pytest.mark.parametrize(
    ("client_id", "method"),
    [
        ("machine-basic", "client_secret_basic"),
        ("machine-rs256", "private_key_jwt"),
        ("machine-es256", "private_key_jwt"),
        ("machine-eddsa", "private_key_jwt"),
    ],
)
def test_a_machine_reads_the_notes(world: World, mcp1: Path, client_id: str, method: str) -> None:
    answer = run(mcp1, "python_mcp1/machine.py", world.ask(client_id, method))
    assert_read_the_notes(answer, world, client_id)


@pytest.mark.parametrize(
    ("client_id", "method"),
    [("person-none", "none"), ("person-basic", "client_secret_basic"), ("person-post", "client_secret_post")],
)
def test_bob_signs_in_once_and_his_client_refreshes(world: World, mcp1: Path, client_id: str, method: str) -> None:
    answer = run(mcp1, "python_mcp1/person.py", world.ask(client_id, method))
    assert_read_the_notes(answer, world, client_id)
    assert answer["tool_again"] == answer["tool"]
    assert answer["sign_ins"] == 1
    first, second = claims(answer["access_token"]), claims(answer["refreshed_access_token"])
    assert first["jti"] != second["jti"]
    assert first["sub"] == second["sub"]
    assert first["auth_time"] == second["auth_time"] > time.time() - 600
