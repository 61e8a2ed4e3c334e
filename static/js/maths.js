// Formulas in an answer, as MathML. The library that makes it is loaded with the first formula.
//
// Until a formula is drawn, and if it cannot be, its source stands there as the model wrote it.

import { formulaOf } from "./maths-syntax.js";

// So long, in milliseconds, formulas are drawn before the page gets a turn.
const SLICE = 8;
// What was drawn last is kept: an answer that is being written is drawn many times.
const KEPT = 300;
const LONGEST_FORMULA = 10_000;

const OPTIONS = {
  throwOnError: true,
  // Nothing that names an address, a class or an image.
  trust: false,
  maxExpand: 500,
  maxSize: [20, 400],
};

const TAGS =
  "math maction menclose mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts mroot " +
  "mrow ms mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder munderover none";
const ATTRIBUTES =
  "accent accentunder class columnalign columnlines columnspacing columnspan depth display " +
  "displaystyle fence form frame height largeop linethickness lspace mathbackground mathcolor " +
  "mathsize mathvariant maxsize minsize movablelimits notation rowalign rowlines rowspacing " +
  "rowspan rspace scriptlevel separator stretchy symmetric voffset width";
// Sizes come from the model: a formula must not lie down on the rest of the page.
const LARGE = /^[+-]?\d*(?:[2-9]\d|\d{3})(?:\.\d*)?(?:em|ex|rem)$|^[+-]?\d{4,}|e[+]?\d/;

const POLICY = {
  ALLOWED_TAGS: TAGS.split(" "),
  ALLOWED_ATTR: ATTRIBUTES.split(" "),
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  IN_PLACE: true,
};

let library = null;
let loading = null;
const waiting = new Set();
const drawn = new Map();

/** Draw the formulas in `nodes`, at once if the library is there. */
export function drawMaths(nodes) {
  for (const node of nodes) {
    for (const each of node.querySelectorAll?.(".maths:not(.is-drawn)") ?? []) waiting.add(each);
    if (node.matches?.(".maths:not(.is-drawn)")) waiting.add(node);
  }
  if (waiting.size === 0) return;
  if (library) drawWaiting();
  else loading ??= load();
}

async function load() {
  try {
    ({ default: library } = await import("../vendor/temml/temml.mjs"));
    drawWaiting();
  } catch {
    // The source is shown; the next formula asks for the library anew.
    waiting.clear();
  }
  loading = null;
}

function drawWaiting() {
  const end = performance.now() + SLICE;
  for (const element of waiting) {
    if (performance.now() > end) break;
    waiting.delete(element);
    // Not what was drawn anew meanwhile; of a message that is not placed yet, or away, it is.
    if (element.closest(".message")) draw(element);
  }
  if (waiting.size > 0) setTimeout(drawWaiting);
}

function draw(element) {
  const formula = formulaOf(element.textContent);
  const isDisplay = element.classList.contains("maths-display");
  const key = `${isDisplay} ${formula}`;
  if (!drawn.has(key)) {
    if (drawn.size >= KEPT) drawn.delete(drawn.keys().next().value);
    drawn.set(key, toMathml(formula, isDisplay));
  }
  const math = drawn.get(key);
  element.classList.add(math ? "is-drawn" : "is-faulty");
  if (math) element.replaceChildren(math.cloneNode(true));
  else element.title = "This formula could not be read.";
}

/** The `math` element, or null if the formula cannot be read. */
function toMathml(formula, displayMode) {
  if (formula.length > LONGEST_FORMULA) return null;
  const holder = document.createElement("span");
  try {
    library.render(formula, holder, { ...OPTIONS, displayMode });
    const math = holder.firstElementChild;
    for (const each of holder.querySelectorAll("*")) {
      keepSmall(each);
      nameStyles(each);
    }
    window.DOMPurify.sanitize(math, POLICY);
    return math;
  } catch {
    return null;
  }
}

function keepSmall(element) {
  for (const { name, value } of [...element.attributes]) {
    if (LARGE.test(value)) element.removeAttribute(name);
  }
}

/** The lines of tables and boxes, which the library draws with inline styles, as classes of ours. */
function nameStyles({ style, classList }) {
  for (const side of ["top", "right", "bottom", "left"]) {
    if (style.getPropertyValue(`border-${side}-style`)) classList.add(`maths-line-${side}`);
    if (/^0\D*$/.test(style.getPropertyValue(`padding-${side}`))) classList.add(`maths-flush-${side}`);
  }
  if (style.fontWeight === "bold") classList.add("maths-bold");
}
