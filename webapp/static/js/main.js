// What every page has: theme, keys, copy buttons, forms that send themselves, the live mode.

import { enhance } from "./enhance.js";
import { startLive } from "./live.js";

function currentTheme() {
  const chosen = document.documentElement.dataset.theme;
  if (chosen) return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

function toggleTheme() {
  const theme = currentTheme() === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem("clew-theme", theme);
  } catch {
    // Then it holds for this page only.
  }
  document.dispatchEvent(new CustomEvent("clew:theme"));
}

async function fetchText(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(String(answer.status));
  return new Blob([await answer.text()], { type: "text/plain" });
}

async function copy(button) {
  const { copy: text, copyFrom } = button.dataset;
  try {
    // What has to be fetched goes in as a promise: after a wait, browsers no longer see that a person asked for it.
    if (copyFrom) await navigator.clipboard.write([new ClipboardItem({ "text/plain": fetchText(copyFrom) })]);
    else await navigator.clipboard.writeText(text);
    button.dataset.copied = "";
    setTimeout(() => delete button.dataset.copied, 1500);
  } catch {
    button.title = text ?? "This browser does not let a page copy; download it instead"; // at least it can be read
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy], [data-copy-from], [data-theme-toggle]");
  if (button) {
    if (button.matches("[data-theme-toggle]")) toggleTheme();
    else copy(button);
  }
  for (const open of document.querySelectorAll("details[data-closes][open]")) {
    if (!open.contains(event.target)) open.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    for (const open of document.querySelectorAll("details[data-closes][open]")) open.open = false;
  }
  const typing = event.target.closest("input, select, textarea");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    const field = document.querySelector("main input[type=search]");
    if (field) {
      event.preventDefault();
      field.focus();
      field.select();
    }
  }
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
  if (event.target.matches("[data-pick-all]")) {
    for (const box of event.target.form.querySelectorAll(".pick input[name]")) box.checked = event.target.checked;
  }
});

// Empty fields would only make the address longer. In a form that changes something, empty means empty.
document.addEventListener("submit", (event) => {
  if (event.target.method !== "get") return;
  for (const field of event.target.elements) {
    if (field.name && !field.value && field.tagName !== "BUTTON") field.disabled = true;
  }
});
addEventListener("pageshow", (event) => {
  // Back from the page that a form led to: its fields are usable again.
  if (!event.persisted) return;
  for (const field of document.querySelectorAll("form :disabled")) field.disabled = false;
  // And they say again what this page shows, not what was chosen before leaving it.
  for (const form of document.querySelectorAll("form.filters:has([data-submits])")) form.reset();
});

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  document.dispatchEvent(new CustomEvent("clew:theme"));
});

enhance(document);
startLive(enhance);
