"""The official TypeScript SDKs' providers for unattended clients: `/client` and the older `/sdk`."""

from pathlib import Path

import pytest

from tests.interop.conftest import World, assert_read_the_notes, run


@pytest.mark.parametrize("sdk", ["client", "sdk"])
@pytest.mark.parametrize(
    ("client_id", "method"),
    [
        ("machine-basic", "client_secret_basic"),
        ("machine-rs256", "private_key_jwt"),
        ("machine-es256", "private_key_jwt"),
    ],
)
def test_a_machine_reads_the_notes(world: World, node: Path, sdk: str, client_id: str, method: str) -> None:
    answer = run(node, "javascript/machine.mjs", world.ask(client_id, method, sdk=sdk))
    assert_read_the_notes(answer, world, client_id)
