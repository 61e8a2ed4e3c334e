// What is a formula, and what only looks like one.

import assert from "node:assert/strict";
import { test } from "node:test";

import { formulaOf, mathsExtension, MathsLexer } from "../../static/js/maths-syntax.js";
import { Marked } from "../../static/vendor/marked/marked.esm.js";

const marked = new Marked({ gfm: true });
marked.use(
  mathsExtension({
    maths: ({ raw, isDisplay }) => `[${isDisplay ? "display" : "inline"} ${formulaOf(raw)}]`,
    mathsBlock: ({ source, isFormula }) => `[${isFormula ? `block ${formulaOf(source)}` : `source ${source}`}]`,
  }),
);

const html = (text) => marked.parser(new MathsLexer(marked.defaults).lex(text)).trim();

const TEXTS = {
  "$5 and $10": "<p>$5 and $10</p>",
  "from $5-$10 or US$5 (CA$7)": "<p>from $5-$10 or US$5 (CA$7)</p>",
  "$5/month and 10$ more": "<p>$5/month and 10$ more</p>",
  "$5 (US$)": "<p>$5 (US$)</p>",
  "$HOME/$USER and $PATH": "<p>$HOME/$USER and $PATH</p>",
  "`$x$` and \\$x$": "<p><code>$x$</code> and $x$</p>",
  "$ x$ and $x $": "<p>$ x$ and $x $</p>",
  "$x$ and $2^n$, $10$, $3 \\times 4$.": "<p>[inline x] and [inline 2^n], [inline 10], [inline 3 \\times 4].</p>",
  "$a_1 * b_2$ and $c_3 * d_4$": "<p>[inline a_1 * b_2] and [inline c_3 * d_4]</p>",
  "*so $x*y$ is*": "<p><em>so [inline x*y] is</em></p>",
  "*so \\(x*y\\) is*": "<p><em>so [inline x*y] is</em></p>",
  "**so \\(x**y\\) and \\[a*b\\] is**": "<p><strong>so [inline x**y] and [display a*b] is</strong></p>",
  "_so \\(x_y\\) is_": "<p><em>so [inline x_y] is</em></p>",
  "*so \\\\(x* y\\\\)": "<p><em>so \\(x</em> y\\)</p>",
  "*so `\\(x` a* and \\(y*z\\)": "<p><em>so <code>\\(x</code> a</em> and [inline y*z]</p>",
  "*no \\(end*": "<p><em>no (end</em></p>",
  "\\(a_{1}\\) and \\(\\{b\\}\\)": "<p>[inline a_{1}] and [inline \\{b\\}]</p>",
  "so $$x_1$$ holds": "<p>so [display x_1] holds</p>",
  "so \\[x_1\\] holds": "<p>so [display x_1] holds</p>",
  "\\[no link\\](https://good.example)": '<p>[no link](<a href="https://good.example">https://good.example</a>)</p>',
  "$$\na\n- b\n= c\n$$": "[block a\n- b\n= c]",
  "text\n\\[\n# a\n\\]\ntext": "<p>text</p>\n[block # a]<p>text</p>",
  "$$a$$": "[block a]",
  "$$a\n\nb$$": "[source $$a]<p>b$$</p>",
  "- one\n\n  $$\n  x\n  $$": "<ul>\n<li><p>one</p>\n[block x]</li>\n</ul>",
  "| a |\n|-|\n| $x_1$ |": "<table>\n<thead>\n<tr>\n<th>a</th>\n</tr>\n</thead>\n<tbody><tr>\n<td>[inline x_1]</td>\n</tr>\n</tbody></table>",
};

for (const [text, expected] of Object.entries(TEXTS)) {
  test(`formulas in ${JSON.stringify(text)}`, () => {
    assert.equal(html(text), expected);
  });
}

test("signs of formulas without end cost work in proportion to their number", () => {
  const times = ["$", "\\(", "\\[", "$a ", "\\(a ", "$$a ", "a\n", "# a\na\n"].map((part) => {
    const text = part.repeat(100_000 / part.length);
    const begin = process.cpuUsage();
    html(text);
    return process.cpuUsage(begin).user / 1000;
  });

  // Of the processor, whatever else it does. It is a tenth; what grows with the square takes minutes.
  assert.ok(Math.max(...times) < 5000, `${times.map(Math.round)} ms`);
});
