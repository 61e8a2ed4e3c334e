// The list of chats; on a phone it is a drawer.

export function setUpSidebar() {
  const opener = document.querySelector("[data-action=open-sidebar]");
  const closer = document.querySelector(".sidebar [data-action=close-sidebar]");
  const list = document.getElementById("chat-list");
  const main = document.querySelector("main");
  const account = document.querySelector(".account");

  function toggle(isOpen) {
    if (document.body.classList.contains("sidebar-is-open") === isOpen) return;
    document.body.classList.toggle("sidebar-is-open", isOpen);
    opener.setAttribute("aria-expanded", String(isOpen));
    main.inert = isOpen;
    (isOpen ? closer : opener).focus();
  }

  opener.addEventListener("click", () => toggle(true));
  for (const element of document.querySelectorAll("[data-action=close-sidebar]")) {
    element.addEventListener("click", () => toggle(false));
  }
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    toggle(false);
    if (!account.open) return;
    account.open = false;
    account.querySelector("summary").focus();
  });

  // The menu of the account closes as menus do.
  document.addEventListener("click", ({ target }) => {
    if (account.open && !account.contains(target)) account.open = false;
  });

  return {
    has: (id) => list.querySelector(`a[data-id="${id}"]`) !== null,
    /** Put a chat at the top of the list, perhaps as the one that is shown. */
    raise(id, title, { isCurrent }) {
      let link = list.querySelector(`a[data-id="${id}"]`);
      if (link === null) {
        link = document.createElement("a");
        link.dataset.id = id;
        link.href = `/c/${id}`;
        link.dir = "auto";
      }
      link.textContent = title || "Untitled";
      if (isCurrent) {
        for (const other of list.querySelectorAll("[aria-current]")) {
          other.removeAttribute("aria-current");
        }
        link.setAttribute("aria-current", "page");
      }
      const item = link.closest("li") ?? document.createElement("li");
      item.append(link);
      list.prepend(item);
    },
  };
}
