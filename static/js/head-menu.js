// What can be done with the chat that is shown: to take it along as a file.

export function setUpHeadMenu(conversationId) {
  const menu = document.getElementById("head-menu");
  const summary = menu.querySelector("summary");

  /** The last message on the page that is shown, which is the end of its branch. */
  const leaf = () => [...document.querySelectorAll("#thread > .message:not([hidden])")].at(-1)?.dataset.id;

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
      for (const link of menu.querySelectorAll("[data-export]")) {
        link.dataset.address = `/c/${id}/export.${link.dataset.export}`;
        link.href = link.dataset.address;
      }
    },
  };

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
