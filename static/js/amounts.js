// Numbers of tokens and dollars for people.

/** 950, 12.3k, 4.5M. */
export function inTokens(count) {
  if (count < 1000) return String(count);
  const [size, unit] = count < 999_500 ? [1000, "k"] : [1_000_000, "M"];
  const short = count / size;
  return `${short < 99.95 ? short.toFixed(1).replace(/\.0$/, "") : Math.round(short)}${unit}`;
}

/**
 * "$1.25"; of little, "<$0.01"; of what has no price, "unpriced", which is not nothing.
 * @param {?number} cost in USD, null if it is not known
 */
export function inDollars(cost, unpricedCalls = 0) {
  if (cost === null || cost === undefined) return unpricedCalls > 0 ? "unpriced" : "$0.00";
  const more = unpricedCalls > 0 ? " + unpriced" : "";
  if (cost > 0 && cost < 0.01) return `<$0.01${more}`;
  return `$${cost.toFixed(2)}${more}`;
}
