// Chats in groups by when they were last written to, on the calendar of whoever looks.

const OPEN = "Open chat";
const DAY = 24 * 60 * 60 * 1000;

const midnightOf = (moment) =>
  new Date(moment.getFullYear(), moment.getMonth(), moment.getDate()).getTime();

/** "Today", "Yesterday", "Previous 7 days", "Previous 30 days", "May", "May 2025". */
export function groupOf(moment, now) {
  // Days are not all of 24 hours: twice a year the clock is changed.
  const days = Math.round((midnightOf(now) - midnightOf(moment)) / DAY);
  // A server whose clock is ahead has chats of tomorrow.
  if (days <= 0) return "Today";
  if (days === 1) return "Yesterday";
  if (days <= 7) return "Previous 7 days";
  if (days <= 30) return "Previous 30 days";
  const isThisYear = moment.getFullYear() === now.getFullYear();
  return moment.toLocaleDateString("en", {
    month: "long",
    ...(isThisYear ? {} : { year: "numeric" }),
  });
}

/**
 * @param {{updatedAt: number}[]} chats in any order; `updatedAt` in milliseconds
 * @returns {{label: string, chats: object[]}[]} the newest first
 */
export function grouped(chats, now) {
  const groups = [];
  for (const chat of [...chats].sort((one, other) => other.updatedAt - one.updatedAt)) {
    const label = groupOf(new Date(chat.updatedAt), now);
    if (groups.at(-1)?.label !== label) groups.push({ label, chats: [] });
    groups.at(-1).chats.push(chat);
  }
  return groups;
}

/**
 * As `grouped`, with the chat that is shown in front, while its place in the list is not loaded.
 * @param {{currentId: ?string, reach: number}} given `reach`: the list is loaded back to here
 */
export function groupedWithOpen(chats, now, { currentId, reach }) {
  const isApart = ({ id, updatedAt }) => id === currentId && updatedAt < reach;
  const apart = [...chats].filter(isApart);
  const groups = grouped([...chats].filter((chat) => !isApart(chat)), now);
  return apart.length > 0 ? [{ label: OPEN, chats: apart }, ...groups] : groups;
}

/** Milliseconds until another day is today. */
export function untilMidnight(now) {
  return new Date(now.getFullYear(), now.getMonth(), now.getDate() + 1).getTime() - now.getTime();
}
