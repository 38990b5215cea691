// Live: the page again every ten seconds, as long as its time range moves and somebody looks.

const EVERY_MS = 10000;

function wanted() {
  try {
    return localStorage.getItem("clew-live") === "1";
  } catch {
    return false;
  }
}

function remember(on) {
  try {
    localStorage.setItem("clew-live", on ? "1" : "0");
  } catch {
    // Then it holds for this page only.
  }
}

/** Somebody is reading or typing in what would be replaced. */
function busy(main) {
  const active = document.activeElement;
  if (active && main.contains(active) && active.matches("input, select, textarea")) return true;
  if (main.querySelector(".panel:not([hidden]), .pick input:checked, details[data-closes][open]")) return true;
  return String(getSelection() ?? "").length > 0;
}

/** What was unfolded stays so. */
function summaries(main) {
  return [...main.querySelectorAll("details > summary")];
}

export function startLive(enhance) {
  const button = document.querySelector("[data-live]");
  const main = document.getElementById("content");
  if (!button || !main) return;
  if (!("relative" in main.dataset)) {
    button.hidden = true;
    return;
  }
  let on = wanted();
  let timer = 0;

  const show = () => {
    button.setAttribute("aria-pressed", String(on));
    button.title = on ? "Refreshing every ten seconds" : "Refresh every ten seconds";
  };

  const refresh = async () => {
    if (document.hidden || busy(main)) return;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (busy(main)) return;
      const focused = document.activeElement?.getAttribute("href");
      const unfolded = summaries(main).filter((summary) => summary.parentElement.open).map((summary) => summary.textContent);
      main.replaceChildren(...page.getElementById("content").childNodes);
      for (const summary of summaries(main)) {
        if (unfolded.includes(summary.textContent)) summary.parentElement.open = true;
      }
      const count = page.querySelector(".pages");
      if (count) document.querySelector(".pages")?.replaceChildren(...count.childNodes);
      enhance(main);
      document.dispatchEvent(new CustomEvent("clew:refreshed"));
      if (focused) main.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
      delete button.dataset.failed;
    } catch {
      button.dataset.failed = "";
      button.title = "The last refresh failed";
    }
  };

  const set = (value) => {
    on = value;
    clearInterval(timer);
    if (on) timer = setInterval(refresh, EVERY_MS);
    show();
  };

  button.addEventListener("click", () => {
    set(!on);
    remember(on);
    if (on) refresh();
  });
  document.addEventListener("visibilitychange", () => {
    if (on && !document.hidden) refresh();
  });
  set(on);
}
