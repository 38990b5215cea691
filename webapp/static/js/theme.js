// Runs before the first paint: a remembered theme must not flash the other one.
(() => {
  let theme = null;
  try {
    theme = localStorage.getItem("clew-theme");
  } catch {
    // Storage is switched off: the system's theme holds.
  }
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  document.documentElement.classList.add("scripted");
})();
