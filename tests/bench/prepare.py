"""Writes what the runs use: `python -m tests.bench.prepare FOLDER ASSERTIONS FAMILIES`."""

import sys
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric import ec

from authz import refresh_tokens
from authz.client_auth.private_key_jwt import ASSERTION_TYPE
from authz.conf import conf
from authz.models import Authorization, Client, ProtectedResource, User
from authz.protocol import jwts
from tests.bench.servers import ES256


def main(folder: Path, assertions: int, families: int) -> None:
    write_assertions(folder / "assertions.txt", assertions)
    write_refresh_tokens(folder / "refresh-tokens.txt", families)


def write_assertions(path: Path, count: int) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    jwk = jwts.public_jwk(key.public_key(), kid="bench", alg="ES256")
    Client.objects.filter(client_id="signing-agent").update(client_jwks={"keys": [jwk]})
    signer = jwts.signer(key, kid="bench", alg="ES256", typ="JWT")
    now = int(time.time())
    claims = {"iss": "signing-agent", "sub": "signing-agent", "aud": conf.issuer, "iat": now, "exp": now + 1800}
    with path.open("w") as file:
        for number in range(count):
            assertion = signer.sign(claims | {"jti": f"bench-{number}"})
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
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
