// The transaction page: a span's panel opens in place, its address stays one to share; log lines are searched as one types.

import { enhance } from "./enhance.js";

const root = document.querySelector("[data-transaction]");
const panel = document.getElementById("details");
let opener = null;
let latest = 0;

function address(key) {
  const url = new URL(location.href);
  if (key) url.searchParams.set("span", key);
  else url.searchParams.delete("span");
  url.hash = "";
  return url;
}

function mark(key) {
  for (const element of root.querySelectorAll("[data-span]")) {
    element.classList.toggle("selected", Boolean(key) && element.dataset.span === key);
  }
}

async function open(key, { push = true, focus = true } = {}) {
  const turn = ++latest;
  mark(key);
  try {
    const answer = await fetch(root.dataset.panel.replace("KEY", encodeURIComponent(key)));
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (turn !== latest) return; // another one was asked for meanwhile
    panel.replaceChildren(...page.body.childNodes);
  } catch {
    location.assign(`${address(key)}#details`); // let the server say what is wrong
    return;
  }
  panel.hidden = false;
  panel.scrollTo(0, 0);
  enhance(panel);
  if (push) history.pushState({ span: key }, "", address(key));
  if (focus) panel.querySelector("h2").focus({ preventScroll: true });
}

function close({ push = true } = {}) {
  latest += 1;
  panel.hidden = true;
  panel.replaceChildren();
  mark(null);
  if (push) history.pushState({}, "", address(null));
  opener?.focus({ preventScroll: true });
  opener = null;
}

root.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  if (event.target.closest("[data-close-panel]")) {
    event.preventDefault();
    close();
    return;
  }
  const link = event.target.closest("a[data-span]");
  if (!link) return;
  event.preventDefault();
  if (!panel.contains(link)) opener = link;
  open(link.dataset.span);
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !panel.hidden) close();
});

addEventListener("popstate", () => {
  const key = new URL(location.href).searchParams.get("span");
  if (key) open(key, { push: false, focus: false });
  else close({ push: false });
});

const search = root.querySelector("[data-log-search]");
const lines = [...root.querySelectorAll(".lines .line")];

function filterLines() {
  const words = search.value.trim().toLowerCase();
  let shown = 0;
  for (const line of lines) {
    const hit = line.textContent.toLowerCase().includes(words);
    line.hidden = !hit;
    shown += hit;
  }
  root.querySelector("[data-log-count]").textContent = shown;
  const none = root.querySelector("[data-no-line]");
  if (none) none.hidden = shown > 0;
}

search?.addEventListener("input", filterLines);

const selected = panel.querySelector("[data-key]")?.dataset.key;
if (selected) mark(selected);
