"""Writes what the runs use: `python -m tests.bench.prepare FOLDER ASSERTIONS FAMILIES TRUSTED_ISSUER`."""

import json
import secrets
import sys
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric import ec

from authz.client_auth.private_key_jwt import ASSERTION_TYPE
from authz.conf import conf
from authz.models import Authorization, Client, ProtectedResource, User
from authz.protocol import jwks, jwts
from authz.tokens import refresh_tokens
from tests.bench.servers import CHAT, CHAT_MCP, ES256, JWT_BEARER, TOKEN_EXCHANGE
from xaa import id_jag


def main(folder: Path, assertions: int, families: int, trusted_issuer: str) -> None:
    write_assertions(folder / "assertions.txt", assertions)
    write_refresh_tokens(folder / "refresh-tokens.txt", families)
    write_cross_app(folder, assertions, trusted_issuer)


def write_cross_app(folder: Path, count: int, issuer: str) -> None:
    """The trusted issuer's keys, ID-JAGs of it to redeem, and one ID token of it to exchange again and again."""
    key = ec.generate_private_key(ec.SECP256R1())
    jwk = jwks.public_jwk(key.public_key(), kid="idp", alg="ES256")
    (folder / "jwks.json").write_text(json.dumps({"keys": [jwk]}))
    now = int(time.time())
    person = {"iss": issuer, "sub": "bob-there", "email": "bob@example.com", "email_verified": True}
    times = {"iat": now, "exp": now + 290, "auth_time": now}
    grant = (
        person | times | {"aud": conf.issuer, "client_id": "cross-app-agent", "resource": ES256, "scope": "mcp:read"}
    )
    signer = jwts.signer(key, kid="idp", alg="ES256", typ=id_jag.TYP)
    with (folder / "id-jags.txt").open("w") as file:
        for number in range(count):
            assertion = signer.sign(grant | {"jti": f"bench-{number}"})
            file.write(urlencode({"grant_type": JWT_BEARER, "assertion": assertion}) + "\n")
    id_token = jwts.signer(key, kid="idp", alg="ES256", typ="JWT").sign(person | times | {"aud": "their-agent"})
    exchange = {
        "grant_type": TOKEN_EXCHANGE,
        "requested_token_type": id_jag.TOKEN_TYPE,
        "subject_token": id_token,
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "audience": CHAT,
        "resource": CHAT_MCP,
        "scope": "chat.read",
    }
    (folder / "exchange.txt").write_text(urlencode(exchange))


def write_assertions(path: Path, count: int) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    jwk = jwks.public_jwk(key.public_key(), kid="bench", alg="ES256")
    Client.objects.filter(client_id="signing-agent").update(client_jwks={"keys": [jwk]})
    signer = jwts.signer(key, kid="bench", alg="ES256", typ="JWT")
    now = int(time.time())
    # Each call's are others: a claim is kept for as long as its assertion is valid.
    these = secrets.token_hex(4)
    claims = {"iss": "signing-agent", "sub": "signing-agent", "aud": conf.issuer, "iat": now, "exp": now + 1800}
    with path.open("w") as file:
        for number in range(count):
            assertion = signer.sign(claims | {"jti": f"bench-{these}-{number}"})
            form = {
                "grant_type": "client_credentials",
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": assertion,
                "resource": ES256,
            }
            file.write(urlencode(form) + "\n")


def write_refresh_tokens(path: Path, count: int) -> None:
    now = datetime.now(UTC)
    client = Client.objects.get(client_id="desktop-app")
    user = User.objects.get(username="bob")
    resource = ProtectedResource.objects.get(identifier=ES256)
    rows = [
        Authorization(
            id=uuid.uuid4(),
            client=client,
            user=user,
            resource=resource,
            grant_type="authorization_code",
            scopes=["mcp:read"],
            created=now,
            expires=now + timedelta(days=1),
            auth_time=int(now.timestamp()),
        )
        for _ in range(count)
    ]
    Authorization.objects.bulk_create(rows)
    path.write_text("".join(refresh_tokens.write(row.id, 0) + "\n" for row in rows))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
