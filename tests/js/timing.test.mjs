// Counting down, and drawing once for each refresh.

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { countDown, inShort, oncePerRefresh } from "../../static/js/timing.js";

/** With a clock that stands still until it is moved. */
function withClock(name, work) {
  test(name, () => {
    mock.timers.enable({ apis: ["setTimeout", "Date"] });
    try {
      work(mock.timers);
    } finally {
      mock.timers.reset();
    }
  });
}

test("a wait is told in seconds, and in minutes or hours when it is long", () => {
  const waits = [1, 34, 60, 61, 120, 121, 3600, 3601].map(inShort);

  assert.deepEqual(waits, ["1 s", "34 s", "60 s", "2 min", "2 min", "3 min", "60 min", "2 h"]);
});

withClock("it tells each second at once and ends with nothing left", (clock) => {
  const seen = [];

  countDown(3, (left) => seen.push(left));
  clock.tick(999);
  assert.deepEqual(seen, [3]);
  clock.tick(1);
  assert.deepEqual(seen, [3, 2]);
  for (let second = 0; second < 5; second += 1) clock.tick(1000);

  assert.deepEqual(seen, [3, 2, 1, 0]);
});

withClock("a tab that slept through it is at the end when it wakes", (clock) => {
  const seen = [];
  countDown(30, (left) => seen.push(left));

  clock.setTime(100_000);
  clock.tick(1000);

  assert.deepEqual(seen, [30, 0]);
});

withClock("it can be ended early", (clock) => {
  const seen = [];
  const end = countDown(30, (left) => seen.push(left));

  clock.tick(1000);
  end();
  clock.tick(60_000);

  assert.deepEqual(seen, [30, 29]);
});

/** Refreshes of the display that happen when they are told to. */
function withRefreshes(name, work) {
  withClock(name, (clock) => {
    const waiting = new Map();
    globalThis.requestAnimationFrame = (run) => {
      const id = waiting.size + 1;
      waiting.set(id, run);
      return id;
    };
    globalThis.cancelAnimationFrame = (id) => waiting.delete(id);
    const refresh = () => {
      for (const run of [...waiting.values()]) run();
    };
    work({ clock, refresh, waiting });
  });
}

withRefreshes("what is asked for often is done once at the next refresh", ({ clock, refresh }) => {
  let times = 0;
  const drawing = oncePerRefresh(() => (times += 1));

  drawing.request();
  drawing.request();
  assert.equal(times, 0);
  refresh();
  clock.tick(1000);

  assert.equal(times, 1);
});

withRefreshes("it is done all the same in a tab that is not refreshed", ({ clock, waiting }) => {
  let times = 0;
  const drawing = oncePerRefresh(() => (times += 1));

  drawing.request();
  clock.tick(200);

  assert.equal(times, 1);
  assert.equal(waiting.size, 0);
});

withRefreshes("what was cancelled is not done, until it is asked for again", ({ clock, refresh }) => {
  let times = 0;
  const drawing = oncePerRefresh(() => (times += 1));

  drawing.request();
  drawing.cancel();
  refresh();
  clock.tick(1000);
  assert.equal(times, 0);
  drawing.request();
  refresh();

  assert.equal(times, 1);
});
