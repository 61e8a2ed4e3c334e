// What stands over the conversation while something is away: the connection, a provider, Redis.

import { loadDismissed, saveDismissed } from "./storage.js";

// A blink of the network is no news.
const SHOW_WAITING_AFTER = 1500;

const CONNECTION = {
  "logged-out": { text: "Your session has ended. Your text is kept.", action: "log-in" },
  offline: { text: "You are offline. It goes on by itself when the network is back." },
  waiting: { text: "The connection is lost. Trying again …" },
};
const LATE = "Updates from other tabs and devices may come late at the moment. Nothing is lost.";
const CHECK_REDIS = "Redis does not answer: check that it runs, and the address in REDIS_URL.";

const providerOf = (ref) => ref?.split(":")[0];
const keyOf = ({ name, state, since }) => `${name} ${state} ${since}`;

/**
 * What is to be said, the most urgent first. While nothing can be heard, of the connection alone.
 * @param {object} now
 * @param {"ready" | "waiting" | "offline" | "logged-out"} now.connection
 * @param {{name: string, label: string, state: string, since: string}[]} now.troubles
 * @param {string | null} now.model the ref of the model that is asked next
 * @param {string[]} now.models the refs of all that can be chosen
 * @param {boolean} now.mayAdminister
 * @param {string[]} now.dismissed the keys of what was put away
 * @returns {{key: string, text: string, isUrgent: boolean, action?: "log-in" | "choose-model"}[]}
 */
export function rowsOf(now) {
  const { connection, troubles, dismissed } = now;
  if (connection in CONNECTION) return [{ key: connection, isUrgent: true, ...CONNECTION[connection] }];
  return troubles
    .map((trouble) => ({ key: keyOf(trouble), isUrgent: false, ...wordsOf(trouble, now) }))
    .filter(({ key, text }) => text && !dismissed.includes(key));
}

/** Nothing for whoever need not know. */
function wordsOf({ name, label, state }, { troubles, model, models, mayAdminister }) {
  if (name === "redis" && state === "away") return { text: mayAdminister ? `${LATE} ${CHECK_REDIS}` : LATE };
  if (state === "key_refused") {
    if (!mayAdminister) return {};
    return { text: `${label} does not accept the API key. Check it in the settings of the server, and which models it may use.` };
  }
  if (state !== "away" || name !== providerOf(model)) return {};
  const troubled = troubles.map((each) => each.name);
  if (models.some((ref) => !troubled.includes(providerOf(ref)))) {
    return { text: `${label} does not answer at the moment. Go on with another model, or try again in a while.`, action: "choose-model" };
  }
  return { text: `${label} does not answer at the moment. Your questions are kept; try again in a while.` };
}

/**
 * What takes the state of the connection, and hands it to `show`: that nothing is heard when it has
 * been so for a while, however often it was tried meanwhile, and all else at once.
 */
export function patiently(show) {
  let latest = "ready";
  let isSilent = false; // and shown to be so
  let timer = null;

  function tell() {
    timer = null;
    isSilent = latest === "waiting" || latest === "offline";
    show(latest);
  }

  return (state) => {
    latest = state;
    if (isSilent || state === "ready" || state === "logged-out") {
      clearTimeout(timer);
      tell();
    } else {
      timer ??= setTimeout(tell, SHOW_WAITING_AFTER);
    }
  };
}

/**
 * @param {HTMLElement} area a live region
 * @param {object} options
 * @param {HTMLElement} options.scroller what stands below it and is to stay where it is read
 * @param {() => object} options.facts `model`, `models` and `mayAdminister` as `rowsOf` takes them
 * @param {(state: string) => void} options.onConnection when the connection is shown to be so
 * @param {() => void} options.onChooseModel
 * @param {() => void} options.onLeft what had the focus is gone
 */
export function createBanner(area, { scroller, facts, onConnection, onChooseModel, onLeft }) {
  const template = document.getElementById("banner-template");
  let connection = "ready"; // until it is known
  let troubles = [];
  let dismissed = loadDismissed();

  function draw() {
    const rows = rowsOf({ connection, troubles, dismissed, ...facts() });
    const [top, height] = [scroller.scrollTop, area.offsetHeight];
    const hadFocus = area.contains(document.activeElement);
    // What stays is left alone, so that it is not read out again.
    const shown = new Map([...area.children].map((each) => [each.dataset.row, each]));
    const elements = rows.map((row) => shown.get(JSON.stringify(row)) ?? elementOf(row));
    for (const each of shown.values()) if (!elements.includes(each)) each.remove();
    for (const [place, each] of elements.entries()) {
      if (area.children[place] !== each) area.insertBefore(each, area.children[place] ?? null);
    }
    scroller.scrollTop = top + area.offsetHeight - height;
    if (hadFocus && !area.contains(document.activeElement)) onLeft();
  }

  function elementOf(row) {
    const element = template.content.firstElementChild.cloneNode(true);
    element.dataset.row = JSON.stringify(row);
    element.classList.toggle("banner-urgent", row.isUrgent);
    element.querySelector(".banner-text").textContent = row.text;
    for (const each of element.querySelectorAll(".banner-action")) {
      if (each.dataset.action !== row.action) each.remove();
    }
    const dismiss = element.querySelector("[data-action=dismiss]");
    if (row.isUrgent) dismiss.remove();
    dismiss.addEventListener("click", () => putAway(row.key));
    element.querySelector("[data-action=choose-model]")?.addEventListener("click", onChooseModel);
    const logIn = element.querySelector("[data-action=log-in]");
    if (logIn) logIn.href += `?next=${encodeURIComponent(location.pathname)}`;
    return element;
  }

  function putAway(key) {
    dismissed = [...dismissed, key];
    saveDismissed(dismissed);
    draw();
  }

  return {
    draw,
    /** How the connection is now, as the socket says it. */
    connection: patiently((state) => {
      connection = state;
      draw();
      onConnection(state);
    }),
    /** What is not as it should be behind the server, as it says itself. */
    troubles(list) {
      troubles = list;
      draw();
    },
  };
}
