// The reports' charts, by uPlot, in the colours of the page.

import { inDollars, inTokens } from "./amounts.js";

const FONT = "11px system-ui, sans-serif";
const STEPS = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 24, 28, 30, 60, 90, 180, 365];

const KINDS = {
  cost: {
    axis: inAxisDollars,
    text: (data, index) => inDollars(data.cost[index], data.unpriced[index]),
  },
  tokens: {
    axis: inTokens,
    text: (data, index) => `${data.tokens[index].toLocaleString("en")} tokens`,
  },
};

const drawn = new Map();
let watcher;

/** Draws all charts in `root` anew, from the JSON that is in it. */
export function drawCharts(root) {
  for (const plot of drawn.values()) plot.destroy();
  drawn.clear();
  watcher ??= watch();
  watcher.disconnect();
  const source = root.querySelector("#chart-data");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  for (const element of root.querySelectorAll("[data-chart]")) {
    drawn.set(element, draw(element, data));
    watcher.observe(element);
  }
}

/** $0, $0.25, $40, $1.2k. */
export function inAxisDollars(amount) {
  if (amount >= 1000) return `$${inTokens(amount)}`;
  return `$${Number(amount.toPrecision(3))}`;
}

/** Charts follow the width of the page, and light and dark. */
function watch() {
  const repaint = () => {
    for (const plot of drawn.values()) plot.redraw(false);
  };
  new MutationObserver(repaint).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  return new ResizeObserver((entries) => {
    for (const { target } of entries) drawn.get(target)?.setSize(sizeOf(target));
  });
}

function sizeOf(element) {
  return { width: Math.floor(element.clientWidth), height: element.clientHeight };
}

function draw(element, data) {
  const kind = KINDS[element.dataset.chart];
  const readout = element.closest("figure").querySelector(".chart-readout");
  const color = (name) => getComputedStyle(element).getPropertyValue(name);
  const axis = { stroke: () => color("--body-quiet-color"), font: FONT };
  const grid = { stroke: () => color("--hairline-color"), width: 1 };
  const own = () => getComputedStyle(element).color;
  const options = {
    ...sizeOf(element),
    padding: [8, 20, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
    scales: {
      // By number, not by time: a day of 23 hours is as wide as the others.
      x: { time: false, range: () => [-0.5, data.labels.length - 0.5] },
      y: { range: (_plot, _least, most) => (most > 0 ? uPlot.rangeNum(0, most, 0.1, true) : [0, 1]) },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        ticks: { show: false },
        incrs: STEPS,
        space: 56,
        size: 32,
        gap: 8,
        values: (_plot, splits) => splits.map((index) => data.ticks[index] ?? ""),
      },
      {
        ...axis,
        grid,
        ticks: { show: false },
        space: 36,
        size: 54,
        values: (_plot, amounts) => amounts.map(kind.axis),
      },
    ],
    series: [
      {},
      { fill: own, stroke: own, width: 0, paths: uPlot.paths.bars({ size: [0.72, 48], radius: 0.12 }), points: { show: false } },
    ],
    hooks: { setCursor: [(plot) => (readout.textContent = inWords(plot.cursor.idx))] },
  };

  function inWords(index) {
    return index === null || index === undefined ? "" : `${data.labels[index]}: ${kind.text(data, index)}`;
  }

  const numbers = data.labels.map((_label, index) => index);
  return new uPlot(options, [numbers, data[element.dataset.chart]], element);
}
