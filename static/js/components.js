// The page of components: fills what scripts fill on the pages, with samples, and sends nothing.

import { createBanner } from "./banner.js";
import { createChatList } from "./chat-list.js";
import { createChatMenu } from "./chat-menu.js";
import { editName } from "./chat-rename.js";
import { foundItem } from "./chat-search.js";
import { deletedItem } from "./chat-trash.js";
import { createComposer } from "./composer.js";
import { setUpHeadMenu } from "./head-menu.js";
import { newFoot } from "./paged-list.js";
import { setUpShortcuts } from "./shortcuts.js";
import { setOwner } from "./storage.js";
import { createThread } from "./thread.js";
import { setUpToasts, toast } from "./toasts.js";
import { drawDays } from "./usage-chart.js";

const page = JSON.parse(document.getElementById("page-data").textContent);
const THREADS = [
  "All that Markdown has, with reasoning",
  "One of several versions, and tools",
  "Failed in the middle",
  "Failed before the first word",
  "Interrupted",
  "Stopped",
  "From right to left",
];
const nothing = () => {};
// Nothing of a person's own is to be overwritten.
setOwner("components");

function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

function under(title, ...shown) {
  const place = document.createElement("div");
  place.append(element("h3", "specimen-title", title), ...shown);
  return place;
}

// --- Theme ------------------------------------------------------------------------------------
const choices = [...document.querySelectorAll("[data-theme-choice]")];

function showTheme(theme) {
  document.documentElement.dataset.theme = theme;
  for (const each of choices) each.setAttribute("aria-pressed", String(each.dataset.themeChoice === theme));
  showTokens();
}

for (const each of choices) each.addEventListener("click", () => showTheme(each.dataset.themeChoice));

// --- Tokens -----------------------------------------------------------------------------------
const KINDS = [
  [/^--space-/, "space", (shown, value) => (shown.firstChild.style.width = value)],
  [/^--radius/, "radius", (shown, value) => (shown.style.borderRadius = value)],
  [/^--(font|mono)$/, "type", (shown, value) => (shown.style.fontFamily = value)],
  [/^--(tiny|small|body|reading|heading-\d)$/, "type", (shown, value) => (shown.style.fontSize = value)],
  [/^--(quick|slide|blink)/, "motion", (shown, value) => (shown.firstChild.style.transition = `translate ${value}`)],
  [/^--shadow/, "shadow", (shown, value) => (shown.style.boxShadow = value)],
  [/^--/, "colour", (shown, value) => (shown.style.background = value)],
];

/** Of the style sheets themselves: a new one is here without anybody adding it. */
function tokenNames() {
  const rules = [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules]);
  const roots = rules.filter(({ selectorText }) => selectorText === ":root");
  return [...new Set(roots.flatMap(({ style }) => [...style].filter((name) => name.startsWith("--"))))];
}

function swatchOf(name) {
  const [, kind, show] = KINDS.find(([pattern]) => pattern.test(name));
  const value = getComputedStyle(document.documentElement).getPropertyValue(name);
  const swatch = element("div", `swatch swatch-${kind}`);
  const shown = element("div", "swatch-shown", kind === "type" ? "Ag" : "");
  shown.setAttribute("aria-hidden", "true");
  if (kind === "space" || kind === "motion") shown.append(document.createElement("i"));
  show(shown, `var(${name})`);
  const words = element("div", "swatch-words");
  words.append(element("code", "", name), element("span", "", value));
  swatch.append(shown, words);
  return swatch;
}

function showTokens() {
  const kindOf = (name) => KINDS.find(([pattern]) => pattern.test(name))[1];
  const names = tokenNames();
  const kinds = [...new Set(KINDS.map(([, kind]) => kind))].reverse();
  document.getElementById("token-list").replaceChildren(
    ...kinds.map((kind) => {
      const swatches = element("div", "swatches");
      swatches.append(...names.filter((name) => kindOf(name) === kind).map(swatchOf));
      return under(kind[0].toUpperCase() + kind.slice(1), swatches);
    }),
  );
}

// --- Messages ---------------------------------------------------------------------------------
function newThread(title) {
  const list = element("div", "thread");
  const place = under(title, list);
  place.classList.add("thread-specimen");
  document.getElementById("threads").append(place);
  const on = { retry: nothing, continue: nothing, decide: nothing, edit: () => false, version: nothing, say: nothing, jump: nothing };
  const details = async () => {
    throw new Error("The numbers could not be loaded.");
  };
  return createThread({ scroller: list, list, jump: document.getElementById("jump"), on: { ...on, details } });
}

function showMessages() {
  for (const [place, title] of THREADS.entries()) {
    const thread = newThread(title);
    thread.addStored(page.messages.slice(2 * place, 2 * place + 2));
  }
  const answer = (title) => newThread(title).addAnswer({ id: title, parentId: null });
  newThread("A question that is on its way").addUser({ id: "pending", text: "Are you there?", isPending: true });
  answer("Waiting for the first word").wait();
  answer("Asked again by itself").retry("OpenAI has too much to do.", 3600);
  answer("Being written").append("Half of an ans");
  const call = { id: "sample-call", name: "rocketreach_person_lookup" };
  const question = "Look up how to reach the person with the id 42 at RocketReach? This costs one credit.";
  answer("A tool that runs").tool("call", { ...call, arguments: '{"id": 42}' });
  const asking = answer("A tool that asks first");
  asking.tool("call", { ...call, arguments: '{"id": 42}' });
  asking.tool("ask", { ...call, question });
  newThread("A question in other words").addUser({ id: "edited", text: "Is it so?" }).edit();
  document.getElementById("jump").hidden = false;
  document.querySelector("#jump .jump-news").hidden = false;
  document.getElementById("greeting").hidden = false;
  setUpHeadMenu("sample-chat-0", () => undefined);
}

// --- Lists ------------------------------------------------------------------------------------
const chatNamed = (title) => ({ id: title, title, updatedAt: Date.now(), snippet: "" });

function showSidebar() {
  const menu = createChatMenu({ rename: (id) => rename(id), delete: (id) => list.remove(id)?.focus() });
  const list = createChatList({
    api: { list: async () => ({ chats: [], nextCursor: null }) },
    page: { nextCursor: null, running: [{ generationId: "sample", conversationId: "sample-chat-1" }] },
    currentId: "sample-chat-0",
    onMenu: menu.toggle,
    onRename: (id) => rename(id),
  });
  function rename(id) {
    const { link, title } = list.get(id);
    editName(link, title, (wanted) => {
      if (wanted !== null) list.rename(id, wanted);
      link.focus();
    });
  }
  for (const link of document.querySelectorAll("#chat-list a")) {
    link.addEventListener("click", (event) => event.preventDefault());
  }
}

function showUsage() {
  const days = Array.from({ length: 31 }, (_, place) => ({
    day: new Date(Date.UTC(2026, 9, 1 + place)).toISOString().slice(0, 10),
    totalTokens: (place * 7919) % 13 === 0 ? 0 : ((place * 7919) % 97) * 1000,
    costUsd: place / 10,
    unpricedCalls: 0,
  }));
  drawDays(document.getElementById("usage-days"), days);
  const budget = document.getElementById("usage-budget");
  budget.hidden = false;
  budget.querySelector("meter").value = 84;
  budget.querySelector("meter").setAttribute("aria-label", "84% of your monthly budget used");
  budget.querySelector("p").textContent = "84% of your monthly budget, until 1 December";
}

/** Once more, without what may be on a page once. */
function another(original) {
  const copy = original.cloneNode(true);
  for (const each of [copy, ...copy.querySelectorAll("[id], [aria-labelledby], [aria-controls]")]) {
    for (const name of ["id", "aria-labelledby", "aria-controls"]) each.removeAttribute(name);
  }
  copy.hidden = false;
  return copy;
}

function inSidebar(title, state, ...shown) {
  const view = element("div", "side-view");
  view.dataset.state = state;
  view.append(...shown);
  const frame = element("div", "in-sidebar");
  frame.append(view);
  return under(title, frame);
}

function listOf(...items) {
  const list = document.createElement("ol");
  list.append(...items);
  return list;
}

function showLists() {
  const snippet = "There is a needle in this hay, and more of it behind, which is cut off after two lines";
  const found = [chatNamed("A needle in the title"), { ...chatNamed("Another"), snippet }];
  const deleted = ["Ideas for the offsite", "A title that is too long for one line in the trash"].map(chatNamed);
  const empty = (id) => another(document.querySelector(`#${id} .side-empty`));
  const failed = another(document.getElementById("usage"));
  failed.dataset.state = "failed";
  const frame = element("div", "in-sidebar");
  frame.append(failed);
  document.getElementById("lists").append(
    inSidebar("Found", "ready", listOf(...found.map((chat) => foundItem(chat, "needle")))),
    inSidebar("Nothing found", "empty", empty("search-view")),
    inSidebar("Trash", "ready", listOf(...deleted.map((chat) => deletedItem(chat, nothing)))),
    inSidebar("Empty trash", "empty", empty("trash-view")),
    inSidebar("No chats", "empty", empty("chats-view")),
    under("Usage that cannot be loaded", frame),
  );
}

function showFeet() {
  const waiting = newFoot();
  waiting.querySelector(".skeleton").hidden = false;
  const failed = newFoot();
  failed.querySelector(".list-failed-text").textContent = "The server cannot be reached. Try again in a moment.";
  failed.querySelector(".list-failed").hidden = false;
  const line = document.getElementById("details-waiting").content.cloneNode(true);
  document.getElementById("feet").append(
    inSidebar("A list that waits", "ready", waiting),
    inSidebar("A list that cannot be read", "ready", failed),
    under("A line that waits", line),
  );
}

// --- Banners ----------------------------------------------------------------------------------
const TROUBLES = [
  { name: "redis", label: "Redis", state: "away", since: "sample" },
  { name: "openai", label: "OpenAI", state: "away", since: "sample" },
  { name: "anthropic", label: "Anthropic", state: "key_refused", since: "sample" },
];

function showBanners() {
  const facts = () => ({ model: "openai:sample", models: ["openai:sample", "groq:sample"], mayAdminister: true });
  const given = { scroller: document.documentElement, facts, onConnection: nothing, onChooseModel: nothing, onLeft: nothing };
  for (const area of document.querySelectorAll(".banners")) {
    const banner = createBanner(area, given);
    if (area.dataset.connection) banner.connection(area.dataset.connection);
    else banner.troubles(TROUBLES);
  }
}

// --- Where messages are written, and toasts ---------------------------------------------------
function showComposer() {
  const form = document.getElementById("composer");
  const composer = createComposer(form, { onSend: nothing, onStop: nothing, onModel: nothing, maxCharacters: page.maxTextCharacters });
  setUpShortcuts({ composer, stop: nothing, isAnswering: () => false });
  composer.budget("You have used most of your monthly budget: 84%.");
  composer.connection("offline");
  composer.waiting(20);
  composer.notice("At most 100,000 characters can be sent at once.");
  document.activeElement.blur();
}

function showToasts() {
  setUpToasts();
  for (const button of document.querySelectorAll("[data-toast]")) {
    const { toast: message, toastAction: label } = button.dataset;
    button.addEventListener("click", () => toast(message, label && { label, press: nothing }));
  }
}

// --- Rows -------------------------------------------------------------------------------------
/** What leads away, or is sent: the rows are of nobody. */
function holdRows() {
  const rows = document.getElementById("row-section");
  rows.addEventListener("submit", (event) => event.preventDefault());
  rows.addEventListener("click", (event) => {
    if (event.target.closest("a")) event.preventDefault();
  });
}

showTheme(document.documentElement.dataset.theme);
showBanners();
showFeet();
showSidebar();
showLists();
showUsage();
showMessages();
showToasts();
showComposer();
holdRows();
scrollTo(0, 0);
