// Tokens day by day, as bars, and the same in words.

import { inDollars, inTokens } from "./amounts.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 240;
const HEIGHT = 48;
const GAP = 2;
// So much is seen of a day with any use, however much another one had.
const LOWEST = 2;

/** How many days the month has of which these are the first. */
export function lengthOfMonth([{ day }]) {
  const [year, month] = day.split("-").map(Number);
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}

/**
 * Of each day its bar, `{x, y, width, height}`, in the units of the drawing.
 * @param {number} places how many days there is room for
 */
export function barsOf(days, places = days.length) {
  const most = Math.max(1, ...days.map(({ totalTokens }) => totalTokens));
  const step = WIDTH / places;
  return days.map(({ totalTokens }, place) => {
    const height = totalTokens && Math.max(LOWEST, (totalTokens / most) * HEIGHT);
    return { x: place * step, y: HEIGHT - height, width: step - GAP, height };
  });
}

/** "21 November: 1.2k tokens, $0.30". */
export function inWords({ day, totalTokens, costUsd, unpricedCalls }) {
  const date = new Date(`${day}T00:00:00Z`).toLocaleDateString("en-GB", {
    day: "numeric",
    month: "long",
    timeZone: "UTC",
  });
  return `${date}: ${inTokens(totalTokens)} tokens, ${inDollars(costUsd, unpricedCalls)}`;
}

function svg(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/**
 * @param {HTMLElement} figure with an `svg`, and a list of the days that had any use
 * @param {object[]} days of a month so far, the first of it first
 */
export function drawDays(figure, days) {
  const drawing = figure.querySelector("svg");
  drawing.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  drawing.replaceChildren(
    ...barsOf(days, lengthOfMonth(days)).map((bar, place) => {
      const day = svg("g", { class: "usage-day" });
      const title = svg("title", {});
      title.textContent = inWords(days[place]);
      // All of the day's column can be pointed at, not its bar alone.
      const column = { ...bar, y: 0, height: HEIGHT, width: bar.width + GAP };
      day.append(title, svg("rect", { ...column, class: "usage-column" }));
      day.append(svg("rect", { ...bar, class: "usage-bar", rx: 1 }));
      return day;
    }),
  );
  const used = days.filter(({ totalTokens, unpricedCalls }) => totalTokens || unpricedCalls);
  figure.hidden = used.length === 0;
  figure.querySelector("ol").replaceChildren(
    ...used.map((day) => {
      const item = document.createElement("li");
      item.textContent = inWords(day);
      return item;
    }),
  );
}
