// Draws the figures that the server put into the page, in the colours of the theme and the times of the reader.

/* global Plotly */

const FIGURES = "script[data-chart]";

function colours() {
  const style = getComputedStyle(document.documentElement);
  const value = (name) => style.getPropertyValue(name).trim();
  return {
    roles: {
      main: value("--chart-main"),
      error: value("--chart-error"),
      p95: value("--chart-second"),
      cold: value("--chart-cold"),
      cost: value("--chart-cost"),
    },
    text: value("--text-quiet"),
    grid: value("--line"),
    surface: value("--surface"),
    ink: value("--text"),
    font: getComputedStyle(document.body).fontFamily,
  };
}

/** The reader's own date and time as text. Plotly moves numbers to the zone on some ways and not on others; text never. */
function local(milliseconds) {
  return new Date(milliseconds - new Date(milliseconds).getTimezoneOffset() * 60000).toISOString().slice(0, -1);
}

function prepare(figure, paint) {
  for (const trace of figure.data) {
    const colour = paint.roles[trace.meta] ?? paint.roles.main;
    trace.x = trace.x.map(local);
    trace.customdata = trace.customdata?.map(([text, start]) => [text, local(start)]);
    if (trace.type === "bar") {
      trace.marker = { ...trace.marker, color: colour, line: { width: 0 } };
      if (trace.marker.pattern) {
        trace.marker.pattern = { ...trace.marker.pattern, bgcolor: colour, fgcolor: paint.surface };
      }
    } else {
      trace.line = { ...trace.line, color: colour };
      trace.marker = { ...trace.marker, color: colour };
    }
  }
  const layout = figure.layout;
  const font = { family: paint.font, size: 11, color: paint.text };
  layout.font = font;
  layout.paper_bgcolor = layout.plot_bgcolor = "rgba(0,0,0,0)";
  layout.hoverlabel = { bgcolor: paint.ink, bordercolor: paint.ink, font: { ...font, color: paint.surface, size: 12 } };
  layout.xaxis = { ...layout.xaxis, range: layout.xaxis.range.map(local), linecolor: paint.grid, tickcolor: paint.grid, automargin: true };
  layout.yaxis = { ...layout.yaxis, gridcolor: paint.grid, automargin: true };
  layout.autosize = true;
  return figure;
}

function draw() {
  if (typeof Plotly === "undefined") return;
  const paint = colours();
  for (const script of document.querySelectorAll(FIGURES)) {
    const place = document.getElementById(script.dataset.chart);
    const { data, layout } = prepare(JSON.parse(script.textContent), paint);
    Plotly.react(place, data, layout, { displayModeBar: false, responsive: true, showTips: false, doubleClick: false });
  }
}

// Modules run after deferred scripts: Plotly is there.
draw();
document.addEventListener("clew:theme", draw);
document.addEventListener("clew:refreshed", draw);
