// Code in an answer: its frame with the language, a button to copy and one to wrap long lines, and
// its colours. The library that finds those is loaded with the first code in a language it knows.

import { copyText, COPY_YOURSELF } from "./clipboard.js";
import { canColour, languageName } from "./languages.js";
import { loadsWrapped, saveWrapped } from "./storage.js";

// Longer code stays plain: a browser is slow with tens of thousands of coloured words.
const LONGEST_COLOURED = 50_000;
const COPIED_FOR = 2000;
// Code is coloured when it is about to be seen: a long chat has hundreds of blocks.
const AHEAD = "600px";

const POLICY = { ALLOWED_TAGS: ["span"], ALLOWED_ATTR: ["class"], RETURN_DOM_FRAGMENT: true };

let isWrapped = null; // not asked yet
let highlighter = null;
let observer = null;

const languageOf = (code) => /(?:^| )language-(\S+)/.exec(code.className)?.[1] ?? "";

function button(action, label) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = "code-button";
  element.dataset.action = action;
  element.textContent = label;
  return element;
}

function showWrap() {
  isWrapped ??= loadsWrapped();
  document.documentElement.classList.toggle("wraps-code", isWrapped);
}

/** Put a frame with a head around each piece of code in `content`. */
export function frameCode(content) {
  for (const pre of content.querySelectorAll("pre")) {
    if (isWrapped === null) listen();
    const name = languageName(languageOf(pre.firstElementChild ?? pre));
    const frame = document.createElement("div");
    frame.className = "code";
    frame.dir = "ltr";
    const language = document.createElement("span");
    language.className = "code-language";
    language.textContent = name;
    const wrap = button("wrap-code", "Wrap");
    wrap.setAttribute("aria-pressed", String(isWrapped));
    wrap.title = "Wrap long lines";
    const head = document.createElement("div");
    head.className = "code-head";
    head.append(language, wrap, button("copy-code", "Copy"));
    pre.tabIndex = 0;
    pre.setAttribute("role", "region");
    pre.setAttribute("aria-label", `Code: ${name}`);
    pre.replaceWith(frame);
    frame.append(head, pre);
  }
}

// One listener for all: code that is being written may be drawn anew between two clicks.
function listen() {
  showWrap();
  document.addEventListener("click", ({ target }) => {
    const pressed = target.closest?.(".code-button");
    if (pressed?.dataset.action === "copy-code") copy(pressed);
    else if (pressed?.dataset.action === "wrap-code") toggleWrap(pressed);
  });
  // It may have been away while another button was pressed.
  document.addEventListener("page-back", ({ target }) => showPressed(target));
}

async function copy(pressed) {
  const code = pressed.closest(".code").querySelector("pre");
  // A line end behind the last line would run it in a terminal.
  const isCopied = await copyText(code.textContent.replace(/\n$/, ""));
  if (!isCopied) getSelection().selectAllChildren(code);
  pressed.textContent = isCopied ? "Copied" : COPY_YOURSELF;
  announce(isCopied ? "Copied" : "The code is selected. Copy it with the keyboard.");
  setTimeout(() => {
    pressed.textContent = "Copy";
  }, COPIED_FOR);
}

function announce(text) {
  const announcer = document.getElementById("announcer");
  if (!announcer) return;
  // The same words once more are news only if they were gone in between.
  announcer.textContent = "";
  setTimeout(() => {
    announcer.textContent = text;
  }, 50);
}

function showPressed(within) {
  for (const each of within.querySelectorAll("[data-action=wrap-code]")) {
    each.setAttribute("aria-pressed", String(isWrapped));
  }
}

function toggleWrap(pressed) {
  const before = pressed.getBoundingClientRect().top;
  isWrapped = !isWrapped;
  saveWrapped(isWrapped);
  showWrap();
  showPressed(document);
  // Code above has become longer or shorter as well; the button stays under the pointer.
  const scroller = pressed.closest(".thread-scroll");
  if (scroller) scroller.scrollTop += pressed.getBoundingClientRect().top - before;
}

/** Colour what is finished of the code in `nodes`, when it is about to be seen. */
export function colourCode(nodes) {
  for (const node of nodes) {
    for (const code of node.querySelectorAll?.("pre > code") ?? []) {
      const length = code.textContent.length;
      if (length === 0 || length > LONGEST_COLOURED || !canColour(languageOf(code))) continue;
      observer ??= new IntersectionObserver(seen, { rootMargin: AHEAD });
      observer.observe(code);
    }
  }
}

function seen(entries) {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    observer.unobserve(target);
    colour(target);
  }
}

async function colour(code) {
  try {
    highlighter ??= import("../vendor/highlight/highlight.min.js");
    const { default: library } = await highlighter;
    const text = code.textContent;
    const language = languageOf(code).toLowerCase();
    const { value } = library.highlight(text, { language, ignoreIllegals: true });
    const coloured = window.DOMPurify.sanitize(value, POLICY);
    // Colours must not change a character.
    if (coloured.textContent === text) code.replaceChildren(coloured);
  } catch {
    // Plain code is code as well; the next one asks for the library anew.
    highlighter = null;
  }
}
