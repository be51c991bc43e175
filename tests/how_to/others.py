"""Those that are met on a page and can't be here: apps with a metadata document, and platforms that sign tokens.

Each does what its documentation says, in the shapes of tests/cimd/documents.py and
tests/xaa/workloads/test_platform_tokens.py, at one https address of this machine.
"""

import json
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import jwt

from tests.cimd.documents import CHATGPT, CLAUDE_CODE, VS_CODE, document
from tests.how_to.identity_providers import ENTRA, ENTRA_APP, OKTA, OKTA_APP, IdentityProviders
from tests.interop.configuration import key_pair
from tests.interop.document_host import DocumentHost
from tests.xaa.workloads.test_platform_tokens import PLATFORMS

APPS: dict[str, dict[str, Any]] = {
    "/oauth/claude-code-client-metadata": CLAUDE_CODE,
    "/oauth/mcp-oauth-client-metadata": document(
        "https://claude.ai/oauth/mcp-oauth-client-metadata",
        client_name="Claude",
        redirect_uris=["https://claude.ai/api/mcp/auth_callback"],
    ),
    "/oauth/client-metadata.json": VS_CODE,
    "/oauth/client.json": CHATGPT | {"token_endpoint_auth_signing_alg": "RS256"},
}
GITHUB = PLATFORMS["GitHub Actions, a repository since July 2026"]
GITLAB = PLATFORMS["GitLab"]
KUBERNETES = PLATFORMS["Kubernetes"]
SPIFFE_ID = "spiffe://acme.example/agents/nightly"
SPIRE = "https://spire.acme.example"


class Others:
    def __init__(self, folder: Path) -> None:
        self._documents = DocumentHost(folder, documents=_Made())
        self._key = key_pair("RS256")
        self.providers = IdentityProviders(self._documents.url(""))
        self._documents.answer = self.providers.answer

    def __enter__(self) -> Self:
        self._documents.__enter__()
        here = self._documents.url("")
        made = self._documents.documents
        for path, metadata in APPS.items():
            own = metadata["client_id"].removesuffix(path)
            whole = json.loads(json.dumps(metadata).replace(own, here))
            made[path] = {**whole, "client_id": self._documents.url(path), "client_uri": here}
        made["/.well-known/openid-configuration"] = {"issuer": here, "jwks_uri": f"{here}/keys"}
        made["/keys"] = made["/oauth/jwks.json"] = self._key.jwks
        return self

    def __exit__(self, *_: object) -> None:
        self._documents.__exit__()

    @property
    def host(self) -> str:
        return f"localhost:{self._documents.port}"

    @property
    def ca_bundle(self) -> str:
        return str(self._documents.ca_bundle)

    @property
    def settings(self) -> dict[str, str]:
        return self._documents.settings

    @property
    def real(self) -> dict[str, str]:
        here = self._documents.url("")
        platforms = (GITHUB.issuer, GITLAB.issuer, KUBERNETES.issuer, SPIRE)
        return {
            **dict.fromkeys(["https://claude.ai", "https://vscode.dev", "https://chatgpt.com", *platforms], here),
            **self.providers.real,
            "trusted_hosts: [claude.ai]": "trusted_hosts: [localhost]",
            "trusted_hosts: [vscode.dev]": "trusted_hosts: [localhost]",
            "trusted_hosts: [chatgpt.com]": "trusted_hosts: [localhost]",
        }

    def environment(self, issuer: str) -> dict[str, str]:
        """What the platforms put into the environment of a job, and identity providers into an app."""
        asked = f"{self._documents.url('/github')}?api-version=2.0"
        self._documents.documents[f"/github?api-version=2.0&audience={issuer}"] = lambda: {
            "value": self._token(GITHUB.claims, aud=issuer)
        }
        return {
            "ACTIONS_ID_TOKEN_REQUEST_URL": asked,
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "github's own",
            "ID_TOKEN_FOR_GATEHOUSE": self._token(GITLAB.claims, aud=issuer),
            # What an app has of a person who has signed in to it.
            "OKTA_ID_TOKEN": self.providers.id_token(OKTA, OKTA_APP),
            "ENTRA_ID_TOKEN": self.providers.id_token(ENTRA, ENTRA_APP),
            "CURL_CA_BUNDLE": self.ca_bundle,
            "REQUESTS_CA_BUNDLE": self.ca_bundle,
        }

    def write_secrets(self, folder: Path, issuer: str) -> None:
        """What the kubelet mounts, and the key by which ChatGPT signs."""
        token = folder / "gatehouse/token"
        token.parent.mkdir(parents=True)
        token.write_text(self._token(KUBERNETES.claims, aud=[issuer]))
        (folder / "chatgpt.pem").write_text(self._key.private_pem)

    def svid(self, issuer: str) -> str:
        return self._token(lambda now: {"sub": SPIFFE_ID, "aud": [issuer], "iat": now, "exp": now + 300}, iss=None)

    def _token(self, claims: Callable[[int], Mapping[str, Any]], **more: Any) -> str:
        now = int(time.time())
        said = {"iss": self._documents.url(""), **claims(now), "jti": str(uuid.uuid4()), **more}
        said = {name: value for name, value in said.items() if value is not None}
        kid = self._key.jwks["keys"][0]["kid"]
        return jwt.encode(said, self._key.private_pem, algorithm="RS256", headers={"kid": kid})


class _Made(dict[str, Any]):
    """Documents, some of which are made when they are asked for."""

    def get(self, path: str, default: Any = None) -> Any:
        found = super().get(path, default)
        return found() if callable(found) else found
