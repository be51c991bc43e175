// How close the rows of lists stand: "compact" (as the style sheet has it) or "comfortable". This browser remembers it.
// It runs before the page is drawn, so that rows do not jump.

const DENSITY = "gatehouse-density";
try {
  document.documentElement.dataset.density = localStorage.getItem(DENSITY) === "comfortable" ? "comfortable" : "compact";
} catch { document.documentElement.dataset.density = "compact"; }

addEventListener("DOMContentLoaded", () => {
  const place = document.querySelector("#changelist .toolbar");
  if (place) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button plain small density";
    const tell = () => {
      const compact = document.documentElement.dataset.density === "compact";
      button.textContent = compact ? "Comfortable rows" : "Compact rows";
    };
    button.addEventListener("click", () => {
      const next = document.documentElement.dataset.density === "compact" ? "comfortable" : "compact";
      document.documentElement.dataset.density = next;
      try { localStorage.setItem(DENSITY, next); } catch { /* then this page alone has it */ }
      tell();
    });
    tell();
    place.append(button);
  }
});
