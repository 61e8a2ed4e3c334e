// Which model answers. The choice is remembered for the person in this browser.

import { createListbox, matches } from "./listbox.js";
import { loadModel, saveModel } from "./storage.js";

/** @param {() => void} onPick the person has chosen another one */
export function createModelPicker(root, onPick) {
  const button = root.querySelector("#model-button");
  // There is nothing to choose from.
  if (button === null) {
    const ref = root.dataset.ref || null;
    return { value: ref, refs: ref ? [ref] : [], open() {} };
  }

  const popover = root.querySelector("#model-popover");
  const panel = popover.querySelector("[role=dialog]");
  const search = popover.querySelector("#model-search");
  const list = popover.querySelector("#model-list");
  const none = popover.querySelector("#model-none");
  const options = [...list.querySelectorAll("[role=option]")];
  const listbox = createListbox(search, list, {
    onPick(option) {
      choose(option);
      saveModel(option.dataset.ref);
      close();
      onPick();
    },
  });
  let chosen = null;

  function choose(option) {
    chosen?.setAttribute("aria-selected", "false");
    chosen = option;
    chosen.setAttribute("aria-selected", "true");
    root.querySelector("#model-current").textContent = chosen.dataset.name;
  }

  function filter() {
    const query = search.value.trim();
    for (const option of options) {
      option.hidden = !matches(query, `${option.dataset.name} ${option.dataset.provider}`);
    }
    for (const group of list.querySelectorAll("[role=group]")) {
      group.hidden = group.querySelector("[role=option]:not([hidden])") === null;
    }
    const shown = listbox.shown();
    none.hidden = shown.length > 0;
    listbox.activate(query === "" ? chosen : shown[0]);
  }

  function open() {
    popover.hidden = false;
    button.setAttribute("aria-expanded", "true");
    search.value = "";
    // A touch keyboard would cover half of the list, unasked.
    (matchMedia("(pointer: coarse)").matches ? panel : search).focus();
    filter();
  }

  function close({ returnsFocus = true } = {}) {
    popover.hidden = true;
    button.setAttribute("aria-expanded", "false");
    if (returnsFocus) button.focus();
  }

  button.addEventListener("click", () => (popover.hidden ? open() : close()));
  popover.querySelector("#model-close").addEventListener("click", () => close());
  popover.querySelector(".model-scrim").addEventListener("click", () => close());
  search.addEventListener("input", filter);
  popover.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      close();
      event.preventDefault();
    } else if (event.target === search && !listbox.press(event) && event.key === "Enter") {
      // It would send the message.
      event.preventDefault();
    }
  });
  root.addEventListener("focusout", ({ relatedTarget }) => {
    if (relatedTarget !== null && !root.contains(relatedTarget)) close({ returnsFocus: false });
  });
  document.addEventListener("pointerdown", ({ target }) => {
    if (!popover.hidden && !root.contains(target)) close({ returnsFocus: false });
  });

  // In a new chat what the person has set comes before what this browser remembers.
  const last = root.closest("form").dataset.defaultModel ?? loadModel();
  choose(options.find((option) => option.dataset.ref === last) ?? options[0]);
  return {
    refs: options.map((option) => option.dataset.ref),
    open,
    get value() {
      return chosen.dataset.ref;
    },
  };
}
