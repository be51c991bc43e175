"""oauth4webapi, which takes nothing that the RFCs do not allow."""

from pathlib import Path

import pytest

from tests.interop.conftest import World, run


@pytest.mark.parametrize("discovery", ["oauth2", "oidc"])
@pytest.mark.parametrize(
    ("client_id", "method"), [("machine-basic", "client_secret_basic"), ("machine-post", "client_secret_post")]
)
def test_a_machine_gets_a_valid_jwt_access_token(
    world: World, node: Path, client_id: str, method: str, discovery: str
) -> None:
    answer = run(node, "javascript/strict.mjs", world.ask(client_id, method, kind="machine", discovery=discovery))
    assert answer["claims"]["aud"] == world.scene.mcp_server
    assert answer["mcp_status"] == 200


@pytest.mark.parametrize(
    ("client_id", "method"),
    [("person-none", "none"), ("person-basic", "client_secret_basic"), ("person-post", "client_secret_post")],
)
def test_code_refresh_introspection_and_revocation(world: World, node: Path, client_id: str, method: str) -> None:
    introspection_client = {"client_id": "notes-server", "client_secret": world.scene.secret("notes-server")}
    ask = world.ask(client_id, method, kind="person", discovery="oauth2", introspection_client=introspection_client)
    answer = run(node, "javascript/strict.mjs", ask, person=world.person())
    assert answer["rotated"]
    assert answer["mcp_status"] == 200
    assert answer["live"]["active"] is True
    assert answer["live"]["client_id"] == client_id
    assert answer["revoked"] == {"active": False}
