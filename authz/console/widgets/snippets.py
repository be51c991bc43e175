"""Code to copy that protects an MCP server, with this server's real values (pure)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from authz.protocol.resources import metadata_address


@dataclass(frozen=True, slots=True)
class Snippet:
    title: str
    note: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """This server's real values. `identifier` is the resource's canonical URI, the tokens' `aud`."""

    issuer: str
    jwks_uri: str
    identifier: str
    algorithm: str
    scopes: Sequence[str]

    @property
    def base(self) -> str:
        parts = urlsplit(self.identifier)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def path(self) -> str:
        return urlsplit(self.identifier).path or "/"

    @property
    def port(self) -> int:
        """On which the server listens: that of its identifier, or another than ours behind what ends TLS."""
        return urlsplit(self.identifier).port or 9300

    @property
    def required(self) -> str:
        """The first scope, as a list that is written the same in Python and JavaScript."""
        return json.dumps(list(self.scopes[:1]))


# What CI runs the code with (tests/interop/test_snippets.py).
FASTMCP, PYTHON_SDK = "4.1.2", "2.3.0"
TYPESCRIPT_SDK, JOSE, EXPRESS = "1.32.2", "6.2.18", "5.3.0"

# The first message of an MCP client.
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "Gatehouse", "version": "1"},
    },
}


def protect(values: Values) -> list[Snippet]:
    """What the author of a resource server copies: whole programs, with the line that installs what they need."""
    node = f"npm i @modelcontextprotocol/sdk@{TYPESCRIPT_SDK} jose@{JOSE} express@{EXPRESS}"
    return [
        Snippet("Python: fastmcp", f"pip install fastmcp=={FASTMCP}", _fastmcp(values)),
        Snippet("Python: the official SDK", f"pip install mcp=={PYTHON_SDK} 'pyjwt[crypto]'", _python_sdk(values)),
        Snippet("TypeScript: the official SDK", f"{node} # server.mjs", _typescript(values)),
        Snippet("Any other server", "its metadata document", _metadata(values)),
    ]


def trying_a_token(values: Values) -> str:
    """Commands that get a token as an agent does, and begin an MCP session with it."""
    scope = f" -d scope={values.scopes[0]}" if values.scopes else ""
    return f"""\
TOKEN=$(curl -s -u CLIENT_ID:SECRET {values.issuer}/token -d grant_type=client_credentials \\
  -d resource={values.identifier}{scope} | python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')
curl -i {values.identifier} -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
  -H 'Accept: application/json, text/event-stream' -d '{json.dumps(INITIALIZE)}'
"""


def _fastmcp(values: Values) -> str:
    return f"""\
from fastmcp import FastMCP
from fastmcp.server.auth import RemoteAuthProvider
from fastmcp.server.auth.providers.jwt import JWTVerifier

verifier = JWTVerifier(
    jwks_uri="{values.jwks_uri}",
    issuer="{values.issuer}",
    audience="{values.identifier}",
    algorithm="{values.algorithm}",
    required_scopes={values.required},
)
# A str, not AnyHttpUrl(...): that would add a slash, and clients would refuse the issuer.
auth = RemoteAuthProvider(
    token_verifier=verifier,
    authorization_servers=["{values.issuer}"],
    base_url="{values.base}",
)
mcp = FastMCP("My server", auth=auth)


@mcp.tool
def hello() -> str:
    \"\"\"Say hello.\"\"\"
    return "Hello"


if __name__ == "__main__":
    mcp.run(transport="http", host="127.0.0.1", port={values.port}, path="{values.path}")
"""


def _python_sdk(values: Values) -> str:
    return f"""\
import jwt
from mcp.server.auth.provider import AccessToken, TokenVerifier
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer

keys = jwt.PyJWKClient("{values.jwks_uri}")


class Verifier(TokenVerifier):
    async def verify_token(self, token: str) -> AccessToken | None:
        try:
            claims = jwt.decode(
                token,
                keys.get_signing_key_from_jwt(token).key,
                algorithms=["{values.algorithm}"],
                issuer="{values.issuer}",
                audience="{values.identifier}",
                options={{"require": ["exp", "iss", "aud", "client_id"]}},
            )
        except jwt.PyJWTError:
            return None
        return AccessToken(
            token=token,
            client_id=claims["client_id"],
            scopes=claims.get("scope", "").split(),
            expires_at=claims["exp"],
            resource="{values.identifier}",
        )


auth = AuthSettings(
    issuer_url="{values.issuer}",
    resource_server_url="{values.identifier}",
    required_scopes={values.required},
    validate_token_resource=True,
)
mcp = MCPServer("My server", token_verifier=Verifier(), auth=auth)


@mcp.tool()
def hello() -> str:
    \"\"\"Say hello.\"\"\"
    return "Hello"


if __name__ == "__main__":
    mcp.run("streamable-http", host="127.0.0.1", port={values.port}, streamable_http_path="{values.path}")
"""


def _typescript(values: Values) -> str:
    return f"""\
import express from 'express';
import {{ createRemoteJWKSet, jwtVerify }} from 'jose';
import {{ McpServer }} from '@modelcontextprotocol/sdk/server/mcp.js';
import {{ StreamableHTTPServerTransport }} from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import {{ requireBearerAuth }} from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js';
import {{ InvalidTokenError }} from '@modelcontextprotocol/sdk/server/auth/errors.js';

const keys = createRemoteJWKSet(new URL('{values.jwks_uri}'));
const verifier = {{
  async verifyAccessToken(token) {{
    try {{
      const {{ payload }} = await jwtVerify(token, keys, {{
        issuer: '{values.issuer}',
        audience: '{values.identifier}',
        algorithms: ['{values.algorithm}'],
        typ: 'at+jwt',
      }});
      const scopes = (payload.scope ?? '').split(' ').filter(Boolean);
      return {{ token, clientId: payload.client_id, scopes, expiresAt: payload.exp }};
    }} catch {{
      throw new InvalidTokenError('The access token is not valid.');
    }}
  }},
}};

const app = express();
app.get('{urlsplit(metadata_address(values.identifier)).path}', (_, response) =>
  response.json({{
    resource: '{values.identifier}',
    authorization_servers: ['{values.issuer}'],
    scopes_supported: {json.dumps(list(values.scopes))},
    bearer_methods_supported: ['header'],
  }}));
app.use('{values.path}', express.json(), requireBearerAuth({{
  verifier,
  requiredScopes: {values.required},
  resourceMetadataUrl: '{metadata_address(values.identifier)}',
}}));
app.post('{values.path}', async (request, response) => {{
  const server = new McpServer({{ name: 'My server', version: '1.0.0' }});
  server.registerTool('hello', {{ description: 'Say hello.' }}, () => ({{
    content: [{{ type: 'text', text: 'Hello' }}],
  }}));
  const transport = new StreamableHTTPServerTransport({{ sessionIdGenerator: undefined }});
  await server.connect(transport);
  await transport.handleRequest(request, response, request.body);
}});
app.listen({values.port}, '127.0.0.1');
"""


def _metadata(values: Values) -> str:
    return json.dumps(
        {
            "resource": values.identifier,
            "authorization_servers": [values.issuer],
            "scopes_supported": list(values.scopes),
            "bearer_methods_supported": ["header"],
        },
        indent=2,
    )
