/* The versions that stand beside this one are in ../versions.json: the same page of another version, or its first page. */
(async () => {
  const select = document.getElementById("versions");
  const answer = await fetch(`${select.dataset.root}versions.json`).catch(() => null);
  if (!answer?.ok) return; // read from a folder: the version is shown, and that is all
  const versions = await answer.json();
  if (versions.length < 2) return;
  for (const version of versions) select.add(new Option(version, version, false, version === select.dataset.here));
  select.addEventListener("change", async () => {
    const home = `${select.dataset.root}${select.value}/`;
    const same = `${home}${select.dataset.page}`;
    const there = await fetch(same, { method: "HEAD" }).catch(() => null);
    location.assign(there?.ok ? same : `${home}index.html`);
  });
  select.previousElementSibling.hidden = true;
  select.hidden = false;
})();
