// Shows the rule as a sentence while its form is filled in. Without this file the sentence stands on the saved page.

const place = document.querySelector("#rule-in-words");
const form = document.querySelector("#rule_form");
const DELAY = 300;
let timer = 0;
let asked = 0;

async function show() {
  const number = ++asked;
  const answer = await fetch(place.dataset.from, { method: "POST", body: new FormData(form), headers: { "X-CSRFToken": form.csrfmiddlewaretoken.value } });
  // An answer that was overtaken by a later one says nothing any more.
  if (!answer.ok || number !== asked) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  place.replaceChildren(...page.body.children);
}

if (place && form) {
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(show, DELAY);
  };
  form.addEventListener("input", soon);
  form.addEventListener("change", soon);
  show();
}
