// Makes a key pair in the browser of the agent's owner. The public half goes into the form; the private half is
// shown and offered as a file, and never leaves this page: it is in no form field, no request and no storage.

const encode = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)))
  .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

// RFC 7638: the digest of the required members, in order, without white space.
const thumbprint = async ({ crv, kty, x, y }) =>
  encode(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify({ crv, kty, x, y }))));

async function make(field, place) {
  const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
  const { crv, kty, x, y } = await crypto.subtle.exportKey("jwk", pair.publicKey);
  const { d } = await crypto.subtle.exportKey("jwk", pair.privateKey);
  const kid = await thumbprint({ crv, kty, x, y });
  const shared = { kty, crv, x, y, kid, alg: "ES256", use: "sig" };
  field.value = JSON.stringify({ keys: [shared] }, null, 2);
  field.dispatchEvent(new Event("change", { bubbles: true }));

  const secret = JSON.stringify({ ...shared, d }, null, 2);
  const note = document.createElement("p");
  note.textContent = "This is the private key. It stays in this page: store it now, it cannot be shown again.";
  const shown = document.createElement("textarea");
  shown.className = "code private-key";
  shown.readOnly = true;
  shown.rows = 8;
  shown.value = secret;
  shown.setAttribute("aria-label", "The private key");
  const file = document.createElement("a");
  file.className = "button plain small";
  file.download = `${kid}.private.jwk.json`;
  file.href = URL.createObjectURL(new Blob([secret], { type: "application/json" }));
  file.textContent = "Save it as a file";
  place.replaceChildren(note, shown, file);
}

document.querySelectorAll("textarea[data-keypair]").forEach((field) => {
  // Only where the page came safely does a browser make keys.
  if (!globalThis.crypto?.subtle) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button plain small";
  button.textContent = "Generate in this browser";
  const place = document.createElement("div");
  place.className = "stack tight";
  place.setAttribute("role", "status");
  button.addEventListener("click", () => make(field, place));
  field.after(button, place);
});
