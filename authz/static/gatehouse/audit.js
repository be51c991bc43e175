// The list of audit events: times in the reader's own zone, with UTC beside them, and a period by dragging over the bars.
// Without this file times are in UTC, and each bar is a link to its own period.

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const local = new Intl.DateTimeFormat(undefined, { dateStyle: "short", timeStyle: "medium" });
const short = new Intl.DateTimeFormat("en", { timeZoneName: "short" });
const zoneName = (date) => short.formatToParts(date).find((part) => part.type === "timeZoneName").value;

if (new Date().getTimezoneOffset() !== 0) {
  document.querySelectorAll("#result_list time[datetime]").forEach((element) => {
    const date = new Date(element.dateTime);
    const utc = document.createElement("span");
    utc.className = "sub";
    utc.textContent = `${element.textContent} UTC`;
    element.textContent = `${local.format(date)} ${zoneName(date)}`;
    element.title = zone;
    element.after(utc);
  });
  const heading = document.querySelector("#result_list .column-at .text");
  if (heading) heading.textContent = "time";
}

const bars = [...document.querySelectorAll("figure.bars svg a")];
let first = null;

const mark = (last) => {
  const [from, to] = [bars.indexOf(first), bars.indexOf(last)].sort((a, b) => a - b);
  bars.forEach((bar, i) => bar.classList.toggle("chosen", first !== null && i >= from && i <= to));
};

bars.forEach((bar) => {
  bar.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    first = bar;
    mark(bar);
  });
  bar.addEventListener("pointerenter", () => first && mark(bar));
  bar.addEventListener("pointerup", () => {
    if (!first || first === bar) return;
    const [from, to] = bars.indexOf(first) < bars.indexOf(bar) ? [first, bar] : [bar, first];
    const address = new URL(from.href.baseVal, location.href);
    address.searchParams.set("time__lt", new URL(to.href.baseVal, location.href).searchParams.get("time__lt"));
    location.assign(address);
  });
});
document.addEventListener("pointerup", () => {
  first = null;
  mark(null);
});
