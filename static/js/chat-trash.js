// The trash: what was deleted, and the way back.

import { createPager, newFoot } from "./paged-list.js";

/** A chat in the trash, with the button that brings it back. */
export function deletedItem(chat, onRestore) {
  const title = chat.title || "Untitled";
  const item = document.createElement("li");
  item.className = "deleted";
  item.dataset.id = chat.id;
  const name = document.createElement("span");
  name.className = "deleted-title";
  name.dir = "auto";
  name.title = title;
  name.textContent = title;
  const template = document.getElementById("restore-button").content;
  const button = template.firstElementChild.cloneNode(true);
  button.setAttribute("aria-label", `Restore ${title}`);
  button.addEventListener("click", () => onRestore(item, button));
  item.append(name, button);
  return item;
}

/**
 * @param {{api: object, show: (view: ?string) => void, onRestored: (chat: object) => void,
 *   onFailed: (error: Error) => void, say: (text: string) => void}} given
 */
export function setUpTrash({ api, show, onRestored, onFailed, say }) {
  const opener = document.getElementById("trash-button");
  const view = document.getElementById("trash-view");
  const back = view.querySelector(".view-back");
  const list = document.getElementById("trash-list");
  const foot = newFoot();
  list.after(foot);
  let isWhole = false;
  const gone = new Set(); // restored; a page that was on its way may still have them

  const pager = createPager({
    scroller: view,
    foot,
    load: (cursor, signal) => api.list({ cursor, signal, deleted: "true" }),
    onPage({ chats, nextCursor }) {
      isWhole = nextCursor === null;
      const isNew = ({ id }) => itemOf(id) === null && !gone.has(id);
      list.append(...chats.filter(isNew).map(asItem));
      settle();
    },
  });

  const itemOf = (id) => list.querySelector(`[data-id="${id}"]`);

  function settle() {
    view.dataset.state = isWhole && list.children.length === 0 ? "empty" : "ready";
  }

  const asItem = (chat) =>
    deletedItem(chat, (item, button) => restore(chat, item, button));

  async function restore(chat, item, button) {
    if (button.ariaDisabled) return;
    // Not `disabled`, which would lose the focus.
    button.ariaDisabled = "true";
    try {
      await api.restore(chat.id);
    } catch (error) {
      button.ariaDisabled = null;
      onFailed(error);
      return;
    }
    // Unless its frame was quicker.
    if (item.isConnected) drop(item);
    say(`${chat.title || "Untitled"} is among your chats again.`);
    onRestored(chat);
  }

  function drop(item) {
    const isFocused = item.contains(document.activeElement);
    const neighbour = item.nextElementSibling ?? item.previousElementSibling;
    gone.add(item.dataset.id);
    item.remove();
    settle();
    if (isFocused) (neighbour?.querySelector("button") ?? back).focus();
  }

  function load() {
    list.replaceChildren();
    gone.clear();
    isWhole = false;
    settle();
    pager.begin();
  }

  function close() {
    if (view.hidden) return;
    pager.stop();
    show(null);
    opener.focus();
  }

  opener.addEventListener("click", () => {
    if (!view.hidden) {
      close();
      return;
    }
    show("trash");
    load();
    back.focus();
  });
  back.addEventListener("click", close);
  view.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    close();
  });

  return {
    /** One more was deleted, perhaps while the trash was being read. */
    add(chat) {
      gone.delete(chat.id);
      if (view.hidden || itemOf(chat.id) !== null) return;
      list.prepend(asItem(chat));
      settle();
    },
    /** It was restored, perhaps in another tab. */
    remove(id) {
      gone.add(id);
      const item = itemOf(id);
      if (item) drop(item);
    },
    /** What was missed is not known. */
    catchUp() {
      if (view.hidden) return;
      const hadFocus = list.contains(document.activeElement);
      load();
      if (hadFocus) back.focus();
    },
  };
}
