// Prompts: `/` at the beginning of an empty message opens a list of them.

import { createListbox, matches } from "./listbox.js";
import { newFoot } from "./paged-list.js";

// What was loaded is good for so long; in milliseconds.
const FRESH = 60_000;
const MOST_SHOWN = 50;
const PREVIEW_LENGTH = 120;
const OWNERS = { personal: "Yours", organization: "Your organisation’s" };

/** What is looked for, or null where the text is no beginning of a prompt's name. */
export function queryOf(text) {
  return text.startsWith("/") && !text.includes("\n") && text.length <= 60 ? text.slice(1) : null;
}

/** Those to show: first those whose name begins with the query, then the others that have it. */
export function find(prompts, query) {
  const start = query.trim().toLowerCase();
  const found = prompts.filter(({ name }) => matches(start, name));
  const begins = ({ name }) => name.toLowerCase().startsWith(start);
  return [...found.filter(begins), ...found.filter((prompt) => !begins(prompt))].slice(0, MOST_SHOWN);
}

/** @param onInsert called with the text of the chosen prompt */
export function createPromptList(form, field, { onInsert }) {
  const panel = form.querySelector("#prompt-panel");
  const list = form.querySelector("#prompt-list");
  const note = form.querySelector("#prompt-note");
  const foot = newFoot();
  const skeleton = foot.querySelector(".skeleton");
  const failure = foot.querySelector(".list-failed");
  note.before(foot);
  const listbox = createListbox(field, list, {
    onPick(option) {
      const { text } = shown[option.dataset.place];
      close();
      onInsert(text);
    },
  });
  let prompts = [];
  let loadedAt = null;
  let shown = [];
  // The text at which the list was closed by hand: it stays closed until there is another.
  let closedAt = null;

  field.setAttribute("aria-controls", "prompt-list");
  field.setAttribute("aria-autocomplete", "list");

  async function load() {
    const response = await fetch(form.dataset.promptsUrl, { headers: { Accept: "application/json" } });
    if (!response.ok) throw new Error(String(response.status));
    ({ prompts } = await response.json());
    loadedAt = Date.now();
  }

  function say(message) {
    note.textContent = message;
    note.hidden = !message;
  }

  function optionOf({ name, text, scope }, place) {
    const option = document.createElement("div");
    option.className = "prompt-option";
    option.id = `prompt-option-${place}`;
    option.dataset.place = place;
    option.setAttribute("role", "option");
    option.setAttribute("aria-selected", "false");
    const parts = [
      ["prompt-name", name],
      ["prompt-owner", OWNERS[scope]],
      ["prompt-preview", text.slice(0, PREVIEW_LENGTH)],
    ];
    for (const [className, content] of parts) {
      const part = document.createElement("span");
      part.className = className;
      part.dir = "auto";
      part.textContent = content;
      option.append(part, " ");
    }
    return option;
  }

  function draw(query) {
    shown = find(prompts, query);
    list.replaceChildren(...shown.map(optionOf));
    list.hidden = shown.length === 0;
    listbox.activate(listbox.shown()[0]);
    if (shown.length > 0) say("");
    else say(prompts.length === 0 ? "There are no prompts yet." : "No prompt has this in its name.");
  }

  /** Whether they are there; the panel shows that they are awaited, or that they cannot be had. */
  async function hasLoaded() {
    failure.hidden = true;
    skeleton.hidden = loadedAt !== null;
    panel.setAttribute("aria-busy", "true");
    try {
      await load();
      return true;
    } catch {
      list.hidden = true;
      say("");
      failure.querySelector(".list-failed-text").textContent = "The prompts could not be loaded.";
      failure.hidden = false;
      return false;
    } finally {
      skeleton.hidden = true;
      panel.removeAttribute("aria-busy");
    }
  }

  async function look() {
    const query = queryOf(field.value);
    if (query === null || field.value === closedAt) {
      close();
      return;
    }
    closedAt = null;
    panel.hidden = false;
    if (loadedAt !== null && Date.now() - loadedAt < FRESH) {
      draw(query);
      return;
    }
    if (!(await hasLoaded())) return;
    const now = queryOf(field.value);
    if (now !== null && !panel.hidden) draw(now);
  }

  function close() {
    panel.hidden = true;
    list.replaceChildren();
    listbox.activate(null);
  }

  failure.querySelector("button").addEventListener("click", () => {
    field.focus();
    look();
  });
  document.addEventListener("pointerdown", ({ target }) => {
    if (panel.hidden || panel.contains(target) || target === field) return;
    closedAt = field.value;
    close();
  });

  return {
    /** After each change of the field. */
    look,
    /** Whether the key was one for the list. */
    press(event) {
      if (panel.hidden || event.isComposing) return false;
      if (event.key === "Escape") {
        closedAt = field.value;
        close();
        event.preventDefault();
        return true;
      }
      return listbox.press(event);
    },
  };
}
