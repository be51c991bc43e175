"""DPoP proofs for a run, made just before it: they are good for five minutes, and each once."""

import base64
import json
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from authz.protocol import jwks
from authz.protocol.jwts import Signer


def write(path: Path, address: str, count: int) -> Path:
    """So many proofs of one key for `address`, one a line."""
    key = ec.generate_private_key(ec.SECP256R1())
    jwk = {name: value for name, value in jwks.public_jwk(key.public_key()).items() if name not in {"kid", "use"}}
    header = json.dumps({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk}, separators=(",", ":")).encode()
    signer = Signer("", "ES256", base64.urlsafe_b64encode(header).rstrip(b"=").decode(), key)
    now = int(time.time())
    with path.open("w") as file:
        for number in range(count):
            claims = {"jti": f"bench-{now}-{number}", "htm": "POST", "htu": address, "iat": now}
            file.write(signer.sign(claims) + "\n")
    return path
