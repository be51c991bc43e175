// oauth4webapi refuses whatever the RFCs do not allow. One script for all it can check:
//   "person":  discovery, authorization code with PKCE and iss, refresh, introspection, revocation
//   "machine": client credentials
// Every access token goes through validateJwtAccessToken (RFC 9068) and then to the MCP server.
// The person's browser is the harness: we print `OPEN <url>` and read the redirect from standard input.
import { createInterface } from "node:readline/promises";
import * as oauth from "oauth4webapi";

const ask = JSON.parse(process.argv[2]);
const insecure = { [oauth.allowInsecureRequests]: true }; // http on loopback
const issuer = new URL(ask.issuer);
const client = { client_id: ask.client_id };
const authenticate = {
  client_secret_basic: () => oauth.ClientSecretBasic(ask.client_secret),
  client_secret_post: () => oauth.ClientSecretPost(ask.client_secret),
  none: () => oauth.None(),
}[ask.method]();

const discovered = await oauth.discoveryRequest(issuer, { algorithm: ask.discovery, ...insecure });
const as = await oauth.processDiscoveryResponse(issuer, discovered);

async function validated(access_token) {
  const request = new Request(ask.mcp_server, { headers: { authorization: `Bearer ${access_token}` } });
  return oauth.validateJwtAccessToken(as, request, ask.mcp_server, insecure);
}

/** One MCP request by hand: initialize is enough to know that the server took the token. */
async function accepted(access_token) {
  const response = await fetch(ask.mcp_server, {
    method: "POST",
    headers: {
      authorization: `Bearer ${access_token}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "initialize",
      params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "oauth4webapi", version: "3" } },
    }),
  });
  await response.body?.cancel();
  return response.status;
}

async function machine() {
  const parameters = new URLSearchParams({ scope: "mcp:read", resource: ask.mcp_server });
  const response = await oauth.clientCredentialsGrantRequest(as, client, authenticate, parameters, insecure);
  const tokens = await oauth.processClientCredentialsResponse(as, client, response);
  return {
    access_token: tokens.access_token,
    claims: await validated(tokens.access_token),
    mcp_status: await accepted(tokens.access_token),
  };
}

async function person() {
  const code_verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const authorize = new URL(as.authorization_endpoint);
  authorize.search = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: ask.redirect_uri,
    response_type: "code",
    scope: "mcp:read",
    resource: ask.mcp_server,
    code_challenge: await oauth.calculatePKCECodeChallenge(code_verifier),
    code_challenge_method: "S256",
    state,
  }).toString();
  console.log(`OPEN ${authorize.href}`);
  const lines = createInterface({ input: process.stdin });
  const redirect = new URL((await lines[Symbol.asyncIterator]().next()).value);
  lines.close();

  const answer = oauth.validateAuthResponse(as, client, redirect, state);
  const response = await oauth.authorizationCodeGrantRequest(
    as, client, authenticate, answer, ask.redirect_uri, code_verifier,
    { ...insecure, additionalParameters: { resource: ask.mcp_server } },
  );
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, response);
  const claims = await validated(tokens.access_token);

  const refresh = await oauth.refreshTokenGrantRequest(as, client, authenticate, tokens.refresh_token, {
    ...insecure,
    additionalParameters: { resource: ask.mcp_server },
  });
  const refreshed = await oauth.processRefreshTokenResponse(as, client, refresh);
  const refreshedClaims = await validated(refreshed.access_token);
  const mcp_status = await accepted(refreshed.access_token);

  const server = { client_id: ask.introspection_client.client_id };
  const serverAuthenticates = oauth.ClientSecretBasic(ask.introspection_client.client_secret);
  const introspect = async (token) =>
    oauth.processIntrospectionResponse(
      as, server, await oauth.introspectionRequest(as, server, serverAuthenticates, token, insecure),
    );
  const live = await introspect(refreshed.access_token);
  await oauth.processRevocationResponse(
    await oauth.revocationRequest(as, client, authenticate, refreshed.refresh_token, insecure),
  );
  const revoked = await introspect(refreshed.access_token);
  return {
    access_token: tokens.access_token,
    refreshed_access_token: refreshed.access_token,
    claims, refreshedClaims, mcp_status, live, revoked,
    rotated: tokens.refresh_token !== refreshed.refresh_token,
  };
}

console.log(JSON.stringify(await (ask.kind === "person" ? person() : machine())));
