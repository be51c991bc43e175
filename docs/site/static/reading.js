/* Code that is wider than the page scrolls by keyboard, too. On a phone each row of a table becomes a card (site.css), and each cell says which column it is of. */
for (const code of document.querySelectorAll("article pre")) code.tabIndex = 0;

for (const table of document.querySelectorAll("article table.docutils")) {
  const heads = [...table.querySelectorAll("thead th")].map((head) => head.textContent.trim());
  for (const row of table.querySelectorAll("tbody tr"))
    [...row.cells].forEach((cell, column) => { if (column && heads[column]) cell.dataset.label = heads[column]; });
  table.classList.add("cards");
}
