// Markdown that a model wrote, as HTML that can do no harm.

import { Lexer, Marked } from "../vendor/marked/marked.esm.js";
import { createBlocks } from "./blocks.js";

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
    // A remote image would tell its server who reads this and when: a link instead.
    image({ href, text }) {
      return `<a href="${escapeHtml(href)}">${escapeHtml(text || "Image")}</a>`;
    },
    html({ text }) {
      return showTags(text);
    },
    checkbox({ checked }) {
      return checked ? "☑ " : "☐ ";
    },
  },
});

const POLICY = {
  ALLOWED_TAGS: [
    ..."a b blockquote br code del em h1 h2 h3 h4 h5 h6 hr i kbd li mark ol p pre s strong".split(" "),
    ..."sub sup table tbody td th thead tr u ul".split(" "),
  ],
  ALLOWED_ATTR: ["href", "start", "align"],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
};

DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName !== "A") return;
  node.setAttribute("rel", "noopener noreferrer nofollow");
  node.setAttribute("target", "_blank");
  // Where a link leads is visible before it is clicked, whatever its text says.
  if (node.hasAttribute("href")) node.setAttribute("title", node.getAttribute("href"));
});

const BLOCKS = "p, h1, h2, h3, h4, h5, h6, ul, ol, blockquote, table";

// Past these, reading would take too long to be done with each piece, or at all.
const LONGEST_OPEN_BLOCK = 20_000;
const LONGEST_TEXT = 400_000;

/** The text as it is. */
function renderPlain(text) {
  const element = document.createElement("div");
  element.className = "plain";
  element.dir = "auto";
  element.textContent = text;
  return element;
}

function render(markdown) {
  const fragment = document.createElement("template");
  if (markdown.length > LONGEST_TEXT) {
    fragment.content.append(renderPlain(markdown));
    return fragment.content;
  }
  try {
    fragment.innerHTML = DOMPurify.sanitize(marked.parse(markdown), POLICY);
  } catch {
    // Some texts, such as thousands of nested quotes, are too deep for the reader.
    fragment.content.append(renderPlain(markdown));
  }
  for (const table of fragment.content.querySelectorAll("table")) {
    const frame = document.createElement("div");
    frame.className = "table";
    frame.tabIndex = 0;
    table.replaceWith(frame);
    frame.append(table);
  }
  for (const code of fragment.content.querySelectorAll("pre")) code.tabIndex = 0;
  // Each block runs as its own language does.
  // (A block inside of one follows it: what has a direction of its own does not count for its parent.)
  for (const block of fragment.content.querySelectorAll(BLOCKS)) {
    if (!block.parentElement?.closest("[dir]")) block.dir = "auto";
  }
  return fragment.content;
}

/** Show a whole text in `element`. */
export function showMarkdown(element, text) {
  element.replaceChildren(render(text));
}

/** A writer that appends to `element`; of what is shown, only the last block is drawn again. */
export function createMarkdownWriter(element) {
  const blocks = createBlocks((text) => Lexer.lex(text, { gfm: true }));
  let openNodes = [];
  let plain = null; // of a block without end, until the answer is complete

  const add = (markdown) => {
    const nodes = [...render(markdown).childNodes];
    element.append(...nodes);
    return nodes;
  };

  return {
    append(text) {
      if (plain) {
        plain.append(text);
        return;
      }
      const { settled, open } = blocks.append(text);
      for (const node of openNodes) node.remove();
      for (const block of settled) add(block);
      if (open.length > LONGEST_OPEN_BLOCK) {
        plain = renderPlain(open);
        element.append(plain);
      } else {
        openNodes = add(open);
      }
    },
  };
}
