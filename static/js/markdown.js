// Markdown that a model wrote, as HTML that can do no harm.

import { Marked } from "../vendor/marked/marked.esm.js";
import { createBlocks } from "./blocks.js";
import { colourCode, frameCode } from "./code.js";
import { destination, hostOf, withoutTricks } from "./links.js";
import { drawMaths } from "./maths.js";
import { mathsExtension, MathsLexer } from "./maths-syntax.js";

const DOMPurify = window.DOMPurify;

const escapeHtml = (text) =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

// Tags that models write on purpose. Any other is text: a parser that meets an event handler, even
// one that will be removed, makes the browser report it.
const PLAIN_TAG = /^<\/?(?:b|br|code|del|em|i|kbd|mark|s|strong|sub|sup|u)\s*\/?>$/i;

const showTags = (html) =>
  html.replace(/<[^>]*>|[<>]/g, (piece) => (PLAIN_TAG.test(piece) ? piece : escapeHtml(piece)));

const marked = new Marked({
  gfm: true,
  renderer: {
    // A remote image would tell its server who reads this and when, and with an address that a hostile
    // text has made up, what stands in this chat. The page's policy therefore allows none of them,
    // whatever is clicked: an image opens in a tab of its own, when the reader asks for it.
    image({ href, text }) {
      const alt = escapeHtml(text);
      return `<a href="${escapeHtml(href)}" class="image-link">${alt || "Image"}</a>`;
    },
    html({ text }) {
      return showTags(text);
    },
    checkbox({ checked }) {
      return checked ? "☑ " : "☐ ";
    },
  },
});

marked.use(
  mathsExtension({
    maths: ({ raw, isDisplay }) =>
      `<span class="maths${isDisplay ? " maths-display" : ""}">${escapeHtml(raw)}</span>`,
    mathsBlock: ({ source, isFormula }) =>
      `<div class="${isFormula ? "maths maths-display" : "plain"}">${escapeHtml(source)}</div>\n`,
  }),
);

const lexed = (text) => new MathsLexer(marked.defaults).lex(text);

const POLICY = {
  ALLOWED_TAGS: [
    ..."a b blockquote br code del div em h1 h2 h3 h4 h5 h6 hr i kbd li mark ol p pre s span strong".split(" "),
    ..."sub sup table tbody td th thead tr u ul".split(" "),
  ],
  ALLOWED_ATTR: ["href", "start", "align", "class"],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
  // These are no addresses.
  ADD_URI_SAFE_ATTR: ["start", "align"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName !== "A") return;
  node.setAttribute("rel", "noopener noreferrer nofollow");
  node.setAttribute("target", "_blank");
  if (node.hasAttribute("href")) node.setAttribute("title", node.getAttribute("href"));
});

// The classes that are made here; what a model writes gets none.
const CLASS = /^(?:language-\S+|image-link|plain|maths(?: maths-display)?)$/;

const BLOCKS = "p, h1, h2, h3, h4, h5, h6, ul, ol, blockquote, table";

// Past this, reading the whole once more at the end would hold the page up.
const LONGEST_TEXT = 400_000;
// A stored text is read in pieces, so that one very long block does not keep the rest from view.
const PIECE = 50_000;

// Where the end of a text is: its last block, and the last one in there.
const HOLDERS = `${BLOCKS}, li, .table, .code, tbody, tr, td, pre, pre > code, .plain`;

/** The text as it is. */
function renderPlain(text) {
  const element = document.createElement("div");
  element.className = "plain";
  element.dir = "auto";
  element.textContent = text;
  return element;
}

const FOCUSABLE = "a[href], button, [tabindex]";

const rawOf = (tokens) => tokens.map((token) => token.raw).join("");

function renderTogether(tokens) {
  const { content } = document.createElement("template");
  try {
    const html = DOMPurify.sanitize(marked.parser(tokens), POLICY);
    content.append(html);
  } catch {
    // Some texts, such as thousands of nested quotes, are too deep for the reader.
    content.append(renderPlain(rawOf(tokens)));
  }
  return content;
}

function span(className, text) {
  const element = document.createElement("span");
  element.className = className;
  element.textContent = text;
  return element;
}

/** Where a link leads is visible before it is clicked, with a finger as well, whatever its text says. */
function showDestination(link) {
  const address = link.getAttribute("href");
  // An address that leads nowhere was taken away: what is left is text.
  if (address === null) {
    link.removeAttribute("class");
    return;
  }
  for (const text of textsIn(link)) text.data = withoutTricks(text.data);
  if (link.className === "image-link") {
    const host = span("link-host", `Show image from ${hostOf(address)}`);
    link.replaceChildren(span("image-text", link.textContent), " ", host);
    return;
  }
  const found = destination(link.textContent, address);
  if (!found) return;
  const { host, isLie } = found;
  const shown = span(isLie ? "link-host is-lie" : "link-host", isLie ? `(leads to ${host})` : `(${host})`);
  shown.dir = "ltr";
  link.after(" ", shown);
}

function textsIn(element) {
  const texts = [];
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) texts.push(walker.currentNode);
  return texts;
}

function render(tokens) {
  const { content } = document.createElement("template");
  // A tag that is left open in one block must not run on into the next.
  const runs = rawOf(tokens).includes("<") ? tokens.map((token) => [token]) : [tokens];
  for (const run of runs) content.append(renderTogether(run));
  for (const node of [...content.childNodes]) {
    if (node.nodeType === Node.TEXT_NODE && !node.data.trim()) node.remove();
  }
  for (const each of content.querySelectorAll("[class]")) {
    if (!CLASS.test(each.className)) each.removeAttribute("class");
  }
  for (const table of content.querySelectorAll("table")) {
    const frame = document.createElement("div");
    frame.className = "table";
    frame.tabIndex = 0;
    frame.setAttribute("role", "region");
    frame.setAttribute("aria-label", "Table");
    table.replaceWith(frame);
    frame.append(table);
  }
  frameCode(content);
  for (const link of content.querySelectorAll("a")) showDestination(link);
  // What is written from left to right in every language says nothing of the text around it.
  for (const each of content.querySelectorAll("code, .maths")) each.dir = "ltr";
  // Each block runs as its own language does.
  // (A block inside of one follows it: what has a direction of its own does not count for its parent.)
  for (const block of content.querySelectorAll(BLOCKS)) {
    if (!block.parentElement?.closest("[dir]")) block.dir = "auto";
  }
  return content;
}

/** What can grow in a list or a table: its items, or its rows. Null for a table without rows. */
const partsOf = (block) => (block.matches(".table") ? block.querySelector("tbody") : block);

/** Draws in `element` what blocks.js says. */
function createView(element) {
  let openNodes = [];
  let tail = null;

  function clearOpen() {
    tail?.remove();
    tail = null;
    for (const node of openNodes) node.remove();
    openNodes = [];
  }

  /** Put `tokens` behind what is settled. Returns the nodes that are new. */
  function place(tokens, continues) {
    const content = render(tokens);
    const parts = [];
    if (continues) {
      const first = content.firstElementChild;
      parts.push(...(partsOf(first)?.childNodes ?? []));
      // The line end behind the list's tag is there already.
      if (first.matches("ul, ol")) parts.shift();
      partsOf(element.lastElementChild).append(...parts);
      first.remove();
    }
    const nodes = [...content.childNodes];
    element.append(content);
    const placed = [...parts, ...nodes];
    drawMaths(placed);
    return placed;
  }

  /** Do `work`, and leave the keyboard where it is, though what it is on is drawn anew. */
  function keepingFocus(work) {
    const focusable = () => openNodes.flatMap((node) => [...(node.querySelectorAll?.(FOCUSABLE) ?? [])]);
    const place = element.contains(document.activeElement)
      ? focusable().indexOf(document.activeElement)
      : -1;
    work();
    if (place >= 0) focusable()[place]?.focus({ preventScroll: true });
  }

  function endOf(node) {
    const last = node.lastElementChild;
    return last?.matches(HOLDERS) ? endOf(last) : node;
  }

  return {
    add(tokens, continues) {
      keepingFocus(() => {
        clearOpen();
        openNodes = place(tokens, continues);
      });
      colourCode(openNodes);
      openNodes = [];
    },
    open(tokens, continues) {
      keepingFocus(() => {
        clearOpen();
        openNodes = place(tokens, continues);
      });
    },
    openPlain(text) {
      clearOpen();
      openNodes = [renderPlain(text)];
      element.append(...openNodes);
    },
    tail(text) {
      if (tail === null) {
        tail = document.createElement("span");
        tail.className = "plain";
        tail.append("");
        endOf(element).append(tail);
      }
      tail.firstChild.appendData(text);
    },
    type(text) {
      const code = element.lastElementChild.querySelector("code");
      if (code.firstChild) code.firstChild.appendData(text);
      else code.append(text);
    },
    finish() {
      colourCode([element.lastElementChild]);
    },
    drop() {
      clearOpen();
      element.lastElementChild.remove();
    },
  };
}

/** Show a whole text in `element`, and leave alone what is there already as it should be. */
function showWhole(element, text) {
  const nodes = [...render(lexed(text)).childNodes];
  const same = nodes.findIndex((node, index) => !element.childNodes[index]?.isEqualNode(node));
  const kept = same < 0 ? nodes.length : same;
  for (const node of [...element.childNodes].slice(kept)) node.remove();
  element.append(...nodes.slice(kept));
  drawMaths(nodes.slice(kept));
  colourCode(nodes.slice(kept));
}

/** A writer that appends to `element`; what is settled there is not touched again. */
export function createMarkdownWriter(element) {
  const blocks = createBlocks((text) => lexed(text), createView(element));
  const pieces = [];

  return {
    append(text) {
      pieces.push(text);
      for (let at = 0; at < text.length; at += PIECE) blocks.append(text.slice(at, at + PIECE));
    },
    /** No more will come. */
    end() {
      const needsWhole = blocks.end();
      const text = pieces.join("");
      if (!needsWhole || text.length > LONGEST_TEXT) return;
      try {
        showWhole(element, text);
      } catch {
        // Too deep; it stays as it was drawn.
      }
    },
  };
}
