// A real OpenID provider for the browser's test of setting up an issuer: `node sign_in.mjs PORT REDIRECT_URI`.
//
// Its own pages sign in everyone who types a name, and its UserInfo says that the name's address is verified.
import { generateKeyPairSync } from "node:crypto";
import Provider from "oidc-provider";

const [port, redirectUri] = process.argv.slice(2);
const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const provider = new Provider(`http://localhost:${port}`, {
  clients: [
    {
      client_id: "gatehouse",
      client_secret: "the-provider-gave-us-this-0123456789",
      redirect_uris: [redirectUri],
      id_token_signed_response_alg: "ES256",
    },
  ],
  jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), use: "sig", alg: "ES256", kid: "one" }] },
  claims: { email: ["email", "email_verified"], profile: ["name"] },
  scopes: ["openid", "profile", "email"],
  findAccount: (_, sub) => ({
    accountId: sub,
    claims: () => ({ sub, name: sub, email: `${sub}@example.com`, email_verified: true }),
  }),
});
provider.listen(Number(port), "127.0.0.1");
