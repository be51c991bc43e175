"""Status lists, as a resource server reads them: with PyJWT and zlib alone, none of our code."""

import base64
import json
import zlib
from typing import Any

import jwt

from authz.conf import conf
from tests.support import world
from tests.support.world import World


def path(uri: str) -> str:
    assert uri.startswith(conf.origin)
    return uri.removeprefix(conf.origin)


def key_of(server: World, token: str) -> Any:
    kid = jwt.get_unverified_header(token)["kid"]
    published = json.loads(server.browser.get("/o/jwks").content)["keys"]
    return next(jwt.PyJWK(key) for key in published if key["kid"] == kid)


def fetched(server: World, uri: str) -> dict[str, Any]:
    """The claims of a Status List Token, checked as the draft's §8.3 asks."""
    response = server.browser.get(path(uri))
    assert response.status_code == 200
    assert response["Content-Type"] == "application/statuslist+jwt"
    token = response.content.decode()
    assert jwt.get_unverified_header(token)["typ"] == "statuslist+jwt"
    claims: dict[str, Any] = jwt.decode(
        token, key_of(server, token), algorithms=["RS256"], options={"require": ["sub", "iat", "exp", "ttl"]}
    )
    assert claims["sub"] == uri
    return claims


def status(server: World, access_token: str) -> int:
    place = world.claims(access_token)["status"]["status_list"]
    claim = fetched(server, place["uri"])["status_list"]
    array = zlib.decompress(base64.urlsafe_b64decode(claim["lst"] + "=="))
    bits, index = claim["bits"], place["idx"]
    assert index < len(array) * 8 // bits
    return array[index * bits // 8] >> index * bits % 8 & (1 << bits) - 1
