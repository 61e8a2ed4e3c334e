// Opening again: patient, and never all at once.

import assert from "node:assert/strict";
import { test } from "node:test";

import { judge, newId, nextTry, pauseBefore } from "../../static/js/socket.js";

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

test("a socket that was closed is opened again, unless nobody is logged in", () => {
  const tries = [null, 1006, 1012, 4401, 4408].map((code) => nextTry(code, { tries: 0, wasReady: true }));

  assert.deepEqual(tries, [0, 0, 0, 0, 0]);
  assert.equal(nextTry(4401, { tries: 0, wasReady: false }), null);
  assert.equal(nextTry(1006, { tries: 3, wasReady: false }), 3);
});

test("a page that sent too many frames stays away for a while", () => {
  assert.equal(nextTry(4429, { tries: 0, wasReady: true }), 4);
  assert.equal(nextTry(4429, { tries: 6, wasReady: true }), 6);
});

/** A socket that is ready and was heard of at second 100; `changes` in seconds. */
function link(changes) {
  const seconds = { openedAt: 90, heardAt: 100, sentAt: 0, lookedAt: 100, askedAt: null };
  const times = Object.entries({ ...seconds, ...changes }).map(([name, value]) => [
    name,
    typeof value === "number" && name !== "asks" ? value * 1000 : value,
  ]);
  const state = { isReady: true, isAwaited: false, isInDoubt: false, asks: 0 };
  return { ...state, ...Object.fromEntries(times) };
}

/** The seconds from 100 to 200 at which a socket that is looked at each second is not left alone. */
function calls(changes) {
  for (let second = 100; second < 200; second += 1) {
    const call = judge({ ...link(changes), lookedAt: (second - 1) * 1000 }, second * 1000);
    if (call !== "wait") return [second, call];
  }
  return [];
}

test("an idle socket is asked after 15 seconds of silence, and given up 10 seconds later", () => {
  assert.deepEqual(calls({}), [116, "ask"]);
  assert.deepEqual(calls({ askedAt: 116, asks: 1 }), [127, "give up"]);
});

test("while an answer is awaited it is asked and given up after 5 seconds each", () => {
  assert.deepEqual(calls({ isAwaited: true }), [106, "ask"]);
  assert.deepEqual(calls({ isAwaited: true, askedAt: 106, asks: 1 }), [112, "give up"]);
});

test("what was sent just now has time to be answered", () => {
  assert.equal(judge(link({ isAwaited: true, sentAt: 112, lookedAt: 115 }), 116_000), "wait");
  assert.equal(judge(link({ isAwaited: true, sentAt: 112, lookedAt: 117 }), 118_000), "ask");
});

test("after a sleep it is asked at once, and given up 3 seconds later", () => {
  assert.equal(judge(link({ lookedAt: 100 }), 3_600_000), "ask");
  assert.deepEqual(calls({ isInDoubt: true, askedAt: 100, asks: 1 }), [104, "give up"]);
});

test("what was asked before a sleep is asked once more, and not for ever", () => {
  assert.equal(judge(link({ askedAt: 99, asks: 1 }), 3_600_000), "ask");
  assert.equal(judge(link({ askedAt: 99, asks: 2 }), 3_600_000), "give up");
});

test("a handshake without an end is given up after 10 seconds", () => {
  assert.deepEqual(calls({ isReady: false, openedAt: 100 }), [111, "give up"]);
});
