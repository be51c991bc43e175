"""Clients that show a key and push their requests (DPoP, PAR), by the JavaScript libraries that can."""

from pathlib import Path

import pytest

from tests.interop.conftest import World, claims, run


@pytest.mark.parametrize("library", ["oauth4webapi", "openid-client"])
@pytest.mark.parametrize(("client_id", "method"), [("person-none", "none"), ("person-basic", "client_secret_basic")])
def test_a_request_that_is_pushed_and_tokens_that_are_bound(
    world: World, node: Path, client_id: str, method: str, library: str
) -> None:
    ask = world.ask(client_id, method, library=library)
    answer = run(node, "javascript/bound.mjs", ask, person=world.person())
    assert [one.lower() for one in answer["token_types"]] == ["dpop", "dpop"]
    assert answer["sub"] and answer["expires_in"] == 90
    assert claims(answer["access_token"])["cnf"]["jkt"]
    # Who stole the token has not the key.
    status, challenge = answer["stolen"]
    assert status == 401 and challenge.startswith('DPoP error="invalid_token"')
