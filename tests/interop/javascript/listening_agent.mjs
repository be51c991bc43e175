// npm @modelcontextprotocol/client: an unattended agent asks for access at the authorization server's own MCP server, and
// listens to what becomes of its task (subscriptions/listen). argv[2]: JSON, see tests/interop/house.py. Prints a line of
// JSON a step.
import { Client, ClientCredentialsProvider, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const ask = JSON.parse(process.argv[2]);
const gatehouse = new URL(`${ask.issuer}/mcp`);
const say = (step) => console.log(JSON.stringify(step));
const TASKS = { extensions: { "io.modelcontextprotocol/tasks": {} } };
const INFO = { name: "interop", version: "1.0.0" };
const VERSION = "2026-07-28";
const KEY = "io.modelcontextprotocol";

const authProvider = new ClientCredentialsProvider({
  clientId: ask.client_id,
  clientSecret: ask.client_secret,
  scope: "access:read access:request",
  expectedIssuer: ask.issuer,
});
const client = new Client(INFO, { capabilities: TASKS, versionNegotiation: { mode: "auto" } });
client.fallbackNotificationHandler = async ({ method, params }) => say({ told: method, status: params.status });
await client.connect(new StreamableHTTPClientTransport(gatehouse, { authProvider }));
await client.listTools();

// The SDK's codecs do not know tasks yet, so the host frames the call.
const params = {
  name: "request_access",
  arguments: { server: ask.server, scopes: ["mcp:write"], reason: ask.reason },
  _meta: { [`${KEY}/protocolVersion`]: VERSION, [`${KEY}/clientInfo`]: INFO, [`${KEY}/clientCapabilities`]: TASKS },
};
const response = await fetch(gatehouse, {
  method: "POST",
  headers: {
    "Content-Type": "application/json",
    Accept: "application/json, text/event-stream",
    Authorization: `Bearer ${authProvider.tokens().access_token}`,
    "MCP-Protocol-Version": VERSION,
    "Mcp-Method": "tools/call",
    "Mcp-Name": "request_access",
  },
  body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params }),
});
const { taskId, statusMessage } = (await response.json()).result;
const subscription = await client.listen({ taskIds: [taskId] });
say({ listening: subscription.honoredFilter, task: taskId, message: statusMessage });
say({ closed: await subscription.closed });
await client.close();
process.exit(0);
