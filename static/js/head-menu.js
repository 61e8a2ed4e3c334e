// What can be done with the chat that is shown: to share it, and to take it along as a file.

import { setUpShare } from "./share.js";

/** @param {() => string | undefined} leaf the last message that is shown and saved: the end of its branch */
export function setUpHeadMenu(conversationId, leaf) {
  const menu = document.getElementById("head-menu");
  const summary = menu.querySelector("summary");

  const share = setUpShare({ leaf });
  let chatId = null;

  function close() {
    menu.open = false;
  }

  document.addEventListener("click", ({ target }) => {
    if (!menu.contains(target)) close();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    close();
    summary.focus();
  });

  const api = {
    /** The chat has an id, so there is something to take along. */
    show(id) {
      menu.hidden = false;
      chatId = id;
      for (const link of menu.querySelectorAll("[data-export]")) {
        link.dataset.address = `/c/${id}/export.${link.dataset.export}`;
        link.href = link.dataset.address;
      }
    },
  };

  menu.querySelector("[data-action=share]")?.addEventListener("click", () => {
    close();
    // Where the focus goes back to when the dialog closes.
    summary.focus();
    share.open(chatId);
  });
  for (const link of menu.querySelectorAll("[data-export]")) {
    link.addEventListener("click", () => {
      const id = leaf();
      link.href = id ? `${link.dataset.address}?leaf=${encodeURIComponent(id)}` : link.dataset.address;
      close();
      summary.focus();
    });
  }
  if (conversationId !== null) api.show(conversationId);
  return api;
}
