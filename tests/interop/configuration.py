"""What the running server is told: one MCP server, one client a way of signing in, Alice, Bob, Charlie."""

import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

PASSWORD = "a-long-passphrase-for-interop"  # the same for everybody here; this database lives for one test run
PAYROLL = "https://payroll.example.com/mcp"  # a resource of which no server here takes tokens
ALGORITHMS = {"machine-rs256": "RS256", "machine-es256": "ES256", "machine-eddsa": "EdDSA", "indexer": "ES256"}
REDIRECT_URI = "http://127.0.0.1:3334/callback"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A client's signing key: PEM for the client (PKCS #8), JWKS for the server."""

    algorithm: str
    private_pem: str
    jwks: dict[str, Any]


def key_pair(algorithm: str) -> KeyPair:
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
    if algorithm in {"RS256", "PS256"}:
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    elif algorithm == "ES256":
        private = ec.generate_private_key(ec.SECP256R1())
    else:
        private = ed25519.Ed25519PrivateKey.generate()
    public = jwt.get_algorithm_by_name(algorithm).to_jwk(private.public_key(), as_dict=True)
    public.pop("key_ops", None)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return KeyPair(algorithm, pem, {"keys": [public | {"kid": f"{algorithm}-1", "alg": algorithm, "use": "sig"}]})


@dataclass(slots=True)
class Scene:
    """Everything the clients and the server have to agree on."""

    mcp_server: str
    documents: str  # the origin of the host that serves the clients' metadata documents
    secrets: dict[str, str] = field(default_factory=dict)
    keys: dict[str, KeyPair] = field(default_factory=dict)

    def yaml(self) -> str:
        """As `manage.py apply` reads it (JSON is YAML)."""
        return json.dumps(
            {
                "users": [
                    self._user("alice", role="administrator"),
                    self._user("bob", groups=["readers"]),
                    self._user("charlie"),
                ],
                "resources": [
                    {
                        "identifier": self.mcp_server,
                        "name": "Notes",
                        "default": True,
                        "introspection_clients": ["notes-server"],
                        "scopes": [
                            {"name": "mcp:read", "description": "Read notes"},
                            {"name": "mcp:write", "description": "Change notes", "sensitivity": "high"},
                        ],
                    },
                    {
                        "identifier": PAYROLL,
                        "name": "Payroll",
                        "scopes": [{"name": "payroll:read", "description": "Read the payroll"}],
                    },
                ],
                "clients": [*self._machines(), *self._people()],
                "rules": [
                    {
                        "name": "Machines may read the notes",
                        "effect": "allow",
                        "clients": [
                            *(client["client_id"] for client in self._machines()),
                            f"{self.documents}/indexer.json",
                        ],
                        "grant_types": ["client_credentials"],
                        "resources": [self.mcp_server],
                        "scopes": ["mcp:read"],
                    },
                    {
                        "name": "Readers may read with any approved agent",
                        "effect": "allow",
                        "clients": ["*"],
                        "groups": ["readers"],
                        "grant_types": ["*"],
                        "resources": [self.mcp_server, PAYROLL],
                        "scopes": ["mcp:read", "payroll:read"],
                    },
                ],
                "cimd": {"trusted_hosts": ["localhost"]},
            },
            indent=1,
        )

    def metadata_documents(self) -> dict[str, Any]:
        """What unregistered agents publish (Client ID Metadata Documents)."""
        return {
            "/notes-reader.json": {
                "client_id": f"{self.documents}/notes-reader.json",
                "client_name": "Notes reader",
                "client_uri": f"{self.documents}/",
                # RFC 8252 §7.3: the port is chosen at the time of the request. Each client has a path of its own.
                "redirect_uris": [
                    "http://127.0.0.1/callback",
                    "http://localhost/callback",
                    "http://127.0.0.1/oauth/callback",
                    "http://localhost/oauth/callback",
                ],
                "grant_types": ["authorization_code", "refresh_token"],
                "response_types": ["code"],
                "token_endpoint_auth_method": "none",
            },
            "/indexer.json": {
                "client_id": f"{self.documents}/indexer.json",
                "client_name": "Indexer",
                "grant_types": ["client_credentials"],
                "redirect_uris": [],
                "token_endpoint_auth_method": "private_key_jwt",
                "jwks": self.key("indexer").jwks,
            },
        }

    def secret(self, client_id: str) -> str:
        return self.secrets.setdefault(client_id, secrets.token_urlsafe(40))

    def key(self, client_id: str) -> KeyPair:
        if client_id not in self.keys:
            self.keys[client_id] = key_pair(ALGORITHMS[client_id])
        return self.keys[client_id]

    def _user(self, name: str, **more: Any) -> dict[str, Any]:
        return {"username": name, "password": PASSWORD, "email": f"{name}@example.com", **more}

    def _client(self, client_id: str, method: str, **more: Any) -> dict[str, Any]:
        client: dict[str, Any] = {
            "client_id": client_id,
            "client_name": client_id.replace("-", " ").capitalize(),
            "status": "approved",
            "owner": "alice",
            "token_endpoint_auth_method": method,
            **more,
        }
        if method.startswith("client_secret"):
            client["client_secret"] = self.secret(client_id)
        if method == "private_key_jwt":
            client["jwks"] = self.key(client_id).jwks
        return client

    def _machines(self) -> list[dict[str, Any]]:
        grant = {"grant_types": ["client_credentials"]}
        return [
            self._client("machine-basic", "client_secret_basic", **grant),
            self._client("machine-post", "client_secret_post", **grant),
            self._client("machine-rs256", "private_key_jwt", **grant),
            self._client("machine-es256", "private_key_jwt", **grant),
            self._client("machine-eddsa", "private_key_jwt", **grant),
            self._client("notes-server", "client_secret_basic", **grant),
        ]

    def _people(self) -> list[dict[str, Any]]:
        grants = {"grant_types": ["authorization_code", "refresh_token"]}
        # RFC 8252 §7.3: the port of a loopback redirect is the client's choice at the time of the request.
        loopback = {"redirect_uris": ["http://127.0.0.1/callback"]}
        return [
            self._client("person-none", "none", **grants, **loopback),
            self._client("person-basic", "client_secret_basic", **grants, **loopback),
            self._client("person-post", "client_secret_post", **grants, **loopback),
        ]
