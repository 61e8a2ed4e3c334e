// The sidebar: the list of chats and what can be done with them, search, trash, and the account.

import { createChatsApi } from "./chats-api.js";
import { createChatList } from "./chat-list.js";
import { createChatMenu } from "./chat-menu.js";
import { editName } from "./chat-rename.js";
import { setUpSearch } from "./chat-search.js";
import { setUpTrash } from "./chat-trash.js";
import { setUpFrame } from "./sidebar-frame.js";
import { saveErrand, takeErrand } from "./storage.js";
import { setUpToasts, toast } from "./toasts.js";

/**
 * @param {{page: object, currentId: () => ?string,
 *   onRenamed: (id: string, title: string) => void}} given `page`: the list as the page has it
 */
export function setUpSidebar({ page, currentId, onRenamed }) {
  const sidebar = document.getElementById("sidebar");
  const status = document.getElementById("sidebar-status");
  const newChat = sidebar.querySelector(".new-chat");
  const api = createChatsApi({
    chats: sidebar.dataset.chatsUrl,
    restore: sidebar.dataset.restoreUrl,
    running: sidebar.dataset.runningUrl,
  });
  const frame = setUpFrame();
  const say = (text) => {
    status.textContent = text;
  };
  const deletedHere = new Set(); // what this tab has deleted is no news to it
  let wasReady = false;
  setUpToasts();
  setUpAccount();
  setUpArrows(sidebar);

  // --- One list at a time -------------------------------------------------------------------
  /** @param {?string} name "search", "trash", or null for the chats */
  function show(name) {
    if (name === "trash") search.clear();
    for (const view of sidebar.querySelectorAll(".side-view")) {
      view.hidden = view.id !== `${name ?? "chats"}-view`;
    }
    document.getElementById("trash-button").setAttribute("aria-expanded", String(name === "trash"));
    if (name !== null) frame.openSection("chats");
  }
  const search = setUpSearch({ api, say, show });
  const trash = setUpTrash({ api, say, show, onRestored: (chat) => list.change(chat), onFailed: tell });

  // --- What can be done with a chat ---------------------------------------------------------
  function tell(error) {
    toast(error.message);
  }

  function rename(id) {
    const { link, title } = list.get(id);
    editName(link, title, async (wanted, { isByKey }) => {
      if (isByKey) link.focus();
      if (wanted === null) return;
      setTitle(id, wanted);
      try {
        await api.rename(id, wanted);
      } catch (error) {
        setTitle(id, title);
        toast(`The chat keeps its name. ${error.message}`);
      }
    });
  }

  function setTitle(id, title) {
    list.rename(id, title);
    onRenamed(id, title);
  }

  async function remove(id) {
    const { title, updatedAt } = list.get(id);
    const chat = { id, title, updatedAt };
    deletedHere.add(id);
    (list.remove(id) ?? newChat).focus();
    try {
      await api.remove(id);
    } catch (error) {
      deletedHere.delete(id);
      list.change(chat);
      toast(`The chat is not deleted. ${error.message}`);
      return;
    }
    if (id === currentId()) {
      // The page of a new chat says so.
      saveErrand({ deleted: chat });
      location.assign(newChat.href);
    } else {
      trash.add(chat);
      offerToUndo(chat);
    }
  }

  function offerToUndo(chat, { wasShown = false } = {}) {
    toast("Moved to the trash.", { label: "Undo", press: () => undo(chat, wasShown) });
  }

  async function undo(chat, wasShown) {
    try {
      await api.restore(chat.id);
    } catch (error) {
      toast(error.message, { label: "Try again", press: () => undo(chat, wasShown) });
      return;
    }
    deletedHere.delete(chat.id);
    if (wasShown) {
      location.assign(`/c/${chat.id}`);
      return;
    }
    trash.remove(chat.id);
    list.change(chat);
    list.get(chat.id).link.focus();
  }

  const menu = createChatMenu({ rename, delete: remove });
  const list = createChatList({
    api,
    page,
    currentId: currentId(),
    onMenu: menu.toggle,
    onRename(id, { isOpening }) {
      // The first press of two is on its way to that chat, and its page does it.
      if (isOpening) saveErrand({ rename: id });
      else rename(id);
    },
  });

  /** What the page before has left to do. */
  function goOn() {
    const errand = takeErrand();
    if (errand?.deleted) offerToUndo(errand.deleted, { wasShown: true });
    const id = errand?.rename;
    if (id && list.isCurrent(id) && list.has(id)) rename(id);
  }
  // Once the rest of the page is set up, which takes the focus.
  queueMicrotask(goOn);

  return {
    has: list.has,
    raise: list.raise,
    began: list.began,
    ended: list.ended,
    /** A frame `changed`: another tab, or a program, has renamed, deleted or restored a chat. */
    changed({ conversationId: id, title, updatedAt, isDeleted }) {
      if (!isDeleted) {
        list.change({ id, title, updatedAt: Date.parse(updatedAt) });
        trash.remove(id);
        onRenamed(id, title);
        return;
      }
      const chat = { id, title, updatedAt: Date.parse(updatedAt) };
      const hadFocus = list.get(id)?.item.contains(document.activeElement);
      const next = list.remove(id);
      if (hadFocus) (next ?? newChat).focus();
      trash.add(chat);
      if (id === currentId() && !deletedHere.has(id)) {
        toast("This chat was moved to the trash.", { label: "Undo", press: () => undo(chat, false) });
      }
    },
    /** The socket is open: what was missed while it was not? */
    async ready() {
      const hasMissed = wasReady;
      wasReady = true;
      try {
        if (hasMissed || list.isMarked) list.runs(await api.running());
        if (hasMissed) {
          trash.catchUp();
          await list.catchUp();
        }
      } catch {
        // The list stays as it is; the next news corrects it.
      }
    },
  };
}

/** Up and down go from the search field through what is listed, past the menus. */
function setUpArrows(sidebar) {
  const field = document.getElementById("chat-search");
  sidebar.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || event.isComposing) return;
    const places = [field, ...sidebar.querySelectorAll(".side-view:not([hidden]) ol a")];
    const place = places.indexOf(event.target);
    if (place < 0 || !places[place + step]) return;
    event.preventDefault();
    places[place + step].focus();
  });
}

/** The menu of the account closes as menus do. */
function setUpAccount() {
  const account = document.querySelector(".account");
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !account.open) return;
    account.open = false;
    account.querySelector("summary").focus();
  });
  document.addEventListener("click", ({ target }) => {
    if (account.open && !account.contains(target)) account.open = false;
  });
}
