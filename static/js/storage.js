// What this browser remembers: drafts, questions not yet known to be saved, the chosen model.

const PREFIX = "chatcore:";

// Storage may be full or forbidden; the page goes on without it.
function quietly(work) {
  try {
    return work();
  } catch {
    return null;
  }
}

const recall = (key) => quietly(() => localStorage.getItem(PREFIX + key));

const remember = (key, value) =>
  quietly(() =>
    value ? localStorage.setItem(PREFIX + key, value) : localStorage.removeItem(PREFIX + key),
  );

const draftKey = (conversationId) => `draft:${conversationId ?? "new"}`;
const pendingKey = (conversationId) => `pending:${conversationId ?? "new"}`;

export const loadDraft = (conversationId) => recall(draftKey(conversationId)) ?? "";
export const saveDraft = (conversationId, text) => remember(draftKey(conversationId), text);

/** A question that was sent: {conversationId, messageId, text}, or null once it is saved. */
export const loadPending = (conversationId) =>
  quietly(() => JSON.parse(recall(pendingKey(conversationId)) ?? "null"));
export const savePending = (conversationId, question) =>
  remember(pendingKey(conversationId), question && JSON.stringify(question));

export const loadModel = () => recall("model");
export const saveModel = (model) => remember("model", model);
