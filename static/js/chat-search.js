// Search in titles and messages, as it is typed.

import { marked, plain } from "./hits.js";
import { createPager, newFoot } from "./paged-list.js";

const PAUSE = 250;

/** A chat as it is found, with what was looked for marked in it. */
export function foundItem({ id, title, snippet }, wanted) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.className = "found";
  link.href = `/c/${id}`;
  const name = document.createElement("span");
  name.className = "found-title";
  name.dir = "auto";
  name.append(...marked(title || "Untitled", wanted));
  link.append(name);
  if (snippet) {
    const words = document.createElement("span");
    words.className = "found-snippet";
    words.dir = "auto";
    words.append(...marked(plain(snippet, wanted), wanted));
    link.append(words);
  }
  item.append(link);
  return item;
}

/** @param {{api: object, say: (text: string) => void, show: (view: ?string) => void}} given */
export function setUpSearch({ api, say, show }) {
  const field = document.getElementById("chat-search");
  const clearer = document.getElementById("chat-search-clear");
  const view = document.getElementById("search-view");
  const list = document.getElementById("search-list");
  const foot = newFoot();
  list.after(foot);
  let wanted = "";
  let timer = null;

  const pager = createPager({
    scroller: view,
    foot,
    load: (cursor, signal) => api.list({ cursor, signal, q: wanted }),
    onPage({ chats, nextCursor }, isFirst) {
      if (isFirst) list.replaceChildren();
      list.append(...chats.map((chat) => foundItem(chat, wanted)));
      const isWhole = nextCursor === null;
      const count = list.children.length;
      view.dataset.state = count === 0 && isWhole ? "empty" : "ready";
      // A page may be empty and still not be the last one.
      if (count === 0) say(isWhole ? "Nothing found." : "");
      else say(`${count}${isWhole ? "" : " or more"} ${count === 1 ? "chat" : "chats"} found.`);
    },
  });

  function search() {
    const text = field.value.trim();
    clearer.hidden = !field.value;
    if (text === wanted) return;
    wanted = text;
    pager.stop();
    if (!text) {
      list.replaceChildren();
      say("");
      show(null);
      return;
    }
    show("search");
    view.dataset.state = "ready";
    pager.begin();
  }

  function clear() {
    clearTimeout(timer);
    field.value = "";
    search();
  }

  field.addEventListener("input", () => {
    clearTimeout(timer);
    clearer.hidden = !field.value;
    // Emptied, it is over at once.
    timer = setTimeout(search, field.value.trim() ? PAUSE : 0);
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      clearTimeout(timer);
      search();
    }
  });
  for (const element of [field, view]) {
    element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !field.value) return;
      event.preventDefault();
      // Not the drawer as well.
      event.stopPropagation();
      clear();
      field.focus();
    });
  }
  clearer.addEventListener("click", () => {
    clear();
    field.focus();
  });

  return { clear };
}
