// Suggests agents, people, groups, MCP servers and scopes during typing, in each field with `data-suggest`.
// Without this file the field is plain text, and means the same.

const DELAY = 150;

function word(field) {
  const end = field.selectionStart;
  const before = field.value.slice(0, end);
  const begin = before.search(/\S*$/);
  return { begin, end, text: before.slice(begin) };
}

function enhance(field, number) {
  const list = document.createElement("ul");
  list.className = "suggestions";
  list.id = `suggestions-${number}`;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Suggestions");
  list.hidden = true;
  field.after(list);
  field.parentElement.classList.add("suggesting");
  for (const [name, value] of Object.entries({
    role: "combobox", "aria-expanded": "false", "aria-controls": list.id, "aria-autocomplete": "list", autocomplete: "off",
  })) field.setAttribute(name, value);

  let timer = 0;
  let asked = 0;
  let current = -1;

  const close = () => {
    list.hidden = true;
    current = -1;
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
  };

  const mark = (index) => {
    current = index;
    [...list.children].forEach((item, i) => item.setAttribute("aria-selected", String(i === index)));
    if (index < 0) return field.removeAttribute("aria-activedescendant");
    field.setAttribute("aria-activedescendant", list.children[index].id);
    list.children[index].scrollIntoView({ block: "nearest" });
  };

  const take = (value) => {
    const { begin, end } = word(field);
    field.setRangeText(value, begin, end, "end");
    field.dispatchEvent(new Event("change", { bubbles: true }));
    close();
    field.focus();
  };

  const show = (found) => {
    // What others wrote is set as text, never as markup (attack 11).
    list.replaceChildren(...found.map(({ value, name }, i) => {
      const item = document.createElement("li");
      item.id = `${list.id}-${i}`;
      item.setAttribute("role", "option");
      const strong = document.createElement("bdi");
      strong.textContent = value;
      item.append(strong);
      if (name && name !== value) {
        const soft = document.createElement("bdi");
        soft.className = "soft small";
        soft.textContent = name;
        item.append(" ", soft);
      }
      item.addEventListener("mousedown", (event) => { event.preventDefault(); take(value); });
      return item;
    }));
    list.hidden = found.length === 0;
    field.setAttribute("aria-expanded", String(!list.hidden));
    current = -1;
  };

  const ask = async () => {
    const { text } = word(field);
    const mine = ++asked;
    if (!text) return close();
    const query = new URLSearchParams({ of: field.dataset.suggest, q: text });
    try {
      const response = await fetch(`${field.dataset.suggestFrom}?${query}`, { headers: { Accept: "application/json" } });
      if (response.ok && mine === asked) show((await response.json()).found);
    } catch { close(); }
  };

  field.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, DELAY); });
  field.addEventListener("blur", () => setTimeout(close, DELAY));
  field.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    const last = list.children.length - 1;
    if (event.key === "ArrowDown") mark(current === last ? 0 : current + 1);
    else if (event.key === "ArrowUp") mark(current <= 0 ? last : current - 1);
    else if (event.key === "Escape") close();
    else if ((event.key === "Enter" || event.key === "Tab") && current >= 0) take(list.children[current].firstChild.textContent);
    else return;
    event.preventDefault();
  });
}

document.querySelectorAll("[data-suggest]").forEach(enhance);

// A long list of boxes to tick gets a box to type in that leaves the fitting ones.
document.querySelectorAll(".form-row div[id^='id_']").forEach((group) => {
  const rows = [...group.querySelectorAll(":scope > div")].filter((row) => row.querySelector("input[type='checkbox']"));
  if (rows.length < 9) return;
  const box = document.createElement("input");
  box.type = "search";
  box.className = "narrow-choices";
  box.placeholder = "Type to find";
  box.setAttribute("aria-label", "Find among the choices");
  box.addEventListener("input", () => {
    const wanted = box.value.trim().toLowerCase();
    rows.forEach((row) => {
      row.hidden = !row.textContent.toLowerCase().includes(wanted) && !row.querySelector("input").checked;
    });
  });
  box.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
  group.before(box);
});
