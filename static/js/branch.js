// How what the server says of a branch meets what is shown of it.

/**
 * Both are the end of a branch, first to last. The server's may begin before what is shown, and,
 * as what leads to a message never changes, what is shown may begin before the server's.
 *
 * @param {{id: string}[]} shown
 * @param {{id: string, parentId: string | null}[]} stored
 * @returns {{lead: number, at: number, same: number}} so many of `stored` come before what is
 *   shown; from the place `at` so many shown ones are those that follow in `stored`, and stay, as
 *   do those before; all behind them is another branch, or new
 */
export function meet(shown, stored) {
  const place = (id) => shown.findIndex((message) => message.id === id);
  let lead = 0;
  let at = 0;
  if (stored.length > 0 && shown.length > 0) {
    at = place(stored[0].id);
    if (at < 0) at = place(stored[0].parentId) + 1;
    if (at === 0) lead = Math.max(0, stored.findIndex(({ id }) => id === shown[0].id));
  }
  let same = 0;
  while (stored[lead + same] && stored[lead + same].id === shown[at + same]?.id) same += 1;
  return { lead: same > 0 ? lead : 0, at, same };
}
