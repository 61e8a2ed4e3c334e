// Keyboard shortcuts, and the sheet that lists them. Parts of the page are found by what they are
// called, so that each can be there or not.

import { isMac } from "./platform.js";

const press = (selector) => () => {
  const element = document.querySelector(selector);
  element?.click();
  return element !== null;
};

/**
 * `keys` as the sheet shows them ("Mod" is Ctrl, on a Mac ⌘). What has no modifier is not heard
 * while somebody types. `run` tells whether there was anything to do. Rows that do the same have the
 * same words, and stand as one in the sheet.
 */
function tableOf({ composer, isAnswering, stop }) {
  return [
    { keys: ["Mod", "Shift", "O"], what: "New chat", run: press("a.new-chat, [data-action=new-chat]") },
    { keys: ["Mod", "K"], what: "Search chats", run: searchChats },
    { keys: ["Shift", "Escape"], what: "Go to the message field", run: () => toComposer(composer) },
    { keys: ["/"], what: "Go to the message field", run: () => toComposer(composer) },
    { keys: ["Escape"], what: "Stop the answer", run: () => isAnswering() && (stop(), true) },
    { keys: ["Mod", "Shift", "C"], what: "Copy the last answer", run: copyLast },
    { keys: ["Mod", "Shift", "S"], what: "Show or hide the list of chats", run: () => pressShown("open-sidebar", "hide-sidebar", "show-sidebar") },
    { keys: ["Alt", "ArrowUp"], what: "Previous chat", run: () => toChat(-1) },
    { keys: ["Alt", "ArrowDown"], what: "Next chat", run: () => toChat(1) },
    { keys: ["?"], what: "This list", run: null },
  ];
}

/** Whether the event is these keys and no other modifier. */
function isPressed(keys, event) {
  const key = keys.at(-1);
  const needs = (name) => keys.includes(name);
  const mod = isMac ? event.metaKey : event.ctrlKey;
  const other = isMac ? event.ctrlKey : event.metaKey;
  if (mod !== needs("Mod") || other || event.altKey !== needs("Alt")) return false;
  // Where "?" and "/" are differs by keyboard: with or without Shift.
  if (key !== "?" && key !== "/" && event.shiftKey !== needs("Shift")) return false;
  return event.key.toLowerCase() === key.toLowerCase();
}

const hasModifier = (keys) => keys.some((key) => ["Mod", "Alt", "Shift"].includes(key));

function isField(element) {
  return element.isContentEditable || element.matches?.("input, textarea, select") === true;
}

const OPEN =
  "dialog[open], details:is(.account, .head-menu)[open], body.sidebar-is-open, #model-popover:not([hidden]), #prompt-panel:not([hidden]), :popover-open";

function toComposer(composer) {
  composer.focus();
  return true;
}

const isShown = (element) => element.checkVisibility({ visibilityProperty: true });

/** The button that says so, of those that are shown; whether there was one. */
function pressShown(...actions) {
  const buttons = document.querySelectorAll(actions.map((name) => `[data-action=${name}]`).join());
  const button = [...buttons].find(isShown);
  button?.click();
  return button !== undefined;
}

function searchChats() {
  const field = document.querySelector("#chat-search");
  if (!isShown(field)) pressShown("open-sidebar", "show-sidebar");
  field.focus();
  return true;
}

function toChat(step) {
  const links = [...document.querySelectorAll("#sidebar a[data-id]")];
  const at = links.findIndex((link) => link.hasAttribute("aria-current"));
  const link = links[at < 0 && step < 0 ? -1 : at + step];
  link?.click();
  return true;
}

function copyLast() {
  const answer = [...document.querySelectorAll(".message-assistant:not([hidden])")].at(-1);
  answer?.querySelector('[data-action="copy"]').click();
  return answer !== undefined;
}

const NAMES = { Mod: isMac ? "⌘" : "Ctrl", Escape: "Esc", ArrowUp: "↑", ArrowDown: "↓" };

function sheetOf(table) {
  const dialog = document.createElement("dialog");
  dialog.className = "shortcuts";
  dialog.setAttribute("aria-labelledby", "shortcuts-title");
  const head = document.createElement("h2");
  head.id = "shortcuts-title";
  head.textContent = "Keyboard shortcuts";
  const list = document.createElement("dl");
  for (const what of new Set(table.map((each) => each.what))) {
    const row = document.createElement("div");
    const term = document.createElement("dt");
    term.textContent = what;
    const value = document.createElement("dd");
    table.filter((each) => each.what === what).forEach(({ keys }, place) => {
      if (place > 0) value.append("or ");
      for (const key of keys) {
        const kbd = document.createElement("kbd");
        kbd.textContent = NAMES[key] ?? key;
        value.append(kbd, " ");
      }
    });
    row.append(term, value);
    list.append(row);
  }
  const form = document.createElement("form");
  form.method = "dialog";
  const close = document.createElement("button");
  close.className = "button";
  close.textContent = "Close";
  form.append(close);
  dialog.append(head, list, form);
  // A click beside the sheet is one on the dialog itself.
  dialog.addEventListener("click", ({ target }) => {
    if (target === dialog) dialog.close();
  });
  document.body.append(dialog);
  return dialog;
}

export function setUpShortcuts(page) {
  const table = tableOf(page);
  let sheet = null;
  let wasOpen = false;

  function show() {
    sheet ??= sheetOf(table);
    if (!sheet.open) sheet.showModal();
    return true;
  }
  table.at(-1).run = show;

  // Before anything that is open hears of an Escape and closes.
  addEventListener(
    "keydown",
    () => {
      wasOpen = document.querySelector(OPEN) !== null;
    },
    true,
  );
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || event.keyCode === 229) return;
    const found = table.find(({ keys }) => isPressed(keys, event));
    if (found === undefined || document.querySelector("dialog[open]") !== null) return;
    const { keys, run } = found;
    const isEscape = keys.length === 1 && keys[0] === "Escape";
    if (isEscape && wasOpen) return;
    const isTyping = isField(event.target) && !(isEscape && event.target.id === "composer-text");
    if (isTyping && !hasModifier(keys)) return;
    if (run()) event.preventDefault();
  });
  document.addEventListener("click", ({ target }) => {
    if (!target.closest?.("[data-action=show-shortcuts]")) return;
    document.querySelector("details.account")?.removeAttribute("open");
    show();
  });
}
