// The menu of one chat in the list: opened by its button, gone through with the arrow keys.

const GAP = 4;

/** @param {Record<string, (id: string) => void>} actions by the `data-do` of the menu's items */
export function createChatMenu(actions) {
  const menu = document.getElementById("chat-menu");
  const items = [...menu.querySelectorAll("[role=menuitem]")];
  let opener = null;
  let chatId = null;
  let isPressedAgain = false;

  function place() {
    const { left, top, bottom } = opener.getBoundingClientRect();
    const { width, height } = menu.getBoundingClientRect();
    const fitsBelow = bottom + GAP + height <= innerHeight;
    menu.style.left = `${Math.max(GAP, Math.min(left, innerWidth - width - GAP))}px`;
    menu.style.top = `${fitsBelow ? bottom + GAP : Math.max(GAP, top - GAP - height)}px`;
  }

  function close() {
    if (!menu.matches(":popover-open")) return;
    menu.hidePopover();
    opener.focus();
  }

  menu.addEventListener("beforetoggle", ({ newState }) => {
    opener.setAttribute("aria-expanded", String(newState === "open"));
  });
  menu.addEventListener("keydown", (event) => {
    const place = items.indexOf(document.activeElement);
    const next = {
      ArrowDown: items[(place + 1) % items.length],
      ArrowUp: items.at(place - 1),
      Home: items[0],
      End: items.at(-1),
    }[event.key];
    if (next) next.focus();
    else if (event.key === "Escape" || event.key === "Tab") close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  for (const item of items) {
    item.addEventListener("click", () => {
      close();
      actions[item.dataset.do](chatId);
    });
  }
  // A press on its own button closes the menu, as any beside it does, before it is a click.
  document.addEventListener(
    "pointerdown",
    ({ target }) => {
      isPressedAgain = menu.matches(":popover-open") && opener.contains(target);
    },
    true,
  );
  // It would stand beside another chat.
  document.querySelector("#chats-view").addEventListener("scroll", () => close(), { passive: true });

  return {
    toggle(button, id) {
      const isToClose = isPressedAgain && opener === button;
      isPressedAgain = false;
      if (isToClose) return;
      opener = button;
      chatId = id;
      menu.showPopover();
      place();
      items[0].focus();
    },
  };
}
