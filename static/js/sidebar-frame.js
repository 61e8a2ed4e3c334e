// How the sidebar stands on the page: its sections open and close, all of it folds away on a wide
// screen, and on a narrow one it is a drawer.

import { loadClosed, saveClosed } from "./storage.js";

const NARROW = "(max-width: 48rem)";
const SIDEBAR = "sidebar";

export function setUpFrame() {
  const sidebar = document.getElementById("sidebar");
  const narrow = matchMedia(NARROW);
  const root = document.documentElement;
  const closed = new Set(loadClosed());

  // The style sheet goes by the names of what is closed; closed-parts.js has set them already.
  function show() {
    root.dataset.closed = [...closed].join(" ");
    for (const button of document.querySelectorAll("[data-opens]")) {
      button.setAttribute("aria-expanded", String(!closed.has(button.dataset.opens)));
    }
  }

  function open(name, isOpen) {
    if (closed.has(name) !== isOpen) return;
    if (isOpen) closed.delete(name);
    else closed.add(name);
    saveClosed([...closed]);
    show();
  }

  for (const button of sidebar.querySelectorAll(".section-button")) {
    button.addEventListener("click", () => {
      open(button.dataset.opens, closed.has(button.dataset.opens));
    });
  }
  show();

  // --- Folding away on a wide screen --------------------------------------------------------
  const hider = sidebar.querySelector("[data-action=hide-sidebar]");
  const shower = document.querySelector("[data-action=show-sidebar]");
  hider.addEventListener("click", () => {
    open(SIDEBAR, false);
    shower.focus();
  });
  shower.addEventListener("click", () => {
    open(SIDEBAR, true);
    hider.focus();
  });

  // --- The drawer on a narrow one -----------------------------------------------------------
  const opener = document.querySelector("[data-action=open-sidebar]");
  const closer = sidebar.querySelector("[data-action=close-sidebar]");
  const behind = document.querySelectorAll("main, .skip-link");

  function slide(isOpen) {
    if (document.body.classList.contains("sidebar-is-open") === isOpen) return;
    document.body.classList.toggle("sidebar-is-open", isOpen);
    opener.setAttribute("aria-expanded", String(isOpen));
    for (const element of behind) element.inert = isOpen;
    (isOpen ? closer : opener).focus();
  }

  opener.addEventListener("click", () => slide(true));
  for (const element of document.querySelectorAll("[data-action=close-sidebar]")) {
    element.addEventListener("click", () => slide(false));
  }
  narrow.addEventListener("change", () => slide(false));
  document.addEventListener("keydown", (event) => {
    // A menu that is open closes by itself, and nothing else with it.
    if (event.key === "Escape" && !document.querySelector(":popover-open, .account[open]")) slide(false);
  });

  return {
    /** Make sure that a section can be seen. */
    openSection: (name) => open(name, true),
  };
}
