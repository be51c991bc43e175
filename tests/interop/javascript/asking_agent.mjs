// npm @modelcontextprotocol/client and /ext-tasks: an unattended agent asks for access at the authorization server's own
// MCP server, and follows the task. argv[2]: JSON, see tests/interop/house.py. Prints a line of JSON a step.
import { Client, ClientCredentialsProvider, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { createTaskSessionFromClient, resultFromTaskOutcome } from "@modelcontextprotocol/ext-tasks/client";

const ask = JSON.parse(process.argv[2]);
const gatehouse = new URL(`${ask.issuer}/mcp`);
const say = (step) => console.log(JSON.stringify(step));
const TASKS = { extensions: { "io.modelcontextprotocol/tasks": {} } };
const INFO = { name: "interop", version: "1.0.0" };
const VERSION = "2026-07-28";

const authProvider = new ClientCredentialsProvider({
  clientId: ask.client_id,
  clientSecret: ask.client_secret,
  scope: "access:read access:request",
  expectedIssuer: ask.issuer,
});
const client = new Client(INFO, { versionNegotiation: { mode: "auto" } });
await client.connect(new StreamableHTTPClientTransport(gatehouse, { authProvider }));
const { tools } = await client.listTools();
say({ tools: tools.map((tool) => tool.name), era: client.getProtocolEra() });
const explained = await client.callTool({ name: "explain_access", arguments: { server: ask.server } });
say({ explained: explained.structuredContent });

// The SDK's codecs do not know tasks yet: the host sends what the extension's package frames.
let seen = "";
async function rawDispatch(request) {
  const name = request.params.taskId ?? request.params.name;
  const response = await fetch(gatehouse, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      Accept: "application/json, text/event-stream",
      Authorization: `Bearer ${authProvider.tokens().access_token}`,
      "MCP-Protocol-Version": VERSION,
      "Mcp-Method": request.method,
      ...(name === undefined ? {} : { "Mcp-Name": name }),
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: crypto.randomUUID(), ...request }),
  });
  const answer = await response.json();
  const { taskId, status, statusMessage } = answer.result ?? {};
  if (taskId && status !== seen) {
    seen = status;
    say({ task: taskId, status, message: statusMessage });
  }
  return answer;
}
const session = createTaskSessionFromClient(client, {
  endpointId: ask.issuer,
  rawDispatch,
  v2RequestFraming: { protocolVersion: VERSION, clientInfo: INFO, clientCapabilities: TASKS },
});
const execution = await session.callTool("request_access", {
  server: ask.server,
  scopes: ["mcp:write"],
  reason: ask.reason,
});
const { outcome } = await execution.settle();
say({ asked: resultFromTaskOutcome(outcome).structuredContent });
await session.close();
await client.close();
process.exit(0);
