// Times come from the server as UTC; here they become the reader's own. The title keeps UTC.

const two = (number) => String(number).padStart(2, "0");
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

export function ago(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${seconds}\u00a0s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}\u00a0min ago`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)}\u00a0h ago`;
  return `${Math.floor(seconds / 86400)}\u00a0d ago`;
}

function text(element, now) {
  const moment = new Date(element.dateTime);
  const clock = `${two(moment.getHours())}:${two(moment.getMinutes())}:${two(moment.getSeconds())}`;
  const day = `${moment.getDate()}\u00a0${MONTHS[moment.getMonth()]}`;
  switch (element.dataset.show) {
    case "ago":
      return ago(now - moment);
    case "precise":
      return `${clock}.${String(moment.getMilliseconds()).padStart(3, "0")}`;
    case "full":
      return `${day} ${moment.getFullYear()} ${clock}`;
    case "minute": {
      const year = moment.getFullYear() === now.getFullYear() ? "" : `\u00a0${moment.getFullYear()}`;
      return `${day}${year} ${clock.slice(0, 5)}`;
    }
    default:
      return moment.toDateString() === now.toDateString() ? clock : `${day} ${clock}`;
  }
}

// How far this clock is from the server's: "3 s ago" must not depend on it.
const skew = Date.now() - Number(document.getElementById("content")?.dataset.now || Date.now());

export function showTimes(root) {
  const now = new Date(Date.now() - skew);
  for (const element of root.querySelectorAll("time[data-show]")) element.textContent = text(element, now);
}

setInterval(() => {
  if (!document.hidden) showTimes(document);
}, 15000);
