// The countdown of a limit.

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { countDown, inShort } from "../../static/js/countdown.js";

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
