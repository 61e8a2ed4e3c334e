import assert from "node:assert/strict";
import { test } from "node:test";

import { inWords } from "../../static/js/answer-usage.js";

const usage = {
  inputTokens: 1200,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 300,
  reasoningTokens: 0,
  totalTokens: 1500,
  isEstimated: false,
  costUsd: 0.0042,
};

test("fractions of a cent are told", () => {
  assert.equal(inWords(usage), "1,200 tokens in, 300 out · $0.0042");
  assert.equal(inWords({ ...usage, costUsd: 0.5 }), "1,200 tokens in, 300 out · $0.50");
  assert.equal(inWords({ ...usage, costUsd: 12 }), "1,200 tokens in, 300 out · $12.00");
});

test("what is of the cache, of reasoning and estimated is said", () => {
  const words = inWords({ ...usage, cacheReadTokens: 800, reasoningTokens: 120, isEstimated: true });

  assert.equal(
    words,
    "2,000 tokens in (800 from the cache), 300 out (120 of reasoning) · $0.0042 · estimated",
  );
});

test("what has no price is not free", () => {
  assert.equal(inWords({ ...usage, costUsd: null }), "1,200 tokens in, 300 out · no price known");
});

test("of nothing nothing is added up", () => {
  assert.equal(inWords({ ...usage, totalTokens: 0 }), "No tokens were counted for this answer.");
});
