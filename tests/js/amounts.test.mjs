import assert from "node:assert/strict";
import { test } from "node:test";

import { inDollars, inTokens } from "../../static/js/amounts.js";

test("tokens are shortened to three figures", () => {
  const cases = [
    [0, "0"],
    [999, "999"],
    [1000, "1k"],
    [12_345, "12.3k"],
    [99_960, "100k"],
    [123_456, "123k"],
    [999_499, "999k"],
    [999_500, "1M"],
    [4_500_000, "4.5M"],
  ];
  for (const [count, shown] of cases) assert.equal(inTokens(count), shown);
});

test("what is not known is never shown as nothing", () => {
  assert.equal(inDollars(null, 3), "unpriced");
  assert.equal(inDollars(null, 0), "$0.00");
  assert.equal(inDollars(0, 0), "$0.00");
  assert.equal(inDollars(0.001, 0), "<$0.01");
  assert.equal(inDollars(1.255, 2), "$1.25 + unpriced");
  assert.equal(inDollars(1234.5), "$1234.50");
});
