// The languages that we know are those that the library can colour.

import assert from "node:assert/strict";
import { test } from "node:test";

import { canColour, knownWords, languageName } from "../../static/js/languages.js";
import library from "../../static/vendor/highlight/highlight.min.js";

test("the library knows every word that we know", () => {
  assert.deepEqual(knownWords().filter((word) => !library.getLanguage(word)), []);
});

test("we know every language of the library but plain text and one that nobody names", () => {
  const unknown = library.listLanguages().filter((word) => !canColour(word));

  assert.deepEqual(unknown, ["php-template", "plaintext"]);
});

test("languages are called as people call them", () => {
  const words = ["py", "JS", "c++", "", "text", "cobol", "x".repeat(500)];

  const names = ["Python", "JavaScript", "C++", "Text", "Text", "cobol", "x".repeat(30)];
  assert.deepEqual(words.map(languageName), names);
});
