// Blocks of a growing text: the same in the end, however the text was cut.

import assert from "node:assert/strict";
import { test } from "node:test";

import { createBlocks } from "../../static/js/blocks.js";
import { Lexer } from "../../static/vendor/marked/marked.esm.js";

const lex = (text) => Lexer.lex(text, { gfm: true });

const TEXT = `# Title

A paragraph with **bold**
over two lines.

- one
- two

  still two

1. first

\`\`\`python
def f():

    return 1
\`\`\`

| a | b |
|---|---|
| 1 | 2 |

> quoted
> more

The end.
`;

function written(text, size) {
  const blocks = createBlocks(lex);
  let settled = [];
  let open = "";
  for (let i = 0; i < text.length; i += size) {
    const step = blocks.append(text.slice(i, i + size));
    settled = [...settled, ...step.settled];
    open = step.open;
  }
  return { settled, open };
}

for (const size of [1, 2, 3, 7, 50, 10_000]) {
  test(`in pieces of ${size} nothing is lost or changed`, () => {
    const { settled, open } = written(TEXT, size);

    assert.equal(settled.join("") + open, TEXT);
  });
}

test("in pieces of one character the blocks are those of the whole text", () => {
  const kinds = (raws) =>
    raws
      .flatMap((raw) => lex(raw))
      .map(({ type }) => type)
      .filter((type) => type !== "space");

  const { settled, open } = written(TEXT, 1);

  assert.deepEqual(kinds([...settled, open]), kinds([TEXT]));
});

test("what is settled is read once, so a long text costs linear time", () => {
  let characters = 0;
  const blocks = createBlocks((text) => {
    characters += text.length;
    return lex(text);
  });

  for (let i = 0; i < 500; i += 1) blocks.append(`Paragraph number ${i}.\n\n`);

  assert.ok(characters < 500 * 25 * 3, `${characters} characters were read`);
});

test("line ends of other systems become those of the web", () => {
  const { settled, open } = written("a\r\n\r\nb\rc", 1);

  assert.equal(settled.join("") + open, "a\n\nb\nc");
});
