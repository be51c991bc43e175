// npm @modelcontextprotocol/client: an ID token becomes an ID-JAG at the company, and that a token at the software house.
// argv[2]: JSON, see cross_app.CrossApp.ask. `steps: "by hand"` takes the SDK's three functions, otherwise its provider.
import {
  Client,
  CrossAppAccessProvider,
  StreamableHTTPClientTransport,
  discoverAndRequestJwtAuthGrant,
  discoverAuthorizationServerMetadata,
  exchangeJwtAuthGrant,
  requestJwtAuthorizationGrant,
} from "@modelcontextprotocol/client";

const ask = JSON.parse(process.argv[2]);
const { company, saas } = ask;
const atCompany = { idToken: ask.id_token, clientId: company.client_id, clientSecret: company.client_secret };
const client = new Client({ name: "interop", version: "1.0.0" });

async function readNotes(options) {
  await client.connect(new StreamableHTTPClientTransport(new URL(ask.mcp_server), options));
  const result = await client.callTool({ name: "read_notes", arguments: {} });
  await client.close();
  return result.structuredContent;
}

async function byProvider() {
  const authProvider = new CrossAppAccessProvider({
    clientId: saas.client_id,
    clientSecret: saas.client_secret,
    expectedIssuer: saas.issuer,
    assertion: async ({ authorizationServerUrl, resourceUrl, scope }) => {
      const grant = await discoverAndRequestJwtAuthGrant({
        ...atCompany,
        idpUrl: company.issuer,
        audience: authorizationServerUrl,
        resource: resourceUrl,
        scope,
      });
      return grant.jwtAuthGrant;
    },
  });
  const tool = await readNotes({ authProvider });
  return { tool, access_token: authProvider.tokens().access_token };
}

async function byHand() {
  const there = await discoverAuthorizationServerMetadata(saas.issuer);
  const here = await discoverAuthorizationServerMetadata(company.issuer);
  const grant = await requestJwtAuthorizationGrant({
    ...atCompany,
    tokenEndpoint: here.token_endpoint,
    audience: there.issuer,
    resource: ask.mcp_server,
    scope: "mcp:read",
  });
  const tokens = await exchangeJwtAuthGrant({
    tokenEndpoint: there.token_endpoint,
    jwtAuthGrant: grant.jwtAuthGrant,
    clientId: saas.client_id,
    clientSecret: saas.client_secret,
    authMethod: saas.method,
  });
  const tool = await readNotes({ requestInit: { headers: { authorization: `Bearer ${tokens.access_token}` } } });
  return { tool, access_token: tokens.access_token, id_jag: grant.jwtAuthGrant };
}

console.log(JSON.stringify(await (ask.steps === "by hand" ? byHand() : byProvider())));
