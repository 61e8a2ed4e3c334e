// A growing markdown text, block by block: what is finished is settled, and never read again.
//
// Only the last block can still change, so each piece is read together with that block alone. Three
// kinds of blocks may grow without end and settle bit by bit: of a list and a table all but the last
// item or row, of a fenced piece of code each character. Of any other block that has become long,
// the new text is shown as it is until the block has grown by an eighth. So a text of any shape
// costs work in proportion to its length.

// Up to this length, in characters, the open block is drawn with each piece.
const DRAWN_ALWAYS = 1500;
// Beyond this reading would hold the page up; drawn once more at the end.
const LONGEST_OPEN_BLOCK = 100_000;
const LONGEST_BLOCK = 400_000;
// A line of code that may become the closing fence is held back; none is as long as this.
const LONGEST_FENCE = 1000;

const FENCE = /^( {0,3})(`{3,}|~{3,})/;
const MAY_BECOME_FENCE = /^\s*(?:`*|~*) *$/;
// Nothing that comes behind an empty line belongs to one of these.
const ENDED_BY_GAP = new Set(["paragraph", "heading", "blockquote", "table", "hr", "mathsBlock"]);
const BULLET = /^ {0,3}([*+-]|\d{1,9}[.)])/;

/**
 * @param {(text: string) => Token[] & {links: object}} lex splits markdown into its blocks
 * @param {View} view is told what to show
 *
 * @typedef {{type: string, raw: string, items?: object[], rows?: object[]}} Token
 * @typedef {object} View `continues`: the first token is more of the list or table added last
 * @property {(tokens: Token[], continues: boolean) => void} add settles blocks, behind those before
 * @property {(tokens: Token[], continues: boolean) => void} open shows what may still change; like
 *   `add`, in place of what was open until now
 * @property {(text: string) => void} openPlain the same for a text that cannot be read
 * @property {(text: string) => void} tail shows more of what is open, as it is
 * @property {(text: string) => void} type appends to the code that was added last
 * @property {() => void} finish no more will be typed into the code that was added last
 * @property {() => void} drop takes back the list that was added last
 */
export function createBlocks(lex, view) {
  let open = ""; // what is not settled yet
  let looked = 0; // so much of it was looked through for what can be settled
  let drawn = 0; // so much of it is drawn; behind that is the tail
  let growing = null; // the list or table of which the first parts are settled
  let code = null; // the fenced code that is being written
  let held = ""; // a carriage return at the end, until it is known what follows
  let isExact = true; // what is settled is what the whole text would give
  let needsWhole = false;

  /** Returns the tokens of `text`, which stands behind what is settled; null if it is too deep. */
  function read(text) {
    const head = growing?.head ?? "";
    let tokens;
    try {
      tokens = text.length > LONGEST_BLOCK ? null : lex(head + text);
    } catch {
      return null;
    }
    if (tokens === null) return null;
    // A link may be named before, or far from, the line that says where it leads.
    if (Object.keys(tokens.links).length > 0) needsWhole = true;
    if (growing === null) return tokens;
    if (tokens[0]?.type !== growing.type) {
      isExact = false;
      return null;
    }
    const first = { ...tokens[0], raw: tokens[0].raw.slice(head.length) };
    if (growing.isLoose) first.items = first.items.slice(1);
    return [first, ...tokens.slice(1)];
  }

  /** Settle what cannot change any more. Only whole lines tell: `#` may become `#tag`. */
  function settle() {
    const lines = open.slice(0, open.lastIndexOf("\n") + 1);
    if (lines.length === looked) return;
    looked = lines.length;
    const tokens = read(lines);
    if (!tokens) return;
    if (becameLoose(tokens[0])) {
      settle();
      return;
    }
    let last = tokens.length - 1;
    while (last > 0 && tokens[last].type === "space") last -= 1;
    const token = tokens[last];
    if (last < tokens.length - 1 && ENDED_BY_GAP.has(token.type)) last = tokens.length;
    if (last > 0 && !settleTokens(tokens.slice(0, last))) return;
    if (last === tokens.length) return;
    if (last > 0 && isUnsure(token)) isExact = false;
    if (token.type === "list") settleItems(token);
    else if (token.type === "table") settleRows(token);
    else if (token.type === "code" && FENCE.test(open)) beginCode(token);
  }

  function settled(raw) {
    open = open.slice(raw.length);
    looked = Math.max(0, looked - raw.length);
  }

  // What is a table or heading behind a paragraph may be a tag on its own; and a table without bars
  // may become lines of a heading that is underlined later.
  const isUnsure = ({ type }) =>
    (type !== "html" && /^ *</.test(open)) || (type === "table" && /^.*\n[^|\n]*\n/.test(open));

  function settleTokens(tokens) {
    const raw = tokens.map((token) => token.raw).join("");
    // The reader tidies some blocks; what it gives back has to be the text itself.
    if (!open.startsWith(raw)) return false;
    view.add(tokens, growing !== null);
    growing = null;
    settled(raw);
    return true;
  }

  // Blank lines between two items of a list part the paragraphs of all of them.
  function becameLoose(token) {
    if (growing?.type !== "list" || growing.isLoose || !token.loose) return false;
    view.drop();
    open = growing.settled + open;
    growing = null;
    looked = 0;
    return true;
  }

  function settleItems(list) {
    const items = list.items.slice(0, -1);
    const raw = items.map((item) => item.raw).join("");
    if (items.length === 0 || !open.startsWith(raw)) return;
    view.add([{ ...list, raw, items }], growing !== null);
    // An item that is not shown keeps the rest of a loose list loose.
    const bullet = BULLET.exec(open)[1];
    growing = {
      type: "list",
      isLoose: list.loose,
      head: list.loose ? `${bullet}    .\n\n` : "",
      settled: list.loose ? "" : (growing?.settled ?? "") + raw,
    };
    settled(raw);
  }

  function settleRows(table) {
    const rows = table.rows.slice(0, -1);
    if (rows.length === 0) return;
    const lines = open.split("\n", (growing ? 0 : 2) + rows.length).map((line) => `${line}\n`);
    const raw = lines.join("");
    view.add([{ ...table, raw, rows }], growing !== null);
    growing ??= { type: "table", head: lines[0] + lines[1] };
    settled(raw);
    // A row of spaces counts or not, by what follows.
    if (/^[ \t]+\n/.test(open)) isExact = false;
  }

  function beginCode(token) {
    const [, indent, fence] = FENCE.exec(open);
    const start = open.indexOf("\n") + 1;
    view.add([{ ...token, raw: open.slice(0, start), text: "" }], false);
    const text = open.slice(start);
    settled(open);
    code = {
      end: new RegExp(`^ {0,3}${fence[0]}{${fence.length},} *$`),
      // The reader takes the indentation of backticks off each line.
      indent: fence[0] === "`" ? indent.length : 0,
      line: "", // the beginning of a line that may become the end
      isInLine: false, // the beginning of this line is shown
    };
    typeCode(text);
  }

  const dedent = (line) => line.replace(/^\s+/, (space) => space.slice(code.indent));

  function typeCode(text) {
    const lines = (code.line + text).split("\n");
    const rest = lines.pop();
    let typed = "";
    for (const [index, line] of lines.entries()) {
      if (!code.isInLine && code.end.test(line)) {
        endCode(typed, ["", ...lines.slice(index + 1), rest].join("\n"));
        return;
      }
      typed += code.isInLine ? `${line}\n` : `${dedent(line)}\n`;
      code.isInLine = false;
    }
    code.line = "";
    if (code.isInLine) {
      typed += rest;
    } else if (rest.length <= LONGEST_FENCE && MAY_BECOME_FENCE.test(rest)) {
      code.line = rest;
    } else {
      if (MAY_BECOME_FENCE.test(rest)) isExact = false;
      typed += dedent(rest);
      code.isInLine = true;
    }
    if (typed) view.type(typed);
  }

  function endCode(typed, rest) {
    if (typed) view.type(typed);
    view.finish();
    code = null;
    open = rest;
    draw();
  }

  /** The last line of code, which has no line end. */
  function finishCode() {
    if (code.isInLine) view.type("\n");
    else if (code.line && !code.end.test(code.line)) view.type(`${dedent(code.line)}\n`);
    view.finish();
    code = null;
  }

  function draw() {
    settle();
    if (code) return;
    const tokens = read(open);
    if (tokens) view.open(tokens, growing !== null);
    else view.openPlain(open);
    drawn = open.length;
  }

  const isDue = () =>
    open.length <= DRAWN_ALWAYS || (open.length <= LONGEST_OPEN_BLOCK && open.length * 8 >= drawn * 9);

  function finishOpen() {
    settle();
    if (code) return;
    let tokens = read(open);
    if (tokens && becameLoose(tokens[0])) tokens = read(open);
    if (tokens) view.add(tokens, growing !== null);
    else view.openPlain(open);
  }

  return {
    append(text) {
      const piece = (held + text).replace(/\r\n|\r(?!$)/g, "\n");
      held = piece.endsWith("\r") ? "\r" : "";
      const added = held ? piece.slice(0, -1) : piece;
      if (code) {
        typeCode(added);
        return;
      }
      open += added;
      if (isDue()) draw();
      else view.tail(added);
    },
    /** No more will come. Returns whether the text has to be drawn again as a whole. */
    end() {
      if (held) this.append("\n");
      if (!code) finishOpen();
      if (code) finishCode();
      return needsWhole || !isExact;
    },
  };
}
