// Interactive figures of the report page. No library: two kinds of figures, and nothing from the network.
// The page runs this file and page.js as one strict script; data is in its element "data".

const data = JSON.parse(document.getElementById("data").textContent);
const MARGIN = { top: 22, right: 12, bottom: 40, left: 46 },
  HEIGHT = 320,
  MARKS = 6;
const REACH = 1.6,
  SETTLED = 0.05; // limits of the accuracy axis, as in the figures of `python -m plots`
const SHAPES = {
  o: "M-3.5,0a3.5,3.5 0 1,0 7,0a3.5,3.5 0 1,0 -7,0",
  s: "M-3,-3H3V3H-3Z",
  D: "M0,-4.2L4.2,0L0,4.2L-4.2,0Z",
  "^": "M0,-4L4,3.5H-4Z",
  v: "M0,4L4,-3.5H-4Z",
  "<": "M-4,0L3.5,-4V4Z",
  ">": "M4,0L-3.5,-4V4Z",
  p: "M0,-4L4,-1L2.5,3.6H-2.5L-4,-1Z",
  P: "M-1.3,-4H1.3V-1.3H4V1.3H1.3V4H-1.3V1.3H-4V-1.3H-1.3Z",
  X: "M-4,-2.4L-2.4,-4L0,-1.6L2.4,-4L4,-2.4L1.6,0L4,2.4L2.4,4L0,1.6L-2.4,4L-4,2.4L-1.6,0Z",
  "*": "M0,-4.6L1.2,-1.5L4.5,-1.4L1.9,.7L2.8,3.9L0,2.1L-2.8,3.9L-1.9,.7L-4.5,-1.4L-1.2,-1.5Z",
};

// -- elements ---------------------------------------------------------------------------------------------------------------

function make(namespace, name, attributes, children) {
  const element = namespace ? document.createElementNS(namespace, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children); // texts become text nodes: no name is ever read as HTML
  return element;
}
const html = (name, attributes = {}, ...children) => make(null, name, attributes, children);
const svg = (name, attributes = {}, ...children) => make("http://www.w3.org/2000/svg", name, attributes, children);

// Whether a colour is too dark for a dark page.
const ink = (color) =>
  parseInt(color.slice(1, 3), 16) * 0.3 + parseInt(color.slice(3, 5), 16) * 0.59 + parseInt(color.slice(5), 16) * 0.11 < 75
    ? "dark"
    : "light";

const tip = html("div", { class: "tip", hidden: "" });
document.body.append(tip);
function showTip(content, x, y) {
  tip.replaceChildren(content);
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, x + 14 + box.width > innerWidth ? x - 14 - box.width : x + 14)}px`;
  tip.style.top = `${Math.max(4, Math.min(y + 14, innerHeight - box.height - 4))}px`;
}
const hideTip = () => {
  tip.hidden = true;
};

// -- scales -----------------------------------------------------------------------------------------------------------------

function ticks(low, high, count) {
  const rough = (high - low) / count,
    power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step)
    found.push(Number(value.toPrecision(12)));
  return found;
}
function logTicks(low, high, room) {
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
    for (const factor of room > 380 ? [1, 2, 5] : [1, 5]) found.push(factor * 10 ** power);
  return found.filter((value) => value >= low && value <= high);
}
const shown = (value) => (value >= 1000 ? value.toLocaleString("en") : String(Number(value.toPrecision(4))));
const pen = document.createElement("canvas").getContext("2d");
pen.font = `12px ${getComputedStyle(document.body).fontFamily}`;
const widthOf = (text) => pen.measureText(text).width;
function shortened(text, width) {
  if (widthOf(text) <= width) return text;
  let end = text.length;
  while (end > 1 && widthOf(`${text.slice(0, end)}…`) > width) end--;
  return `${text.slice(0, end)}…`;
}
// Where a label at a place is anchored, so that it ends before the end of the figure.
const anchor = (place, text, end) => (place + widthOf(text) / 2 > end ? "end" : "middle");
const fixed = (value) => (value === null || value === undefined ? "–" : value.toFixed(2));
function limits(chart, visible) {
  const end = chart.x.at(-1),
    first = chart.x[0];
  const from = chart.x.findIndex((x) => x >= first + SETTLED * (end - first));
  const lows = visible.map((one) => Math.min(...one.mean.slice(from).filter((value) => value !== null))).filter(Number.isFinite);
  const top = Math.max(chart.optimum, ...visible.flatMap((one) => one.high).filter((value) => value !== null));
  const median = lows.sort((a, b) => a - b)[Math.floor(lows.length / 2)] ?? top - 1;
  const low = Math.max(lows[0] ?? top - 1, top - REACH * (top - median));
  const span = top - low || 1;
  return [low - 0.06 * span, top + 0.08 * span];
}

// -- curves over time ---------------------------------------------------------------------------------------------------------

function curves(host, chart) {
  const hidden = new Set();
  let log = true,
    at = null;
  const live = html("p", { class: "hidden-text", "aria-live": "polite" });
  const plot = html("div", { class: "plot" }),
    legend = html("div", { class: "legend", role: "group", "aria-label": "methods shown" });
  const scale = html("button", { type: "button", "aria-pressed": "true", class: "log" }, "log time");
  scale.addEventListener("click", () => {
    log = !log;
    scale.setAttribute("aria-pressed", String(log));
    scale.textContent = log ? "log time" : "linear time";
    draw();
  });
  const all = html("button", { type: "button" }, "all");
  all.addEventListener("click", () => {
    hidden.clear();
    draw();
  });
  const none = html("button", { type: "button" }, "none");
  none.addEventListener("click", () => {
    chart.series.forEach((one) => hidden.add(one));
    draw();
  });
  const buttons = chart.series.map((one) => {
    const swatch = svg(
      "svg",
      { width: 26, height: 12, "aria-hidden": "true" },
      svg("path", {
        d: "M0,6H26",
        stroke: one.color,
        "stroke-width": 2,
        "stroke-dasharray": one.dash,
        "data-ink": ink(one.color),
      }),
      svg("path", { d: SHAPES[one.marker], fill: one.color, transform: "translate(13,6)", "data-ink": ink(one.color) }),
    );
    const button = html(
      "button",
      { type: "button", title: "show or hide; with Shift: only this one" },
      swatch,
      `${one.name} (n = ${one.runs})`,
    );
    button.addEventListener("click", (event) => {
      if (event.shiftKey) chart.series.forEach((other) => (other === one ? hidden.delete(other) : hidden.add(other)));
      else if (!hidden.delete(one)) hidden.add(one);
      draw();
    });
    return button;
  });
  legend.append(...buttons);
  host.append(html("div", { class: "tools" }, scale, all, none), plot, legend, live);

  let scales = null;
  function draw() {
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(!hidden.has(chart.series[i]))));
    const width = Math.max(280, plot.clientWidth || 560),
      [left, right] = [MARGIN.left, width - MARGIN.right];
    const visible = chart.series.filter((one) => !hidden.has(one));
    const [low, high] = limits(chart, visible),
      [first, end] = [chart.x[0], chart.x.at(-1)];
    const x = (value) =>
      left + (right - left) * (log ? Math.log(value / first) / Math.log(end / first) : (value - first) / (end - first));
    const y = (value) => HEIGHT - MARGIN.bottom - ((HEIGHT - MARGIN.top - MARGIN.bottom) * (value - low)) / (high - low);
    scales = { x, y, low };
    const clip = `clip-${host.id}`;
    const root = svg("svg", {
      viewBox: `0 0 ${width} ${HEIGHT}`,
      height: HEIGHT,
      role: "img",
      tabindex: 0,
      "aria-label": `${chart.title}. ${ranking(chart, visible)} Arrow keys read values.`,
    });
    root.append(
      svg(
        "clipPath",
        { id: clip },
        svg("rect", { x: left, y: MARGIN.top, width: right - left, height: HEIGHT - MARGIN.top - MARGIN.bottom }),
      ),
    );
    for (const value of ticks(low, high, 6))
      root.append(
        svg("path", { class: "grid", d: `M${left},${y(value)}H${right}` }),
        svg("text", { class: "muted", x: left - 6, y: y(value) + 4, "text-anchor": "end" }, shown(value)),
      );
    for (const value of log
      ? logTicks(first, end, right - left)
      : ticks(first, end, Math.max(2, Math.floor((right - left) / 110))))
      root.append(
        svg("path", { class: "axis", d: `M${x(value)},${HEIGHT - MARGIN.bottom}v4` }),
        svg("text", { class: "muted", x: x(value), y: HEIGHT - MARGIN.bottom + 17, "text-anchor": anchor(x(value), shown(value), width) }, shown(value)),
      );
    root.append(
      svg("path", { class: "axis", fill: "none", d: `M${left},${MARGIN.top}V${HEIGHT - MARGIN.bottom}H${right}` }),
      svg("text", { class: "muted", x: (left + right) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, chart.xlabel),
      svg("text", { class: "muted", x: 4, y: 12 }, chart.ylabel),
      svg("path", { class: "axis", "stroke-dasharray": "1 3", d: `M${left},${y(chart.optimum)}H${right}` }),
      svg("text", { class: "muted", x: right, y: y(chart.optimum) - 4, "text-anchor": "end" }, `optimum ${fixed(chart.optimum)}`),
    );
    const marks = svg("g", { "clip-path": `url(#${clip})` });
    visible.forEach((one) => marks.append(svg("path", { d: band(chart, one, x, y), fill: one.color, opacity: 0.14 })));
    visible.forEach((one, i) => {
      marks.append(
        svg("path", {
          class: "line",
          d: steps(chart.x, one.mean, x, y),
          fill: "none",
          stroke: one.color,
          "stroke-width": 1.8,
          "stroke-dasharray": one.dash,
          "data-ink": ink(one.color),
        }),
      );
      const apart = Math.floor(chart.x.length / MARKS);
      for (let k = Math.floor((apart * i) / visible.length); k < chart.x.length; k += apart)
        if (one.mean[k] !== null)
          marks.append(
            svg("path", {
              d: SHAPES[one.marker],
              fill: one.color,
              transform: `translate(${x(chart.x[k])},${y(one.mean[k])})`,
              "data-ink": ink(one.color),
            }),
          );
    });
    root.append(marks, svg("path", { class: "axis cursor", d: "" }));
    root.addEventListener("pointermove", (event) => {
      const place = ((event.clientX - root.getBoundingClientRect().left) * width) / root.getBoundingClientRect().width;
      point(nearest(chart.x.map(x), place), event.clientX, event.clientY);
    });
    root.addEventListener("pointerleave", () => {
      hideTip();
      root.querySelector(".cursor").setAttribute("d", "");
    });
    root.addEventListener("keydown", (event) => {
      const moves = { ArrowRight: (at ?? -1) + 1, ArrowLeft: (at ?? chart.x.length) - 1, Home: 0, End: chart.x.length - 1 };
      if (event.key === "Escape") return hideTip();
      if (!(event.key in moves)) return undefined;
      event.preventDefault();
      const box = root.getBoundingClientRect(),
        index = Math.max(0, Math.min(chart.x.length - 1, moves[event.key]));
      point(index, box.left + (x(chart.x[index]) * box.width) / width, box.top + 40);
      live.textContent = `${shown(chart.x[index])} s: ${atTime(index)
        .map((one) => `${one.name} ${fixed(one.mean[index])}`)
        .join(", ")}`;
      return undefined;
    });
    root.addEventListener("blur", hideTip);
    plot.replaceChildren(root);
  }
  const atTime = (index) =>
    chart.series.filter((one) => !hidden.has(one) && one.mean[index] !== null).sort((a, b) => b.mean[index] - a.mean[index]);
  function point(index, clientX, clientY) {
    at = index;
    plot.querySelector(".cursor").setAttribute("d", `M${scales.x(chart.x[index])},${MARGIN.top}V${HEIGHT - MARGIN.bottom}`);
    const rows = atTime(index).map((one) =>
      html(
        "tr",
        {},
        html("td", {}, dot(one)),
        html("td", {}, one.name),
        html("td", {}, fixed(one.mean[index])),
        html("td", {}, one.low[index] === one.high[index] ? "" : `${fixed(one.low[index])} to ${fixed(one.high[index])}`),
      ),
    );
    showTip(html("div", {}, html("b", {}, `${shown(chart.x[index])} s`), html("table", {}, ...rows)), clientX, clientY);
  }
  drawToFit(plot, draw);
}

// Draw now, and again whenever the width of the plot changes.
function drawToFit(plot, draw) {
  draw();
  let last = plot.clientWidth;
  new ResizeObserver(() => {
    if (plot.clientWidth !== last) {
      last = plot.clientWidth;
      draw();
    }
  }).observe(plot);
}

const nearest = (places, place) =>
  places.reduce((best, one, i) => (Math.abs(one - place) < Math.abs(places[best] - place) ? i : best), 0);
const dot = (one) =>
  svg(
    "svg",
    { width: 12, height: 12, "aria-hidden": "true" },
    svg("path", { d: SHAPES[one.marker], fill: one.color, transform: "translate(6,6)", "data-ink": ink(one.color) }),
  );
function steps(times, values, x, y) {
  let path = "",
    open = false;
  values.forEach((value, i) => {
    if (value === null) {
      open = false;
      return;
    }
    path += open ? `H${x(times[i]).toFixed(1)}V${y(value).toFixed(1)}` : `M${x(times[i]).toFixed(1)},${y(value).toFixed(1)}`;
    open = true;
  });
  return path;
}
function band(chart, one, x, y) {
  const known = chart.x.map((_, i) => i).filter((i) => one.low[i] !== null);
  if (!known.length) return "";
  const upper = steps(
    known.map((i) => chart.x[i]),
    known.map((i) => one.high[i]),
    x,
    y,
  );
  const back = known
    .slice()
    .reverse()
    .map(
      (i, k, all) =>
        `${k ? `H${x(chart.x[all[k - 1]]).toFixed(1)}` : ""}V${y(one.low[i]).toFixed(1)}H${x(chart.x[i]).toFixed(1)}`,
    );
  return `${upper}${back.join("")}Z`;
}
function ranking(chart, visible) {
  const value = (one) => (Array.isArray(one.mean) ? one.mean.filter((v) => v !== null).at(-1) : one.mean) ?? -Infinity;
  const sorted = visible.slice().sort((a, b) => value(b) - value(a));
  return sorted.length
    ? `At the end: ${sorted.map((one) => `${one.name} ${fixed(value(one))}`).join(", ")}.`
    : "No method is shown.";
}

// -- final accuracies ---------------------------------------------------------------------------------------------------------

function finals(host, chart) {
  const plot = html("div", { class: "plot" });
  host.append(plot);
  const series = chart.series.slice().sort((a, b) => b.mean - a.mean);
  function draw() {
    const width = Math.max(280, plot.clientWidth || 560),
      step = 22,
      height = 40 + step * series.length;
    const names = Math.min(Math.max(...series.map((one) => widthOf(one.name))) + 14, 0.42 * width),
      right = width - 12;
    const medians = series.map((one) => one.quartiles[2]).sort((a, b) => a - b),
      typical = medians[Math.floor(medians.length / 2)];
    const top = Math.max(chart.optimum, ...series.map((one) => one.quartiles[4]));
    const low = Math.max(Math.min(...series.map((one) => one.quartiles[0])), top - 4 * (top - typical));
    const x = (value) => names + ((right - names) * (Math.max(value, low) - low)) / (top - low || 1);
    const root = svg("svg", {
      viewBox: `0 0 ${width} ${height}`,
      height,
      role: "group",
      "aria-label": `${chart.title}. ${ranking(chart, series)}`,
    });
    for (const value of ticks(low, top, Math.max(2, (right - names) / 90)))
      root.append(
        svg("path", { class: "grid", d: `M${x(value)},4V${height - 34}` }),
        svg("text", { class: "muted", x: x(value), y: height - 20, "text-anchor": anchor(x(value), shown(value), right + 10) }, shown(value)),
      );
    root.append(
      svg("text", { class: "muted", x: (names + right) / 2, y: height - 5, "text-anchor": "middle" }, chart.xlabel),
      svg("path", { class: "axis", "stroke-dasharray": "1 3", d: `M${x(chart.optimum)},4V${height - 34}` }),
    );
    series.forEach((one, i) => {
      const y = 14 + step * i,
        q = one.quartiles,
        out = one.mean < low;
      const label = shortened(one.name, names - 12);
      const text = `${one.name}: mean ${fixed(one.mean)}${one.low === null ? "" : `, 95 % interval ${fixed(one.low)} to ${fixed(one.high)}`}; median ${fixed(q[2])}, quartiles ${fixed(q[1])} to ${fixed(q[3])}, range ${fixed(q[0])} to ${fixed(q[4])}; n = ${one.runs}`;
      const group = svg(
        "g",
        { tabindex: 0, role: "img", "aria-label": text, class: "row" },
        svg("rect", { x: 0, y: y - step / 2, width, height: step, fill: "transparent" }),
        svg("text", { x: names - 8, y: y + 4, "text-anchor": "end" }, label),
        svg("path", {
          d: `M${x(q[0])},${y}H${x(q[4])}`,
          stroke: one.color,
          "stroke-width": 1.2,
          opacity: 0.6,
          "data-ink": ink(one.color),
        }),
        svg("path", {
          d: `M${x(q[1])},${y}H${x(q[3])}`,
          stroke: one.color,
          "stroke-width": 9,
          opacity: 0.45,
          "data-ink": ink(one.color),
        }),
      );
      if (one.low !== null && !out)
        group.append(svg("path", { d: `M${x(one.low)},${y}H${x(one.high)}`, class: "axis", "stroke-width": 2.4 }));
      group.append(
        out
          ? svg("text", { x: right, y: y + 4, "text-anchor": "end" }, `◂ mean ${fixed(one.mean)}`)
          : svg("path", {
              d: SHAPES[one.marker],
              fill: one.color,
              transform: `translate(${x(one.mean)},${y})`,
              "data-ink": ink(one.color),
            }),
      );
      const reveal = (clientX, clientY) => showTip(html("div", {}, text), clientX, clientY);
      group.addEventListener("pointermove", (event) => reveal(event.clientX, event.clientY));
      group.addEventListener("pointerleave", hideTip);
      group.addEventListener("focus", () => {
        const box = group.getBoundingClientRect();
        reveal(box.left + names, box.bottom);
      });
      group.addEventListener("blur", hideTip);
      root.append(group);
    });
    plot.replaceChildren(root);
  }
  drawToFit(plot, draw);
}

document.querySelectorAll(".chart").forEach((host) => {
  const chart = data.charts[host.dataset.chart];
  host.replaceChildren();
  (chart.kind === "curves" ? curves : finals)(host, chart);
});
