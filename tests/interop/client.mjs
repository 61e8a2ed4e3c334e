// What the tests share: a chat as `useChat` has it, and the way to the loopback provider.

import { AbstractChat, DefaultChatTransport } from "ai";

const { CHATCORE_URL, CHATCORE_TOKEN, PROVIDER_CONTROL } = process.env;

export const API = `${CHATCORE_URL}/api/assistant/stream`;
export const WITH_TOKEN = { Authorization: `Bearer ${CHATCORE_TOKEN}` };

// The part of useChat that React would hold.
class State {
  constructor(messages) {
    this.status = "ready";
    this.error = undefined;
    this.messages = messages;
  }

  pushMessage = (message) => {
    this.messages = [...this.messages, message];
  };

  popMessage = () => {
    this.messages = this.messages.slice(0, -1);
  };

  replaceMessage = (index, message) => {
    this.messages = this.messages.with(index, message);
  };

  snapshot = (thing) => structuredClone(thing);
}

export class Chat extends AbstractChat {
  constructor({ messages = [], ...options }) {
    super({ ...options, state: new State(messages) });
  }
}

export function transport(options = {}) {
  return new DefaultChatTransport({ api: API, headers: WITH_TOKEN, ...options });
}

export function newChat({ id = newId(), messages, onData, onFinish, ...options } = {}) {
  return new Chat({ id, messages, onData, onFinish, transport: transport(options) });
}

export function newId() {
  return crypto.randomUUID();
}

// Queues what the provider is to answer; the fields are those of tests.fakes.provider.Reply.
export async function reply(fields) {
  await fetch(PROVIDER_CONTROL, { method: "POST", body: JSON.stringify(fields) });
}

export async function asked() {
  return (await fetch(PROVIDER_CONTROL)).json();
}

// The conversation as the REST API has it.
export async function stored(chatId) {
  const url = `${CHATCORE_URL}/api/assistant/conversations?id=${chatId}`;
  return (await fetch(url, { headers: WITH_TOKEN })).json();
}

export async function until(condition) {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const found = await condition();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`it did not happen: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export function textOf(message) {
  return message.parts
    .filter((part) => part.type === "text")
    .map((part) => part.text)
    .join("");
}
