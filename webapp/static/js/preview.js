// The preview of a rule beside its form: asked for again whenever the form changes, without saving anything.

import { enhance } from "./enhance.js";

const AFTER_MS = 500; // without another key

const form = document.querySelector("form[data-preview]");
const place = document.getElementById("preview");

let timer = 0;
let asking = null;

async function ask() {
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  place.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(form.dataset.preview, { method: "post", body: new FormData(form), signal });
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    place.replaceChildren(...page.body.childNodes);
    enhance(place);
    document.dispatchEvent(new CustomEvent("clew:refreshed"));
  } catch (error) {
    if (error.name === "AbortError") return;
    const text = document.createElement("p");
    text.className = "problem";
    text.textContent = "The preview could not be made. Saving still works.";
    place.replaceChildren(text);
  }
  if (!signal.aborted) place.setAttribute("aria-busy", "false");
}

function soon() {
  clearTimeout(timer);
  timer = setTimeout(ask, AFTER_MS);
}

if (form && place) {
  form.addEventListener("input", soon);
  form.addEventListener("submit", () => {
    clearTimeout(timer);
    asking?.abort();
  });
  ask();
}
