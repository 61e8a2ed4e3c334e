// How many characters a text has, as the server counts them, and what is said of a limit.

// From this share of the limit on the count is shown.
const NEAR = 0.9;

/**
 * Unicode code points; `length` counts those outside the first plane twice.
 * Cheap for all texts that are surely within the limit: these are not counted.
 */
export function charactersOf(text, limit) {
  if (text.length <= limit * NEAR) return text.length;
  let pairs = 0;
  for (let at = 0; at < text.length - 1; at += 1) {
    if (isHigh(text.charCodeAt(at)) && isLow(text.charCodeAt(at + 1))) {
      pairs += 1;
      at += 1;
    }
  }
  return text.length - pairs;
}

const isHigh = (unit) => unit >= 0xd800 && unit < 0xdc00;
const isLow = (unit) => unit >= 0xdc00 && unit < 0xe000;

const grouped = (number) => number.toLocaleString("en");

/** What to say of so many characters: a count near the limit, a fault beyond it, or nothing. */
export function standing(characters, limit) {
  const over = characters - limit;
  if (over > 0) {
    return {
      fault: `This is ${grouped(over)} ${over === 1 ? "character" : "characters"} too long. At most ${grouped(limit)} can be sent at once.`,
      count: `${grouped(characters)} / ${grouped(limit)}`,
    };
  }
  return { fault: "", count: characters > limit * NEAR ? `${grouped(characters)} / ${grouped(limit)}` : "" };
}
