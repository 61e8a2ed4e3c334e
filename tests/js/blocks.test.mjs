// A growing text is drawn piece by piece: the same in the end, and in linear work.

import assert from "node:assert/strict";
import { test } from "node:test";

import { createBlocks } from "../../static/js/blocks.js";
import { mathsExtension } from "../../static/js/maths-syntax.js";
import { Marked } from "../../static/vendor/marked/marked.esm.js";
import { SAMPLES } from "./samples.mjs";


const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escape = (text) => text.replace(/[&<>"']/g, (character) => ESCAPES[character]);

const marked = new Marked({ gfm: true });
marked.use(
  mathsExtension({
    maths: ({ raw, isDisplay }) => `<span data-display="${isDisplay}">${escape(raw)}</span>`,
    mathsBlock: ({ source, isFormula }) => `<div data-formula="${isFormula}">${escape(source)}</div>\n`,
  }),
);

// What can grow stands between a beginning and an end: items, rows, and lines of code.
const GROWING = [
  /^(<[uo]l[^>]*>\n)([^]*)(<\/[uo]l>\n)$/,
  /^([^]*<tbody>)([^]*)(<\/tbody><\/table>\n)$/,
  /^(<pre><code[^>]*>)([^]*)(<\/code><\/pre>\n)$/,
];

/** The page as HTML; `lexed` and `rendered` count characters. */
function createPage() {
  const settled = []; // blocks, each with its growing parts
  let open = [];
  let continues = false;
  const page = { lexed: 0, rendered: 0, drops: 0, finished: 0 };

  function render(token) {
    const html = marked.parser([token]);
    page.rendered += html.length;
    const found = GROWING.map((each) => each.exec(html)).find(Boolean);
    return found
      ? { begin: found[1], parts: [found[2]], end: found[3] }
      : { begin: html, parts: [], end: "" };
  }

  function html() {
    const [first, ...rest] = continues ? open : [null, ...open];
    const blocks = settled.map(({ begin, parts, end }, index) => {
      const isLast = index === settled.length - 1;
      return [begin, ...parts, ...(isLast && first ? first.parts : []), end].join("");
    });
    return [...blocks, ...rest.map(({ begin, parts, end }) => begin + parts.join("") + end)].join("");
  }

  const view = {
    add(tokens, isMore) {
      const [first, ...rest] = tokens.map(render);
      if (isMore) settled.at(-1).parts.push(...first.parts);
      else if (first) settled.push(first);
      settled.push(...rest);
      open = [];
    },
    open(tokens, isMore) {
      open = tokens.map(render);
      continues = isMore;
    },
    openPlain(text) {
      page.rendered += text.length;
      open = [{ begin: text, parts: [], end: "" }];
      continues = false;
    },
    tail(text) {
      page.rendered += text.length;
    },
    type(text) {
      page.rendered += text.length;
      settled.at(-1).parts.push(escape(text));
    },
    finish() {
      page.finished += 1;
    },
    drop() {
      page.drops += 1;
      settled.pop();
      open = [];
    },
  };

  function lex(text) {
    page.lexed += text.length;
    return marked.lexer(text);
  }

  return Object.assign(page, { blocks: createBlocks(lex, view), html });
}

/** Numbers from 0 to 1, the same ones at each run. */
function random(seed) {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

/** The html of `text` that arrives in pieces of 1 to `longest` characters. */
function written(text, longest, seed) {
  const page = createPage();
  const next = random(seed);
  for (let at = 0; at < text.length; ) {
    const size = 1 + Math.floor(next() * longest);
    page.blocks.append(text.slice(at, at + size));
    at += size;
  }
  const needsWhole = page.blocks.end();
  return { page, html: needsWhole ? marked.parse(text) : page.html(), needsWhole };
}

for (const [name, text] of Object.entries(SAMPLES)) {
  test(`${name}: cut anywhere, it is what the whole text gives`, () => {
    const whole = marked.parse(text);

    for (const longest of [1, 3, 10, 80, 100_000]) {
      for (let seed = 1; seed <= 10; seed += 1) {
        assert.equal(written(text, longest, seed).html, whole, `pieces up to ${longest}, seed ${seed}`);
      }
    }
  });
}

const PARTS = [
  ..."a|b c|**d**|# |## e|- |- f|* |1. |2. g|3) |> |> h|  |    |   - i|\t|`|```|```js|~~~|````|---|***".split("|"),
  ..."=== === ___ [j] [j]: /k [x] <b> </b> <div> </div> <!-- --> \\ | |l|m| |-|-| :-: & < é \r $ $$ $x$ $$y$$ \\[ \\] \\(z\\)".split(" "),
];

test("lines put together by chance: cut anywhere, they are what the whole text gives", () => {
  for (let seed = 1; seed <= 1500; seed += 1) {
    const next = random(seed);
    const pick = (all) => all[Math.floor(next() * all.length)];
    const text = Array.from({ length: 30 }, () => pick(PARTS) + pick(["", "\n", "\n", "\n\n", " n"])).join("");

    assert.equal(written(text, 6, seed).html, marked.parse(text), JSON.stringify(text));
  }
});

test("only links that are named elsewhere need the whole text once more", () => {
  const whole = Object.keys(SAMPLES).filter((name) => written(SAMPLES[name], 5, 1).needsWhole);

  assert.deepEqual(whole, ["links named later"]);
});

const CHARACTERS = 4 * 32_000; // of an answer of 32,000 tokens
const PIECE = 12; // three tokens in each display refresh
const line = (number) => `Line ${number} with **bold** and \`code\`.`;

/** A shape of any length whose parts are made by `part(number)`. */
const repeated = (part, before = "") => (length) => {
  let text = before;
  for (let number = 0; text.length < length; number += 1) text += part(number);
  return text.slice(0, length);
};

const SHAPES = {
  prose: repeated((number) => `${line(number)} And more of it.${number % 8 ? " " : "\n\n"}`),
  "one piece of code": repeated((number) => `    f(${number})\n`, "```python\n"),
  "code without a line end": repeated(() => "x=1;", "```\n"),
  "one list": repeated((number) => `- ${line(number)}\n`),
  "one numbered list with gaps": repeated((number) => `${number}. ${line(number)}\n\n`),
  "a list with one gap": repeated((number) => `- ${line(number)}\n${number === 500 ? "\n" : ""}`),
  "a list in one item": repeated((number) => `  - ${line(number)}\n`, "- all\n"),
  "code in an item": repeated((number) => `   f(${number})\n`, "1. so\n   ```\n"),
  "one table": repeated((number) => `| ${number} | ${line(number)} |\n`, "| a | b |\n|---|---|\n"),
  "quotes in quotes": repeated((number) => `${"> ".repeat(1 + (number % 12))}${line(number)}\n`),
  "one paragraph": repeated((number) => `${line(number)}\n`),
  "one line": repeated((number) => `${line(number)} `),
  "one comment": repeated((number) => `${line(number)}\n\n`, "<!--\n"),
};

/** Characters that are read and rendered for an answer of so many characters. */
function workFor(shape, length) {
  const page = createPage();
  const text = shape(length);
  for (let at = 0; at < length; at += PIECE) page.blocks.append(text.slice(at, at + PIECE));
  assert.equal(page.blocks.end(), false);
  return page.lexed + page.rendered;
}

for (const [name, shape] of Object.entries(SHAPES)) {
  test(`${name}: an answer that is twice as long is twice the work`, () => {
    const half = workFor(shape, CHARACTERS / 2);
    const whole = workFor(shape, CHARACTERS);

    assert.ok(whole <= 2.2 * half, `${whole} characters after ${half}`);
    assert.ok(whole <= 60 * CHARACTERS, `${whole} characters`);
  });
}
