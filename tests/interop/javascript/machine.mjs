// npm @modelcontextprotocol/client (or the older /sdk): an unattended client gets its own token and reads the notes.
// argv[2]: JSON, see tests/interop/conftest.py; `sdk` chooses the package.
const ask = JSON.parse(process.argv[2]);

async function parts() {
  if (ask.sdk === "client") return import("@modelcontextprotocol/client");
  const [client, transport, extensions] = await Promise.all([
    import("@modelcontextprotocol/sdk/client/index.js"),
    import("@modelcontextprotocol/sdk/client/streamableHttp.js"),
    import("@modelcontextprotocol/sdk/client/auth-extensions.js"),
  ]);
  return { ...client, ...transport, ...extensions };
}

const { Client, StreamableHTTPClientTransport, ClientCredentialsProvider, PrivateKeyJwtProvider } = await parts();

const common = { clientId: ask.client_id, scope: "mcp:read", expectedIssuer: ask.issuer };
const authProvider =
  ask.method === "private_key_jwt"
    ? new PrivateKeyJwtProvider({ ...common, privateKey: ask.private_key, algorithm: ask.algorithm })
    : new ClientCredentialsProvider({ ...common, clientSecret: ask.client_secret });

const client = new Client({ name: "interop", version: "1.0.0" });
await client.connect(new StreamableHTTPClientTransport(new URL(ask.mcp_server), { authProvider }));
const result = await client.callTool({ name: "read_notes", arguments: {} });
const { access_token } = authProvider.tokens();
await client.close();
console.log(JSON.stringify({ tool: result.structuredContent, access_token }));
