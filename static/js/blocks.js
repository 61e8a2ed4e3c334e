// A growing markdown text as a list of blocks, of which only the last can still change.
//
// While an answer streams in, each piece is read together with the unfinished block alone; what
// stands before it is settled. So an answer of many blocks costs time in proportion to its length
// (but one endless block, such as a very long piece of code, is read whole with each piece).

/**
 * @param {(text: string) => {type: string, raw: string}[]} lex splits markdown into its blocks
 */
export function createBlocks(lex) {
  let open = "";

  return {
    /** Take more text. Returns the blocks that are settled now, and the text that is still open. */
    append(text) {
      open = (open + text).replace(/\r\n|\r(?!$)/g, "\n");
      let tokens = [];
      try {
        tokens = lex(open);
      } catch {
        // Too deep to be read; it stays open.
      }
      let last = tokens.length - 1;
      while (last > 0 && tokens[last].type === "space") last -= 1;
      const settled = tokens.slice(0, Math.max(0, last)).map((token) => token.raw);
      const length = settled.reduce((sum, raw) => sum + raw.length, 0);
      // The reader trims some blocks; what it gives back has to be the text itself.
      if (!open.startsWith(settled.join(""))) return { settled: [], open };
      open = open.slice(length);
      return { settled, open };
    },
  };
}
