// Zoom and pan of the graphs. Without it they scroll.

const STEP = 1.25;
const MOST = 3;
const LEAST = 0.15;
// Below this names cannot be read: then the graph scrolls instead.
const SMALLEST = 0.6;
const SMALLEST_ON_PHONE = 0.8;
const PHONE = 700;
const BESIDE = 17; // pixels that stay free beside a node at an edge, which fades
const SHRUNK = 0.72;

class View {
  constructor(box) {
    this.box = box;
    this.svg = box.querySelector("svg.drawing");
    this.full = { width: this.svg.viewBox.baseVal.width, height: this.svg.viewBox.baseVal.height };
    this.scale = 1;
    box.classList.add("zooms");
    box.parentElement.querySelector(".graph-tools").addEventListener("click", (event) => this.onTool(event));
    box.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    box.addEventListener("keydown", (event) => this.onKey(event));
    this.enableDragging();
    this.begin();
  }

  /** The scale at which all of it is seen, no larger than drawn. */
  get whole() {
    const height = Math.max(innerHeight * (this.box.classList.contains("map") ? 0.62 : 0.4), 280);
    return Math.min(this.box.clientWidth / this.full.width, height / this.full.height, 1);
  }

  /** As much of it as can be read, with what failed in sight. */
  begin() {
    this.zoom(Math.max(this.whole, this.box.clientWidth < PHONE ? SMALLEST_ON_PHONE : SMALLEST), 0, 0);
    this.box.addEventListener("scroll", () => this.fade());
    addEventListener("resize", () => this.fade());
    this.show();
    this.fade();
  }

  /** Scrolls to where it is to be read from. */
  show() {
    if (this.box.classList.contains("map")) {
      if (this.box.clientWidth < PHONE) this.align(null);
      return;
    }
    // A transaction begins at the left, in the middle of what does not fit.
    this.box.scrollTo(0, (this.box.scrollHeight - this.box.clientHeight) / 2);
    const failed = this.svg.querySelector(".node.failed");
    const [node, box] = [failed?.getBoundingClientRect(), this.box.getBoundingClientRect()];
    if (node && (node.left < box.left || node.right > box.right || node.top < box.top || node.bottom > box.bottom)) {
      this.box.scrollBy((node.left + node.right - box.left - box.right) / 2, (node.top + node.bottom - box.top - box.bottom) / 2);
    }
    if (box.width < PHONE) this.align(failed);
  }

  /** Ends the picture between two columns on a phone, not within a node: as many as fit, `kept` among them. */
  align(kept) {
    const edge = this.box.getBoundingClientRect().left - this.box.scrollLeft;
    const columns = new Map();
    for (const node of this.svg.querySelectorAll(".node .box")) {
      const { left, right } = node.getBoundingClientRect();
      columns.set(Math.round(left - edge), right - edge);
    }
    const places = [...columns].sort((one, other) => one[0] - other[0]);
    if (!places.length) return;
    const wanted = kept ? Math.round(kept.querySelector(".box").getBoundingClientRect().left - edge) : places[0][0];
    const room = this.box.clientWidth - 2 * BESIDE;
    let first = Math.max(places.findIndex(([left]) => left === wanted), 0);
    let last = first;
    // A little smaller, if one more column fits so. What it called comes before what called it.
    while (last + 1 < places.length && places[last + 1][1] - places[first][0] <= room / SHRUNK) last += 1;
    while (first > 0 && places[last][1] - places[first - 1][0] <= room / SHRUNK) first -= 1;
    const shrunk = Math.min(1, room / (places[last][1] - places[first][0]));
    this.zoom(this.scale * shrunk, 0, 0);
    this.box.scrollTo(places[first][0] * shrunk - BESIDE, this.box.scrollTop);
  }

  /** Where it goes on beyond an edge, it fades. */
  fade() {
    const { scrollLeft, clientWidth, scrollWidth } = this.box;
    this.box.classList.toggle("more-before", scrollLeft > 2);
    this.box.classList.toggle("more-after", scrollLeft + clientWidth < scrollWidth - 2);
  }

  fit() {
    this.zoom(this.whole, 0, 0);
    this.box.scrollTo(0, 0);
  }

  zoom(scale, x, y) {
    const next = Math.min(Math.max(scale, Math.min(this.whole, LEAST)), MOST);
    const left = (this.box.scrollLeft + x) / this.scale;
    const top = (this.box.scrollTop + y) / this.scale;
    this.scale = next;
    this.svg.setAttribute("width", Math.round(this.full.width * next));
    this.svg.setAttribute("height", Math.round(this.full.height * next));
    this.box.scrollTo(left * next - x, top * next - y);
    this.fade();
  }

  zoomBy(factor) {
    this.zoom(this.scale * factor, this.box.clientWidth / 2, this.box.clientHeight / 2);
  }

  onTool(event) {
    const action = event.target.closest("[data-zoom]")?.dataset.zoom;
    if (action === "in") this.zoomBy(STEP);
    else if (action === "out") this.zoomBy(1 / STEP);
    else if (action === "fit") this.fit();
  }

  onWheel(event) {
    if (!event.ctrlKey && !event.metaKey) return; // plain wheels scroll the page
    event.preventDefault();
    const box = this.box.getBoundingClientRect();
    this.zoom(this.scale * (event.deltaY < 0 ? STEP : 1 / STEP), event.clientX - box.left, event.clientY - box.top);
  }

  onKey(event) {
    if (event.target !== this.box) return;
    if (event.key === "+" || event.key === "=") this.zoomBy(STEP);
    else if (event.key === "-") this.zoomBy(1 / STEP);
    else if (event.key === "0") this.fit();
  }

  enableDragging() {
    let from = null;
    let moved = false;
    this.box.addEventListener("pointerdown", (event) => {
      if (event.pointerType !== "mouse" || event.button !== 0) return;
      from = { x: event.clientX + this.box.scrollLeft, y: event.clientY + this.box.scrollTop };
      moved = false;
    });
    addEventListener("pointermove", (event) => {
      if (!from) return;
      const left = from.x - event.clientX;
      const top = from.y - event.clientY;
      if (!moved && Math.abs(left - this.box.scrollLeft) + Math.abs(top - this.box.scrollTop) < 5) return;
      moved = true;
      this.box.classList.add("dragging");
      this.box.scrollTo(left, top);
    });
    addEventListener("pointerup", () => {
      from = null;
      this.box.classList.remove("dragging");
    });
    this.box.addEventListener("dragstart", (event) => event.preventDefault());
    this.box.addEventListener(
      "click",
      (event) => {
        if (moved) {
          event.preventDefault(); // the end of a drag is no click on what lies there
          event.stopPropagation();
        }
        moved = false;
      },
      { capture: true },
    );
  }
}

function start() {
  for (const box of document.querySelectorAll("[data-graph]:not(.zooms)")) new View(box);
}

start();
document.addEventListener("clew:refreshed", start);
