import assert from "node:assert/strict";
import { test } from "node:test";

import { meet } from "../../static/js/branch.js";

/** Messages that follow each other; the first one follows `parent`. */
function run(ids, parent = null) {
  return [...ids].map((id, index) => ({ id, parentId: index ? ids[index - 1] : parent }));
}

test("nothing is shown yet", () => {
  assert.deepEqual(meet([], run("abc")), { lead: 0, at: 0, same: 0 });
});

test("nothing is stored any more", () => {
  assert.deepEqual(meet(run("abc"), []), { lead: 0, at: 0, same: 0 });
});

test("the very same messages stay", () => {
  assert.deepEqual(meet(run("abc"), run("abc")), { lead: 0, at: 0, same: 3 });
});

test("what is new comes behind", () => {
  assert.deepEqual(meet(run("abc"), run("abcde")), { lead: 0, at: 0, same: 3 });
});

test("what is shown may begin before what is stored", () => {
  assert.deepEqual(meet(run("abcd"), run("cde", "b")), { lead: 0, at: 2, same: 2 });
});

test("what is stored may begin before what is shown", () => {
  assert.deepEqual(meet(run("cd", "b"), run("abcde")), { lead: 2, at: 0, same: 2 });
});

test("what is stored may begin just behind what is shown", () => {
  assert.deepEqual(meet(run("abc"), run("de", "c")), { lead: 0, at: 3, same: 0 });
});

test("another version takes the place of one and of all that follows it", () => {
  assert.deepEqual(meet(run("abcd"), run("xy", "b")), { lead: 0, at: 2, same: 0 });
  assert.deepEqual(meet(run("cdef", "b"), run("abcdx")), { lead: 2, at: 0, same: 2 });
});

test("another version of the first message takes the place of everything", () => {
  assert.deepEqual(meet(run("abc"), run("xy")), { lead: 0, at: 0, same: 0 });
});

test("of what meets nowhere nothing stays", () => {
  assert.deepEqual(meet(run("ab"), run("xyz", "w")), { lead: 0, at: 0, same: 0 });
});
