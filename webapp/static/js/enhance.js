// Prepares what the server sent for the reader: times in their zone, controls that need scripts.

import { showTimes } from "./times.js";

const NAMED_ZONE = { timeZoneName: "short" };

/** Prepares what is new under `root`: the whole page, a refreshed one, or a panel that was just opened. */
export function enhance(root) {
  showTimes(root);
  for (const element of root.querySelectorAll("[data-needs-script]")) element.hidden = false;
  for (const element of root.querySelectorAll("[data-scriptless]")) element.hidden = true;
  for (const form of root.querySelectorAll("form[data-period]")) useLocalTimes(form);
}

/** The fields show and take local time; what is sent stays UTC. */
function useLocalTimes(form) {
  const fields = [...form.querySelectorAll("input[data-utc]")];
  for (const field of fields) {
    const moment = new Date(field.dataset.utc);
    const local = new Date(moment.getTime() - moment.getTimezoneOffset() * 60000);
    field.value = local.toISOString().slice(0, 16);
  }
  const parts = new Intl.DateTimeFormat(undefined, NAMED_ZONE).formatToParts(new Date());
  const zone = parts.find((part) => part.type === "timeZoneName");
  form.querySelector("[data-zone]").textContent = zone ? zone.value : "local";
  form.addEventListener("submit", () => {
    for (const field of fields) {
      if (!field.value) continue;
      const hidden = document.createElement("input");
      hidden.type = "hidden";
      hidden.name = field.name;
      hidden.value = new Date(field.value).toISOString().slice(0, 16) + "Z";
      field.disabled = true;
      form.append(hidden);
    }
  });
}
