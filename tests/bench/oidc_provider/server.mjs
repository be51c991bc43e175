// The peer: npm's oidc-provider with what it keeps in memory. `node server.mjs FOLDER PORT PROCESSES`.
//
// FOLDER/client-jwks.json has the public keys of the client `signing-agent`. Written there: FOLDER/peer-refresh-tokens.txt.
import cluster from "node:cluster";
import { readFileSync, writeFileSync } from "node:fs";
import { generateKeyPairSync } from "node:crypto";
import Provider from "oidc-provider";

const [folder, port, processes] = process.argv.slice(2);
const RESOURCE = "http://127.0.0.1:9201/mcp";
const FAMILIES = 2000;

// Its own keeps a thousand objects at most, so the used assertions of one line would put out the grants of the next.
class Memory {
  #kept = new Map();

  async upsert(id, payload) {
    this.#kept.set(id, payload);
  }

  async find(id) {
    return this.#kept.get(id);
  }

  async consume(id) {
    this.#kept.get(id).consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    this.#kept.delete(id);
  }

  async revokeByGrantId() {}
}

if (cluster.isPrimary && Number(processes) > 1) {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const key = JSON.stringify(privateKey.export({ format: "jwk" }));
  for (let i = 0; i < Number(processes); i++) cluster.fork({ PEER_KEY: key });
  process.on("SIGTERM", () => process.exit(0));
} else {
  await serve();
}

async function serve() {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const jwk = process.env.PEER_KEY ? JSON.parse(process.env.PEER_KEY) : privateKey.export({ format: "jwk" });
  const machine = {
    redirect_uris: [],
    response_types: [],
    grant_types: ["client_credentials"],
    scope: "mcp:read",
    id_token_signed_response_alg: "ES256",
  };
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    adapter: Memory,
    clients: [
      { ...machine, client_id: "nightly-report", client_secret: "nightly-report-secret-0123456789-0123456789" },
      {
        ...machine,
        client_id: "signing-agent",
        token_endpoint_auth_method: "private_key_jwt",
        token_endpoint_auth_signing_alg: "ES256",
        jwks: JSON.parse(readFileSync(`${folder}/client-jwks.json`)),
      },
      {
        client_id: "desktop-app",
        token_endpoint_auth_method: "none",
        redirect_uris: ["https://app.example/callback"],
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
        id_token_signed_response_alg: "ES256",
      },
    ],
    jwks: { keys: [{ ...jwk, use: "sig", alg: "ES256", kid: "peer" }] },
    scopes: ["openid", "offline_access", "mcp:read"],
    rotateRefreshToken: true,
    issueRefreshToken: () => true,
    findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
    ttl: { ClientCredentials: 600, AccessToken: 600, RefreshToken: 86400, Grant: 86400 },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => RESOURCE,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: "mcp:read",
          audience: RESOURCE,
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: "ES256" } },
        }),
      },
    },
  });
  if (!cluster.isWorker) writeFileSync(`${folder}/peer-refresh-tokens.txt`, await families(provider));
  provider.listen(Number(port), "127.0.0.1");
}

async function families(provider) {
  const client = await provider.Client.find("desktop-app");
  const tokens = [];
  for (let i = 0; i < FAMILIES; i++) {
    const grant = new provider.Grant({ accountId: "bob", clientId: "desktop-app" });
    grant.addResourceScope(RESOURCE, "mcp:read");
    const token = new provider.RefreshToken({
      accountId: "bob",
      client,
      grantId: await grant.save(),
      gty: "authorization_code",
      scope: "mcp:read",
      resource: RESOURCE,
    });
    tokens.push(await token.save());
  }
  return tokens.map((token) => `${token}\n`).join("");
}
