// The branch of the conversation that is shown: a run of messages down to its newest one. What stands
// before the first of them is loaded as the reader comes near.

import { ask } from "./chats-api.js";
import { createPager, newFoot } from "./paged-list.js";

const LOAD_BEFORE_TOP = "1500px 0px";

/**
 * How what the server says meets what is shown. Both are the end of a branch, first to last. The
 * server's may begin before what is shown, and, as what leads to a message never changes, what is
 * shown may begin before the server's.
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

/** Place a message among its versions. */
export function placeAmong(message, siblings) {
  message.siblings = siblings;
  message.actions.place();
}

/**
 * @param list says by `data-earlier-url` where earlier messages are
 * @param {() => string} chatId
 */
export function createBranch({ thread, scroller, list, chatId }) {
  let messages = [];
  // The message that this tab showed last before it was reloaded, until its branch is there again.
  let awaited = null;

  const foot = list.parentElement.insertBefore(newFoot(), list);
  const earlier = createPager({
    scroller,
    foot,
    ahead: LOAD_BEFORE_TOP,
    async load(messageId, signal) {
      const query = new URLSearchParams({ conversationId: chatId(), messageId });
      const found = await ask(`${list.dataset.earlierUrl}?${query}`, { signal });
      if (!found) throw new Error("The messages could not be loaded.");
      return { messages: found.messages, nextCursor: leadsTo(found.messages) };
    },
    onPage(page) {
      messages.unshift(...thread.addEarlier(page.messages));
    },
  });

  /** The message to ask for what leads to it; null at the beginning of the chat. */
  const leadsTo = ([first]) => (first?.parentId ? first.id : null);

  function takeOut(place) {
    const taken = messages.splice(place);
    for (const message of taken) message.hide(true);
    return taken;
  }

  return {
    isEmpty: () => messages.length === 0 && awaited === null,
    lastId: () => messages.at(-1)?.id ?? awaited,
    /** From where on the server is to say what is stored. */
    syncId: () => awaited ?? messages.at(-1)?.id ?? null,
    find: (id) => messages.find((message) => message.id === id),
    /** The message that follows this one; null is what stands before the first. */
    following: (parentId) => messages.find((message) => message.parentId === parentId),
    /** The newest message that is none of these; undefined if another branch is awaited. */
    newestBut(some) {
      return awaited === null ? messages.findLast((message) => !some.includes(message)) : undefined;
    },
    /** Another branch comes, the one with this message. */
    wait(leaf) {
      awaited = leaf;
      // Until what comes settles the pager.
      foot.querySelector(".skeleton").hidden = false;
    },
    /** The end of a branch as it is stored. What is shown of it already stays as it is. */
    show(stored) {
      awaited = null;
      const { lead, at, same } = meet(messages, stored);
      for (const message of messages.splice(at + same)) message.remove();
      for (let index = 0; index < same; index += 1) {
        placeAmong(messages[at + index], stored[lead + index].siblings);
      }
      messages.unshift(...thread.addEarlier(stored.slice(0, lead)));
      messages.push(...thread.addStored(stored.slice(lead + same)));
      earlier.goOnFrom(leadsTo(messages));
      thread.toEnd();
    },
    add(message) {
      messages.push(message);
      return message;
    },
    drop(message) {
      message.remove();
      messages = messages.filter((each) => each !== message);
    },
    /** This message and all behind it, which are not shown for now. */
    takeOut: (message) => takeOut(messages.indexOf(message)),
    /** All behind the message with this id: they belong to another branch. */
    takeOutBehind(id) {
      const place = messages.findIndex((message) => message.id === id);
      return takeOut(place < 0 && id ? messages.length : place + 1);
    },
    putBack(taken) {
      for (const message of taken) message.hide(false);
      messages.push(...taken);
    },
  };
}
