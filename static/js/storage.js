// What this browser remembers for a person: drafts, and the question that is on its way.

let owner = "";

// Storage may be full or forbidden; the page goes on without it.
function quietly(work) {
  try {
    return work();
  } catch {
    return null;
  }
}

function remember(store, name, value) {
  const key = `chatcore:${owner}:${name}`;
  quietly(() => (value ? store().setItem(key, value) : store().removeItem(key)));
}

const recall = (store, name) => quietly(() => store().getItem(`chatcore:${owner}:${name}`));

// Reached for late: where storage is forbidden, even naming it throws.
const lasting = () => localStorage;
const ofThisTab = () => sessionStorage;

/** Whose storage this is. Several people may use one browser, one after the other. */
export function setOwner(userId) {
  owner = userId;
}

const draftName = (conversationId) => `draft:${conversationId ?? "new"}`;

export const loadDraft = (conversationId) => recall(lasting, draftName(conversationId)) ?? "";
export const saveDraft = (conversationId, text) =>
  remember(lasting, draftName(conversationId), text);

/** The `send` frame that this tab waits for, or null. It outlives a reload. */
export const loadPending = () =>
  quietly(() => JSON.parse(recall(ofThisTab, "pending") ?? "null"));
export const savePending = (frame) =>
  remember(ofThisTab, "pending", frame && JSON.stringify(frame));

/** The last message that this tab shows of a chat: another tab may show another branch. */
export const loadLeaf = (conversationId) => recall(ofThisTab, `leaf:${conversationId}`);
export const saveLeaf = (conversationId, id) => remember(ofThisTab, `leaf:${conversationId}`, id);

export const loadModel = () => recall(lasting, "model");
export const saveModel = (model) => remember(lasting, "model", model);

/** The parts of the sidebar that are closed, by name. static/js/closed-parts.js reads it first. */
export const loadClosed = () => (recall(lasting, "closed") ?? "").split(" ").filter(Boolean);
export const saveClosed = (names) => remember(lasting, "closed", names.join(" "));

// Several processes may say the same of one outage, each with its own beginning.
const MOST_DISMISSED = 20;

/** The keys of the notices that were put away in this tab, the last ones. */
export const loadDismissed = () =>
  quietly(() => JSON.parse(recall(ofThisTab, "dismissed") ?? "[]")) ?? [];
export const saveDismissed = (keys) =>
  remember(ofThisTab, "dismissed", JSON.stringify(keys.slice(-MOST_DISMISSED)));

/** What the next page is to begin with: `{deleted: chat}` or `{rename: id}`. Given once. */
export const saveErrand = (errand) => remember(ofThisTab, "errand", JSON.stringify(errand));
export function takeErrand() {
  const errand = quietly(() => JSON.parse(recall(ofThisTab, "errand") ?? "null"));
  remember(ofThisTab, "errand", null);
  return errand;
}

/** Whether long lines of code are wrapped. */
export const loadsWrapped = () => recall(lasting, "wrap") === "yes";
export const saveWrapped = (isWrapped) => remember(lasting, "wrap", isWrapped ? "yes" : "");
