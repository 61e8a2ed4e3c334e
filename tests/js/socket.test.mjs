// Opening again: patient, and never all at once.

import assert from "node:assert/strict";
import { test } from "node:test";

import { newId } from "../../static/js/ids.js";
import { pauseBefore } from "../../static/js/socket.js";

test("pauses double up to a limit", () => {
  const pauses = [0, 1, 2, 3, 10, 100].map((tries) => pauseBefore(tries, 1));

  assert.deepEqual(pauses, [500, 1000, 2000, 4000, 15000, 15000]);
});

test("pauses are spread between a half and the whole", () => {
  assert.equal(pauseBefore(0, 0), 250);
  assert.equal(pauseBefore(10, 0), 7500);
});

test("ids are of the documented form and differ", () => {
  const ids = new Set(Array.from({ length: 1000 }, newId));

  assert.equal(ids.size, 1000);
  for (const id of ids) assert.match(id, /^[0-9a-f]{32}$/);
});
