// Keyboard shortcuts. `?` lists them, and disables them (WCAG 2.2, 2.1.4): people who use voice control
// would press them by accident. Without this file everything works by Tab and Enter.

const STORE = "gatehouse-keys";
const GO = { h: "home", d: "inbox", a: "agent", s: "server", r: "rule", e: "list" };
const LISTED = [
  ["Ctrl K", "Find anything"], ["/", "Search this list, or anything"], ["j  k", "Next and previous row"], ["Enter", "Open it"], ["x", "Select it"],
  ["g h", "Home"], ["g d", "What waits for a decision"], ["g a", "Agents"], ["g s", "MCP servers"], ["g r", "Rules"],
  ["g e", "Audit events"], ["?", "These keys"],
];

const isOff = () => {
  try { return localStorage.getItem(STORE) === "off"; } catch { return false; }
};
const isTyping = (element) => element.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
const rows = () => [...document.querySelectorAll("#result_list tbody tr")];
const current = () => document.activeElement.closest("#result_list tbody tr");

function move(step) {
  const all = rows();
  const at = all.indexOf(current());
  const next = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1)];
  next?.querySelector("th a, td a")?.focus();
}

function go(letter) {
  const icon = `#${GO[letter]}`;
  const links = [...document.querySelectorAll(".wide-nav .items a")];
  const link = links.find((one) => one.querySelector("use")?.getAttribute("href").endsWith(icon));
  if (GO[letter] && link) location.assign(link.href);
}

function help() {
  const dialog = document.createElement("dialog");
  dialog.className = "keys";
  dialog.setAttribute("aria-labelledby", "keys-title");
  const title = document.createElement("h2");
  title.id = "keys-title";
  title.textContent = "Keys";
  const list = document.createElement("dl");
  list.className = "facts dense";
  for (const [key, meaning] of LISTED) {
    const name = document.createElement("dt");
    const kbd = document.createElement("kbd");
    kbd.textContent = key;
    name.append(kbd);
    const text = document.createElement("dd");
    text.textContent = meaning;
    list.append(name, text);
  }
  const label = document.createElement("label");
  label.className = "checkbox-row";
  const box = document.createElement("input");
  box.type = "checkbox";
  box.checked = !isOff();
  box.addEventListener("change", () => {
    try { localStorage.setItem(STORE, box.checked ? "on" : "off"); } catch { /* then they stay as they are */ }
  });
  label.append(box, " Single keys are on in this browser");
  const close = document.createElement("button");
  close.className = "button plain small";
  close.textContent = "Close";
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  dialog.append(title, list, label, close);
  document.body.append(dialog);
  dialog.showModal();
}

let awaits = 0;
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || document.querySelector("dialog[open]")) return;
  const { key } = event;
  if (isOff()) return;
  if (awaits && Date.now() - awaits < 1500) {
    awaits = 0;
    return go(key);
  }
  if (key === "/") (document.querySelector("#searchbar") ?? document.querySelector("#find"))?.focus();
  else if (key === "j") move(1);
  else if (key === "k") move(-1);
  else if (key === "x") current()?.querySelector(".action-select")?.click();
  else if (key === "g") awaits = Date.now();
  else if (key === "?") help();
  else return;
  event.preventDefault();
});

// The button in the navigation opens the list, also if the shortcuts are disabled.
document.querySelectorAll(".who").forEach((place) => {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "link";
  button.textContent = "Keys";
  button.addEventListener("click", help);
  place.append(button);
});
document.querySelector(".wide-nav [aria-current]")?.scrollIntoView({ block: "nearest" });
