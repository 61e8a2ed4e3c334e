// What the pages ask of /api/assistant.

import { csrfToken } from "./csrf.js";

const OFFLINE = "The server cannot be reached. Try again in a moment.";

/** What the API says to this. Throws an Error with a sentence for the person. */
export async function ask(url, { method = "GET", body, signal } = {}) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-CSRFToken"] = csrfToken();
  if (body) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(url, { method, headers, signal, body: body && JSON.stringify(body) });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Error(OFFLINE);
  }
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw new Error(answer?.error?.message ?? OFFLINE);
  return answer;
}

/** @param {{chats: string, restore: string, running: string}} urls */
export function createChatsApi(urls) {
  return {
    /** A page of chats. `q`, `cursor` and `deleted` are left out where they are empty. */
    async list({ signal, ...query }) {
      const given = Object.entries(query).filter(([, value]) => value);
      const { conversations, nextCursor } = await ask(
        `${urls.chats}?${new URLSearchParams(given)}`,
        { signal },
      );
      const chats = conversations.map((chat) => ({ ...chat, updatedAt: Date.parse(chat.updatedAt) }));
      return { chats, nextCursor };
    },
    running: async () => (await ask(urls.running)).running,
    rename: (id, title) => ask(urls.chats, { method: "PATCH", body: { id, title } }),
    remove: (id) => ask(`${urls.chats}?${new URLSearchParams({ id })}`, { method: "DELETE" }),
    restore: (id) => ask(urls.restore, { method: "POST", body: { id } }),
  };
}
