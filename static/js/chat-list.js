// The list of chats: in groups by day, page after page, with what runs marked.

import { groupedWithOpen, untilMidnight } from "./chat-groups.js";
import { createPager, newFoot } from "./paged-list.js";

const titleOf = ({ title }) => title || "Untitled";

/**
 * @param {{api: object, page: {nextCursor: ?string, oldest: ?string, running: object[]}, currentId: ?string,
 *   onMenu: (button: HTMLElement, id: string) => void, onRename: (id: string, how: {isOpening: boolean}) => void}} given
 */
export function createChatList({ api, page, currentId, onMenu, onRename }) {
  const scroller = document.getElementById("chats-view");
  const container = document.getElementById("chat-list");
  const parts = document.getElementById("chat-item-parts").content;
  const chats = new Map(); // by id: {id, title, updatedAt, item, link, mark, button}
  const running = new Map(page.running.map((each) => [each.generationId, each.conversationId]));
  const gone = new Set(); // in the trash; a page that was on its way may still have them
  let isWhole = page.nextCursor === null;
  let reach = isWhole ? -Infinity : Date.parse(page.oldest); // the list is loaded back to here

  function take(item, chat) {
    const dressing = parts.cloneNode(true);
    const entry = {
      ...chat,
      item,
      link: item.querySelector("a"),
      mark: dressing.querySelector(".chat-mark"),
      button: dressing.querySelector(".chat-menu-button"),
    };
    entry.button.addEventListener("click", () => onMenu(entry.button, chat.id));
    item.append(dressing);
    chats.set(chat.id, entry);
    name(entry);
    return entry;
  }

  function make(chat) {
    const item = document.createElement("li");
    item.className = "chat-item";
    const link = document.createElement("a");
    link.className = "chat-link";
    link.dir = "auto";
    link.dataset.id = chat.id;
    link.href = `/c/${chat.id}`;
    item.append(link);
    return take(item, chat);
  }

  function name(entry) {
    entry.link.textContent = titleOf(entry);
    entry.link.title = titleOf(entry);
    entry.button.setAttribute("aria-label", `Actions for ${titleOf(entry)}`);
    entry.mark.hidden = ![...running.values()].includes(entry.id);
    if (entry.id === currentId) entry.link.setAttribute("aria-current", "page");
    else entry.link.removeAttribute("aria-current");
  }

  /** Put chats into the list, or anew where they are there. */
  function put(given) {
    for (const { id, title, updatedAt } of given) {
      if (gone.has(id)) continue;
      const entry = chats.get(id) ?? make({ id, title, updatedAt });
      Object.assign(entry, { title, updatedAt: Math.max(updatedAt, entry.updatedAt) });
      name(entry);
    }
  }

  function drop(id) {
    chats.get(id)?.item.remove();
    chats.delete(id);
  }

  // --- Drawing ------------------------------------------------------------------------------
  const sections = new Map(); // by label

  function sectionOf(label) {
    if (!sections.has(label)) {
      const section = document.createElement("section");
      const title = document.createElement("h3");
      title.className = "chat-group";
      title.textContent = label;
      section.append(title, document.createElement("ol"));
      sections.set(label, section);
    }
    return sections.get(label);
  }

  /** Move only what stands in the wrong place: what has the focus keeps it where it can. */
  function arrange(parent, children) {
    children.forEach((child, place) => {
      if (parent.children[place] !== child) parent.insertBefore(child, parent.children[place] ?? null);
    });
    while (parent.children.length > children.length) parent.lastElementChild.remove();
  }

  function draw() {
    const focused = container.contains(document.activeElement) ? document.activeElement : null;
    const groups = groupedWithOpen([...chats.values()], new Date(), { currentId, reach });
    for (const group of groups) {
      arrange(sectionOf(group.label).querySelector("ol"), group.chats.map(({ item }) => item));
    }
    arrange(container, groups.map(({ label }) => sectionOf(label)));
    scroller.dataset.state = chats.size === 0 && isWhole ? "empty" : "ready";
    if (focused && focused !== document.activeElement) focused.focus();
  }

  function drawAtMidnight() {
    setTimeout(() => {
      draw();
      drawAtMidnight();
    }, untilMidnight(new Date()) + 1000);
  }

  // --- What is there at first, and what comes -----------------------------------------------
  for (const item of container.querySelectorAll(".chat-item")) {
    const { id, updated } = item.querySelector("a").dataset;
    const title = item.textContent.trim();
    take(item, { id, title, updatedAt: Date.parse(updated) });
  }
  const foot = newFoot();
  container.after(foot);
  draw();
  drawAtMidnight();
  // A tab in the background and a closed laptop skip timers.
  document.addEventListener("visibilitychange", () => document.hidden || draw());
  chats.get(currentId)?.item.scrollIntoView({ block: "nearest" });

  const pager = createPager({
    scroller,
    foot,
    load: (cursor, signal) => api.list({ cursor, signal }),
    onPage(given) {
      isWhole = given.nextCursor === null;
      reach = isWhole ? -Infinity : given.chats.at(-1).updatedAt;
      put(given.chats);
      draw();
    },
  });
  pager.goOnFrom(page.nextCursor);

  // --- Keys and presses ---------------------------------------------------------------------
  container.addEventListener("keydown", (event) => {
    const { id } = event.target.dataset;
    if (!id || event.key !== "F2") return;
    event.preventDefault();
    onRename(id, { isOpening: false });
  });
  container.addEventListener("click", (event) => {
    const { id } = event.target.dataset;
    if (!id || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    // The chat that is shown is not loaded anew, so a second press finds it still here.
    if (id === currentId) event.preventDefault();
    if (event.detail === 2) onRename(id, { isOpening: id !== currentId });
  });

  return {
    has: (id) => chats.has(id),
    get: (id) => chats.get(id) ?? null,
    isCurrent: (id) => id === currentId,
    /** Put a chat at the top of the list, perhaps as the one that is shown. */
    raise(id, title, { isCurrent }) {
      const newest = Math.max(0, ...[...chats.values()].map(({ updatedAt }) => updatedAt));
      const earlier = chats.get(currentId);
      if (isCurrent) currentId = id;
      gone.delete(id);
      put([{ id, title, updatedAt: Math.max(Date.now(), newest + 1) }]);
      if (earlier) name(earlier);
      draw();
    },
    /** What the server says of a chat. */
    change(chat) {
      gone.delete(chat.id);
      put([chat]);
      draw();
    },
    rename(id, title) {
      Object.assign(chats.get(id), { title });
      name(chats.get(id));
    },
    /** Take a chat out. The element that stands in its place, to which the focus may go. */
    remove(id) {
      const links = [...container.querySelectorAll("a")];
      const place = links.indexOf(chats.get(id)?.link);
      gone.add(id);
      drop(id);
      draw();
      return place < 0 ? null : (links[place + 1] ?? links[place - 1] ?? null);
    },
    /** The newest chats as the server has them now: some may be gone, some new. */
    async catchUp() {
      const { chats: newest, nextCursor } = await api.list({});
      const listed = new Set(newest.map(({ id }) => id));
      const oldest = nextCursor === null ? -Infinity : newest.at(-1).updatedAt;
      for (const { id, updatedAt } of [...chats.values()]) {
        if (updatedAt > oldest && !listed.has(id)) drop(id);
      }
      put(newest);
      draw();
    },

    // --- What runs --------------------------------------------------------------------------
    get isMarked() {
      return running.size > 0;
    },
    began(id, generationId) {
      running.set(generationId, id);
      if (chats.has(id)) name(chats.get(id));
    },
    ended(generationId) {
      const id = running.get(generationId);
      running.delete(generationId);
      if (chats.has(id)) name(chats.get(id));
    },
    runs(given) {
      running.clear();
      for (const { conversationId, generationId } of given) running.set(generationId, conversationId);
      for (const entry of chats.values()) name(entry);
    },
  };
}
