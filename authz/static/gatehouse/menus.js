// A menu over the page closes with Escape, and with a click elsewhere. Without this file its button
// closes it.

const open = () => document.querySelectorAll(".toolbar details[open], .views details[open], details.menu[open], details.more[open]");

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of open()) {
    if (menu.contains(document.activeElement)) menu.querySelector("summary").focus();
    menu.open = false;
  }
});

for (const elsewhere of ["click", "focusin"]) {
  document.addEventListener(elsewhere, (event) => {
    for (const menu of open()) if (!menu.contains(event.target)) menu.open = false;
  });
}
