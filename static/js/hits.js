// Where a text has what was looked for.

// What is no Markdown in all likelihood, as `2**10 # pow` or `handlers[name](event)`, stays.
const MARKUP = [
  [/!?\[([^\][]{1,200})\]\((?:https?:|mailto:|\/|#)[^()\s]{0,400}\)/g, "$1"],
  [/(^…?|\s)#{2,6} |^#(?= )/g, "$1"],
  [/(?<![\w*])\*\*(?=[^\s*])([^*]{1,200}?)(?<=\S)\*\*(?![\w*])/g, "$1"],
  [/```/g, ""],
  [/(?<!`)`([^`]{1,200})`(?!`)/g, "$1"],
];

/** The words of a line of Markdown, but for one in which its signs are what was looked for. */
export function plain(text, wanted) {
  const words = MARKUP.reduce((line, [signs, kept]) => line.replace(signs, kept), text).trim();
  const has = (each) => each.toLowerCase().includes(wanted.toLowerCase());
  return has(text) && !has(words) ? text : words;
}

/** The text in pieces: `{text, isHit}`, without regard to case. */
export function pieces(text, wanted) {
  const [folded, needle] = [text.toLowerCase(), wanted.toLowerCase()];
  // A few letters change their length with their case; where a hit is then cannot be told.
  if (!needle || folded.length !== text.length) return [{ text, isHit: false }];
  const found = [];
  let end = 0;
  for (let at = folded.indexOf(needle); at >= 0; at = folded.indexOf(needle, end)) {
    if (at > end) found.push({ text: text.slice(end, at), isHit: false });
    end = at + needle.length;
    found.push({ text: text.slice(at, end), isHit: true });
  }
  if (end < text.length || found.length === 0) found.push({ text: text.slice(end), isHit: false });
  return found;
}

/** The same as nodes, with a `mark` around each hit. */
export function marked(text, wanted) {
  return pieces(text, wanted).map(({ text: piece, isHit }) => {
    if (!isHit) return document.createTextNode(piece);
    const mark = document.createElement("mark");
    mark.textContent = piece;
    return mark;
  });
}
