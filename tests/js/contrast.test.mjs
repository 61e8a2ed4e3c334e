// The colours of code can be read in both schemes: WCAG AA, 4.5 to 1 against what is behind them.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const read = (name) => readFileSync(new URL(`../../static/css/${name}`, import.meta.url), "utf8");

const pairsIn = (css) =>
  [...css.matchAll(/(--[\w-]+): light-dark\((#\w{6}), (#\w{6})\)/g)].map(([, name, ...pair]) => [name, pair]);

function luminance(colour) {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const value = parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one, other) {
  const [darker, lighter] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (lighter + 0.05) / (darker + 0.05);
}

test("every colour of code has contrast enough in both schemes", () => {
  const behind = new Map(pairsIn(read("base.css"))).get("--surface");
  const colours = pairsIn(read("markdown.css")).filter(([name]) => name.startsWith("--code-"));

  assert.ok(colours.length >= 6);
  for (const [name, pair] of colours) {
    for (const scheme of [0, 1]) {
      const ratio = contrast(pair[scheme], behind[scheme]);
      assert.ok(ratio >= 4.5, `${name} ${["light", "dark"][scheme]}: ${ratio.toFixed(2)}`);
    }
  }
});
