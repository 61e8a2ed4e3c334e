// What the message field knows of its text: counts, prompts, options.

import assert from "node:assert/strict";
import { test } from "node:test";

import { charactersOf, standing } from "../../static/js/counting.js";
import { matches, stepFrom } from "../../static/js/listbox.js";
import { find, queryOf } from "../../static/js/prompt-list.js";

test("characters outside the first plane count once, as on the server", () => {
  assert.equal(charactersOf("😀".repeat(10), 10), 10);
  assert.equal(charactersOf("a😀b", 3), 3);
  assert.equal(charactersOf("\ud800\ud800", 2), 2);
});

test("a count is said near the limit, and a fault beyond it", () => {
  assert.deepEqual(standing(900, 1000), { fault: "", count: "" });
  assert.deepEqual(standing(901, 1000), { fault: "", count: "901 / 1,000" });
  assert.deepEqual(standing(1001, 1000), {
    fault: "This is 1 character too long. At most 1,000 can be sent at once.",
    count: "1,001 / 1,000",
  });
});

test("each word has to be there, in any case and order", () => {
  assert.ok(matches("ANTH son", "claude-sonnet Anthropic"));
  assert.ok(!matches("gpt son", "claude-sonnet Anthropic"));
  assert.ok(matches("", "anything"));
});

test("steps go around the ends", () => {
  assert.deepEqual([stepFrom(-1, 1, 3), stepFrom(-1, -1, 3), stepFrom(2, 1, 3), stepFrom(0, -1, 3)], [0, 2, 0, 2]);
});

test("only a slash at the very beginning asks for prompts", () => {
  assert.deepEqual([queryOf("/"), queryOf("/sum up"), queryOf("and/or"), queryOf("/a\nb")], ["", "sum up", null, null]);
});

test("names that begin with what is typed come first", () => {
  const prompts = [{ name: "My summary" }, { name: "Summary" }, { name: "Translate" }];

  assert.deepEqual(find(prompts, "sum").map(({ name }) => name), ["Summary", "My summary"]);
});
