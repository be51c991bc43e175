// A real OpenID provider for the browser's test of setting up an issuer: `node sign_in.mjs PORT REDIRECT_URI LOGOUT_URI`.
//
// Its own pages sign in everyone who types a name, and its UserInfo says that the name's address is verified. Who signs
// out at /session/end is signed out everywhere (back-channel logout).
import { generateKeyPairSync } from "node:crypto";
import Provider from "oidc-provider";

const [port, redirectUri, logoutUri] = process.argv.slice(2);
const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const provider = new Provider(`http://localhost:${port}`, {
  clients: [
    {
      client_id: "gatehouse",
      client_secret: "the-provider-gave-us-this-0123456789",
      redirect_uris: [redirectUri],
      id_token_signed_response_alg: "ES256",
      backchannel_logout_uri: logoutUri,
      backchannel_logout_session_required: true,
    },
  ],
  jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), use: "sig", alg: "ES256", kid: "one" }] },
  // Gatehouse is on loopback, where its own fetch does not go.
  fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  features: { backchannelLogout: { enabled: true } },
  claims: { email: ["email", "email_verified"], profile: ["name"] },
  scopes: ["openid", "profile", "email"],
  findAccount: (_, sub) => ({
    accountId: sub,
    claims: () => ({ sub, name: sub, email: `${sub}@example.com`, email_verified: true }),
  }),
});
provider.on("backchannel.error", (_, error) => console.error("back-channel logout failed:", error.message, error.cause));
provider.listen(Number(port), "127.0.0.1");
