// Preloaded into the conformance suite (node --import): its IdP makes a key for each ID-JAG and publishes none of them.
// Here the public half of every key it makes is written to $PUBLISHED_KEYS as a JWKS.
import { writeFileSync } from "node:fs";

const keys = [];
const generateKey = crypto.subtle.generateKey.bind(crypto.subtle);
crypto.subtle.generateKey = async (...given) => {
  const made = await generateKey(...given);
  if (made.publicKey) {
    const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", made.publicKey);
    keys.push({ kty, crv, x, y, alg: "ES256", use: "sig" });
    writeFileSync(process.env.PUBLISHED_KEYS, JSON.stringify({ keys }));
  }
  return made;
};
