// The search box of every page. A token that is pasted is read here: only its `jti`, or the identifier of a refresh
// token's authorization, stays in the box and leaves the browser. Ctrl K (or ⌘ K) leads to the box.

const JWT = /eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*/;
const REFRESH_TOKEN = /([A-Za-z0-9_-]{22})\.[0-9]+\.[A-Za-z0-9_-]{43}/;

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));

function claims(token) {
  try {
    return JSON.parse(new TextDecoder().decode(bytes(token.split(".")[1])));
  } catch {
    return {};
  }
}

function uuid(text) {
  const hex = [...bytes(text)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

// What may be sent of a pasted text.
export function sendable(text) {
  const token = text.match(JWT)?.[0];
  if (token) {
    const { jti, authorization } = claims(token);
    return jti ?? authorization ?? "";
  }
  const refreshToken = text.match(REFRESH_TOKEN);
  return refreshToken ? uuid(refreshToken[1]) : text;
}

for (const box of document.querySelectorAll(".find input")) {
  const clean = () => {
    const text = sendable(box.value);
    if (text !== box.value) box.value = text;
  };
  box.addEventListener("input", clean);
  box.form.addEventListener("submit", clean);
}

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
    const box = [...document.querySelectorAll(".find input")].find((one) => one.offsetParent);
    if (!box) return;
    event.preventDefault();
    box.focus();
    box.select();
  }
});
