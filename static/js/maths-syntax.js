// Where formulas stand in a markdown text: "$$…$$" and "\[…\]" on lines of their own, "\(…\)" and
// "$…$" within a line. An extension of marked, which knows nothing of how a formula is drawn.

import { Lexer } from "../vendor/marked/marked.esm.js";

// Longer ones are hardly formulas, and looking for their end would take long.
const LONGEST_INLINE = 2000;
// So far from its beginning a paragraph is looked through for a formula that cuts it off.
const LONGEST_LOOK = 5000;

const CLOSERS = { "$$": "$$", "\\[": "\\]", "\\(": "\\)" };

const BLOCK_START = /^ {0,3}(\$\$(?!\$)|\\\[)/;
const BLOCK_WITHIN = /\n {0,3}(?:\$\$|\\\[)/;
const INLINE_PAIR =
  /^(?:\$\$(?:\\[^]|[^\\$])+\$\$|\\\[(?:\\[^[\]]|[^\\])+?\\\](?!\()|\\\((?:\\[^()]|[^\\])+?\\\))/;
// As Pandoc reads it: no space inside of the dollars, and no digit behind them.
const INLINE_DOLLARS = /^\$(?![\s$])((?:\\[^]|[^\\$])+)\$(?![\p{L}\p{N}$])/u;
const WORDS = /(?<![\\\p{L}])\p{L}{2,}/u;
const SIGNS = /[\\^_={}<>]/;

/** A formula without its delimiters. */
export function formulaOf(source) {
  const isSingle = source[0] === "$" && source[1] !== "$";
  return (isSingle ? source.slice(1, -1) : source.slice(2, -2)).trim();
}

/**
 * What the first line says of a formula on lines of its own: its delimiter, or null. It alone
 * decides, so that what was read once stays as it is, whatever comes.
 */
function blockDelimiter(line) {
  const found = BLOCK_START.exec(line);
  if (!found) return null;
  const end = line.indexOf(CLOSERS[found[1]], found[0].length);
  const isAlone = end < 0 || line.slice(end + 2).trim() === "";
  return isAlone && end !== found[0].length ? found[1] : null;
}

const lineEnd = (text, from) => {
  const end = text.indexOf("\n", from);
  return end < 0 ? text.length : end;
};

/** The length of the formula at the beginning of `text`, and whether it has an end. */
function measureBlock(text, delimiter) {
  const begin = text.indexOf(delimiter) + 2;
  for (let at = 0; at < text.length; ) {
    const end = lineEnd(text, at);
    if (at > 0 && text.slice(at, end).trim() === "") return { length: at, isClosed: false };
    const closer = text.slice(0, end).indexOf(CLOSERS[delimiter], Math.max(at, begin));
    if (closer >= 0) {
      const rest = text.slice(closer + 2, end).trim() === "";
      return { length: rest ? Math.min(end + 1, text.length) : closer + 2, isClosed: true };
    }
    at = end + 1;
  }
  return { length: text.length, isClosed: false };
}

const block = {
  name: "mathsBlock",
  level: "block",
  /** Where in a paragraph a formula cuts it off. */
  start(text) {
    const limit = Math.min(text.length, LONGEST_LOOK);
    // Asked for each paragraph of a text, nearly always for nothing.
    if (!BLOCK_WITHIN.test(text.slice(0, limit + 8))) return undefined;
    for (let at = lineEnd(text, 0); at < limit; ) {
      const end = lineEnd(text, at + 1);
      const line = text.slice(at + 1, end);
      if (line.trim() === "") return undefined;
      if (blockDelimiter(line)) return at + 1;
      at = end;
    }
    return undefined;
  },
  tokenizer(text) {
    const delimiter = blockDelimiter(text.slice(0, lineEnd(text, 0)));
    if (!delimiter) return undefined;
    const { length, isClosed } = measureBlock(text, delimiter);
    const raw = text.slice(0, length);
    const source = raw.trim();
    return { type: "mathsBlock", raw, source, isFormula: isClosed && formulaOf(source) !== "" };
  },
};

/** Whether `text` between two dollars is no formula but prices, or words of a shell. */
const isProse = (text) => /\s$/.test(text) || (WORDS.test(text) && !SIGNS.test(text) && /\s|\d/.test(text));

const inline = {
  name: "maths",
  level: "inline",
  start: (text) => {
    const at = text.indexOf("$");
    return at < 0 ? undefined : at;
  },
  tokenizer(text) {
    if (text[0] !== "$" && text[0] !== "\\") return undefined;
    const piece = text.slice(0, LONGEST_INLINE);
    const pair = INLINE_PAIR.exec(piece);
    if (pair) {
      if (formulaOf(pair[0]) === "") return undefined;
      return { type: "maths", raw: pair[0], isDisplay: !pair[0].startsWith("\\(") };
    }
    const found = INLINE_DOLLARS.exec(piece);
    if (!found || isProse(found[1])) return undefined;
    return { type: "maths", raw: found[0], isDisplay: false };
  },
};

/** @param {{maths: (token) => string, mathsBlock: (token) => string}} draw makes HTML of a token */
export const mathsExtension = (draw) => ({
  extensions: [
    { ...block, renderer: draw.mathsBlock },
    { ...inline, renderer: draw.maths },
  ],
  tokenizer: {
    // A formula cuts off the lines of a heading that is underlined, as it does those of a paragraph.
    lheading(text) {
      const heading = this.rules.block.lheading.exec(text);
      // Nor is there one for marked.
      if (!heading) return undefined;
      return block.start(heading[0].slice(1)) === undefined ? false : undefined;
    },
  },
  // A star or underscore within a formula neither begins nor ends what is slanted around it.
  hooks: {
    emStrongMask(masked) {
      const source = toBeMasked ?? masked;
      toBeMasked = null;
      return maskFormulas(masked, source);
    },
  },
});

// The text whose mask is asked for next, which marked does not pass on.
let toBeMasked = null;

/** A lexer that keeps the text for the mask, in which "\(" is as any other escape. */
export class MathsLexer extends Lexer {
  inlineTokens(source, tokens) {
    toBeMasked = source;
    return super.inlineTokens(source, tokens);
  }
}

/** @param {string} masked what stars are looked for in: as long as `source`, without its escapes */
function maskFormulas(masked, source) {
  // Without an end none of those before it is a formula, and to look at each would take long.
  const lastEnd = { "(": source.lastIndexOf("\\)"), "[": source.lastIndexOf("\\]"), undefined: source.length };
  let result = "";
  let at = 0;
  for (const { 0: opener, index } of source.matchAll(/\$|\\[([]/g)) {
    const isOpener = masked.startsWith(opener === "$" ? "$" : "++", index);
    if (index < at || !isOpener || lastEnd[opener[1]] < index) continue;
    const token = inline.tokenizer(source.slice(index, index + LONGEST_INLINE));
    if (!token) continue;
    result += masked.slice(at, index) + "a".repeat(token.raw.length);
    at = index + token.raw.length;
  }
  return result + masked.slice(at);
}
