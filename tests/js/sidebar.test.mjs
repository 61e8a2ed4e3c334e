// What the sidebar is made of: groups by day, hits of a search, bars of usage.

import assert from "node:assert/strict";
import { test } from "node:test";

import { grouped, groupedWithOpen, groupOf, untilMidnight } from "../../static/js/chat-groups.js";
import { pieces, plain } from "../../static/js/hits.js";
import { barsOf, inWords, lengthOfMonth } from "../../static/js/usage-chart.js";

// Read at each use of a date: on this day of October Berlin has 25 hours.
process.env.TZ = "Europe/Berlin";
const NOW = new Date(2026, 9, 25, 12);
const at = (...moment) => new Date(2026, ...moment).getTime();

test("a chat is in the group of its day on the calendar of whoever looks", () => {
  const groups = [
    [2026, 9, 26, 0, 5],
    [2026, 9, 25, 0, 0],
    [2026, 9, 24, 23, 59],
    [2026, 9, 24, 0, 0],
    [2026, 9, 23, 23, 59],
    [2026, 9, 18, 0, 0],
    [2026, 9, 17, 23, 59],
    [2026, 8, 25, 0, 0],
    [2026, 8, 24, 23, 59],
    [2026, 0, 1],
    [2025, 11, 31, 23, 59],
  ].map((moment) => groupOf(new Date(...moment), NOW));

  assert.deepEqual(groups, [
    "Today",
    "Today",
    "Yesterday",
    "Yesterday",
    "Previous 7 days",
    "Previous 7 days",
    "Previous 30 days",
    "Previous 30 days",
    "September",
    "January",
    "December 2025",
  ]);
});

test("the same moment is of another day in another zone", () => {
  const moment = new Date("2026-10-24T22:30:00Z");
  const inBerlin = groupOf(moment, NOW);
  process.env.TZ = "UTC";
  const inLondon = groupOf(moment, NOW);
  process.env.TZ = "Europe/Berlin";

  assert.deepEqual([inBerlin, inLondon], ["Today", "Yesterday"]);
});

test("groups and their chats come newest first, whatever the order they are given in", () => {
  const chats = [
    { id: "a", updatedAt: at(8, 2) },
    { id: "b", updatedAt: at(9, 25, 9) },
    { id: "c", updatedAt: at(8, 3) },
    { id: "d", updatedAt: at(9, 25, 10) },
  ];

  const groups = grouped(chats, NOW).map(({ label, chats }) => [label, chats.map(({ id }) => id)]);

  assert.deepEqual(groups, [
    ["Today", ["d", "b"]],
    ["September", ["c", "a"]],
  ]);
  assert.deepEqual(grouped([], NOW), []);
});

test("the chat that is shown stands in front until its place in the list is loaded", () => {
  const chats = [{ id: "old", updatedAt: at(3, 1) }, { id: "new", updatedAt: at(9, 25, 8) }];
  const labels = (given) =>
    groupedWithOpen(chats, NOW, given).map(({ label, chats }) => [label, chats.map(({ id }) => id)]);
  const reach = at(9, 20);

  const apart = labels({ currentId: "old", reach });

  assert.deepEqual(apart, [["Open chat", ["old"]], ["Today", ["new"]]]);
  const inPlace = [["Today", ["new"]], ["April", ["old"]]];
  assert.deepEqual(labels({ currentId: "old", reach: at(3, 1) }), inPlace);
  assert.deepEqual(labels({ currentId: "new", reach }), inPlace);
});

test("midnight is as far as it is on a day of 25 hours", () => {
  assert.equal(untilMidnight(new Date(2026, 9, 25)), 25 * 60 * 60 * 1000);
});

test("all hits of a text are marked, whatever their case", () => {
  assert.deepEqual(pieces("Needle and needles", "NEEDLE"), [
    { text: "Needle", isHit: true },
    { text: " and ", isHit: false },
    { text: "needle", isHit: true },
    { text: "s", isHit: false },
  ]);
});

test("a text without a hit is one piece, as is one whose length changes with its case", () => {
  const texts = [["Hay", "needle"], ["Hay", ""], ["İstanbul", "stan"], ["", "x"]];

  for (const [text, wanted] of texts) {
    assert.deepEqual(pieces(text, wanted), [{ text, isHit: false }]);
  }
});

test("of a line the words are shown, without the signs of Markdown", () => {
  const texts = [
    ["# Pasta ## Then **boil** it for `9` min", "Pasta Then boil it for 9 min"],
    ["…and then ## Then **boil it**, **twice**.", "…and then Then boil it, twice."],
    ["see [the docs](https://a.example/b_c) and ![a cat](/cat.png)", "see the docs and a cat"],
    ["```python print(1)", "python print(1)"],
  ];

  for (const [text, words] of texts) assert.equal(plain(text, ""), words);
});

test("what only looks like Markdown stays as it is", () => {
  const texts = [
    "C# and issue #5, 2*3, snake_case, a - b",
    "x = 2**10 # pow, y = 3**2",
    "handlers[name](event)",
    "src/**/*.js and lib/**/*.js",
    "def f(*args, **kwargs): g(**kwargs)",
    "…cut **in bold and [in a link](https://a.ex",
  ];

  for (const text of texts) assert.equal(plain(text, ""), text);
});

test("signs of Markdown that were looked for stay", () => {
  assert.equal(plain("**bold** and `code`", "**BOLD"), "**bold** and `code`");
  assert.equal(plain("**bold** and `code`", "code"), "bold and code");
  assert.equal(plain("[docs](https://a.example)", "a.example"), "[docs](https://a.example)");
});

test("the most used day is as high as the chart, and a little is seen of any use", () => {
  const days = [0, 1, 5_000, 10_000].map((totalTokens) => ({ totalTokens }));

  const bars = barsOf(days);

  assert.deepEqual(bars.map(({ x, y, height }) => [x, y, height]), [
    [0, 48, 0],
    [60, 46, 2],
    [120, 24, 24],
    [180, 0, 48],
  ]);
  assert.ok(bars.every(({ width }) => width === 58));
  assert.deepEqual(barsOf([{ totalTokens: 0 }]).map(({ height }) => height), [0]);
});

test("the chart has room for the days of the month that are still to come", () => {
  const [bar] = barsOf([{ totalTokens: 1 }], 30);

  assert.deepEqual([bar.x, bar.width], [0, 6]);
  const lengths = ["2026-11-01", "2026-12-01", "2027-02-01", "2028-02-01"].map((day) => lengthOfMonth([{ day }]));
  assert.deepEqual(lengths, [30, 31, 28, 29]);
});

test("a day of use is told in words", () => {
  const day = { day: "2026-11-21", totalTokens: 1_234, costUsd: 0.3, unpricedCalls: 1 };

  assert.equal(inWords(day), "21 November: 1.2k tokens, $0.30 + unpriced");
});
