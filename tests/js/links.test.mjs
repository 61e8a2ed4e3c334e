// Where a link leads is said beside it, unless its text says so.

import assert from "node:assert/strict";
import { test } from "node:test";

import { destination, hostOf, withoutTricks } from "../../static/js/links.js";

test("a text that names the host needs no more", () => {
  for (const text of ["https://good.example/a?b#c", "good.example", "www.good.example/a", "GOOD.example"]) {
    assert.equal(destination(text, "https://good.example/a?b#c"), null, text);
  }
  assert.equal(destination("alice@acme.example", "mailto:alice@acme.example"), null);
});

test("any other text is followed by the host", () => {
  const host = "good.example";

  for (const text of ["the docs", "Node.js", "README.md", "see good.example"]) {
    assert.deepEqual(destination(text, "https://good.example/a"), { host, isLie: false }, text);
  }
});

test("a text that looks like another address is a lie", () => {
  const lie = { host: "evil.example", isLie: true };

  for (const text of [
    "https://good.example",
    "good.example",
    "www.good.example/a",
    "https://good.example@evil.example/",
    "mailto:alice@acme.example",
    "gооd.example",
  ]) {
    assert.deepEqual(destination(text, "https://evil.example/"), lie, text);
  }
  assert.deepEqual(destination("https://good.example", "https://good.example.evil.example"), {
    host: "good.example.evil.example",
    isLie: true,
  });
});

test("a name before the host and letters of other alphabets do not hide where it leads", () => {
  assert.equal(hostOf("https://good.example@evil.example/"), "evil.example");
  assert.equal(hostOf("https://gооd.example/"), "xn--gd-fmca.example");
  assert.equal(hostOf("mailto:alice@acme.example?subject=x"), "alice@acme.example");
  assert.equal(hostOf("/relative"), null);
});

test("signs that turn letters around or cannot be seen are taken out", () => {
  assert.equal(withoutTricks("go\u200bod\u202eelpmaxe\u202c.\u2066x\u2069\u00ad"), "goodelpmaxe.x");
  assert.equal(withoutTricks("שלום، مرحبا"), "שלום، مرحبا");
});
