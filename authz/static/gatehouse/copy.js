// A button that copies, beside what is there to be copied: any element with `data-copy`, its words on the button.
// Without this file the text is selected by hand.

document.querySelectorAll("[data-copy]").forEach((element) => {
  if (!navigator.clipboard) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button plain small copy";
  button.textContent = element.dataset.copy;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(element.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(element);
      button.textContent = "Selected: copy it now";
    }
    setTimeout(() => { button.textContent = element.dataset.copy; }, 4000);
  });
  button.setAttribute("aria-live", "polite");
  element.after(button);
});
