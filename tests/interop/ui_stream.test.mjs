// The HTTP stream, read by the AI SDK as its `useChat` reads it. tests/interop/driver.py starts
// the server.

import assert from "node:assert/strict";
import { test } from "node:test";

import { readUIMessageStream } from "ai";

import { API, WITH_TOKEN, asked, newChat, newId, reply, stored, textOf, transport, until } from "./client.mjs";

const WORDS = "The answer is 42, and it comes **word by word**.";
const SLOW = { text: WORDS, delay: 0.25 };
const LATER = { timeout: 30_000 };

const text = { text: "What is the answer?" };

// Until some text of the answer is there.
async function begun(chat) {
  await until(() => chat.lastMessage?.role === "assistant" && textOf(chat.lastMessage) !== "");
}

async function ended(chatId, status) {
  return until(async () => {
    const { messages } = await stored(chatId);
    const last = messages?.at(-1);
    return last?.role === "assistant" && last.status === status && last;
  });
}

test("an answer becomes a message with the ids and metadata of the server", LATER, async () => {
  const finished = [];
  const chat = newChat({ onFinish: (event) => finished.push(event) });

  await chat.sendMessage(text);

  const [question, answer] = (await stored(chat.id)).messages;
  assert.equal(chat.status, "ready");
  assert.equal(chat.messages.length, 2);
  assert.equal(chat.messages[0].id, question.id);
  assert.equal(chat.messages[1].id, answer.id);
  assert.equal(textOf(chat.messages[1]), WORDS);
  assert.equal(answer.content, WORDS);
  assert.deepEqual(
    chat.messages[1].parts.map((part) => [part.type, part.state]),
    [
      ["step-start", undefined],
      ["text", "done"],
    ],
  );
  const { generationId, ...metadata } = chat.messages[1].metadata;
  assert.match(generationId, /^[0-9a-f-]{36}$/);
  assert.deepEqual(metadata, {
    conversationId: chat.id,
    questionId: question.id,
    model: "openai:gpt-test",
    usage: {
      inputTokens: 10,
      cacheReadTokens: 0,
      cacheWriteTokens: 0,
      outputTokens: 5,
      reasoningTokens: 0,
      totalTokens: 15,
    },
    status: "done",
    error: null,
  });
  assert.equal(finished.length, 1);
  assert.equal(finished[0].finishReason, "stop");
});

test("the messages of readUIMessageStream grow to the whole answer", LATER, async () => {
  await reply({ text: WORDS, delay: 0.05 });
  const message = { id: newId(), role: "user", parts: [{ type: "text", text: "Why?" }] };
  const stream = await transport().sendMessages({
    chatId: newId(),
    messages: [message],
    trigger: "submit-message",
  });

  const texts = [];
  for await (const each of readUIMessageStream({ stream, terminateOnError: true })) {
    texts.push(textOf(each));
  }

  assert.equal(texts.at(-1), WORDS);
  assert.ok(new Set(texts).size > 3, "it comes in pieces");
  for (const [i, each] of texts.slice(1).entries()) assert.ok(each.startsWith(texts[i]));
});

test("a second question follows the first one's answer", LATER, async () => {
  const chat = newChat();

  await chat.sendMessage(text);
  await chat.sendMessage({ text: "Why?" });

  const { messages } = await stored(chat.id);
  assert.deepEqual(
    messages.map((each) => each.parentId),
    [null, messages[0].id, messages[1].id, messages[2].id],
  );
  const said = (await asked()).at(-1).messages.map((each) => each.content);
  assert.deepEqual(said, ["What is the answer?", WORDS, "Why?"]);
});

test("the last two messages are all that the server needs", LATER, async () => {
  const chat = newChat({
    body: { model: "openai:gpt-test" },
    prepareSendMessagesRequest: ({ id, messages, trigger, messageId, body }) => ({
      body: { ...body, id, trigger, messageId, messages: messages.slice(-2) },
    }),
  });

  await chat.sendMessage(text);
  await chat.sendMessage({ text: "Why?" });
  await chat.regenerate();

  const said = (await asked()).at(-1).messages.map((each) => each.content);
  assert.deepEqual(said, ["What is the answer?", WORDS, "Why?"]);
  assert.equal((await stored(chat.id)).messages.length, 5);
});

test("the model is chosen by the body", LATER, async () => {
  const chat = newChat({ body: { model: "openai:gpt-other" } });

  await chat.sendMessage(text);

  assert.equal(chat.lastMessage.metadata.model, "openai:gpt-other");
});

test("reasoning is a part of its own", LATER, async () => {
  await reply({ text: "42", reasoning: "Let me think." });
  const chat = newChat();

  await chat.sendMessage(text);

  assert.deepEqual(
    chat.lastMessage.parts.slice(1).map(({ type, text: words, state }) => [type, words, state]),
    [
      ["reasoning", "Let me think.", "done"],
      ["text", "42", "done"],
    ],
  );
});

test("a call of a tool is a part with its input", LATER, async () => {
  await reply({ text: "Look:", tools: [["call_1", "search", '{"query": "answer"}']] });
  const chat = newChat();

  await chat.sendMessage(text);

  const part = chat.lastMessage.parts.at(-1);
  assert.equal(part.type, "dynamic-tool");
  assert.equal(part.toolName, "search");
  assert.equal(part.toolCallId, "call_1");
  assert.equal(part.state, "input-available");
  assert.deepEqual(part.input, { query: "answer" });
});

test("a provider that refuses is an error, and the question can be asked again", LATER, async () => {
  await reply({ status: 401, error: { error: { message: "no" } } });
  const chat = newChat();

  await chat.sendMessage(text);
  assert.equal(chat.status, "error");
  assert.match(chat.error.message, /key/);
  assert.equal(chat.lastMessage.metadata.error.code, "wrong_key");

  await chat.regenerate();
  assert.equal(chat.status, "ready");
  assert.equal(textOf(chat.lastMessage), WORDS);
  const { messages } = await stored(chat.id);
  assert.deepEqual(
    messages.map((each) => [each.role, each.status]),
    [
      ["user", "complete"],
      ["assistant", "failed"],
      ["assistant", "complete"],
    ],
  );
});

test("an answer that breaks in its middle keeps what was written", LATER, async () => {
  await reply({ text: WORDS, cut_after: 4 });
  const chat = newChat();

  await chat.sendMessage(text);

  assert.equal(chat.status, "error");
  assert.equal(chat.lastMessage.metadata.status, "failed");
  assert.equal(textOf(chat.lastMessage), "The answer is 42,");
  assert.equal((await stored(chat.id)).messages[1].content, "The answer is 42,");
});

test("whoever stops to read ends nothing, and comes back to all of it", LATER, async () => {
  await reply(SLOW);
  const chat = newChat();
  const sending = chat.sendMessage(text);
  await begun(chat);

  await chat.stop();
  await sending;
  const partial = textOf(chat.lastMessage);
  await chat.resumeStream();

  assert.notEqual(partial, WORDS);
  assert.equal(chat.status, "ready");
  assert.equal(chat.messages.length, 2);
  assert.equal(textOf(chat.lastMessage), WORDS);
  assert.equal((await ended(chat.id, "complete")).content, WORDS);
});

test("another client of the person resumes the same answer", LATER, async () => {
  await reply(SLOW);
  const chat = newChat();
  const sending = chat.sendMessage(text);
  await begun(chat);

  const other = newChat({ id: chat.id, messages: chat.messages.slice(0, 1) });
  await Promise.all([sending, other.resumeStream()]);

  assert.equal(textOf(other.lastMessage), WORDS);
  assert.equal(other.lastMessage.id, chat.lastMessage.id);
  assert.equal(textOf(chat.lastMessage), WORDS);
});

test("there may be nothing to resume", LATER, async () => {
  const chat = newChat();
  await chat.resumeStream();
  assert.equal(chat.status, "ready");

  await chat.sendMessage(text);
  await chat.resumeStream();

  assert.equal(chat.status, "ready");
  assert.equal(chat.messages.length, 2);
});

test("an answer is stopped by DELETE, and ends as aborted", LATER, async () => {
  await reply({ text: WORDS, silent_after: 4 });
  const chat = newChat();
  const sending = chat.sendMessage(text);
  await begun(chat);

  const url = `${API}/${chat.id}/stream`;
  const { status } = await fetch(url, { method: "DELETE", headers: WITH_TOKEN });
  await sending;

  assert.equal(status, 204);
  assert.equal(chat.status, "ready");
  assert.equal(chat.lastMessage.metadata.status, "stopped");
  assert.equal((await stored(chat.id)).messages[1].status, "stopped");
});

test("another answer leaves the earlier one in the store", LATER, async () => {
  const chat = newChat();
  await chat.sendMessage(text);
  const first = chat.lastMessage.id;

  await chat.regenerate({ messageId: first });

  assert.equal(chat.messages.length, 2);
  assert.notEqual(chat.lastMessage.id, first);
  const { messages } = await stored(chat.id);
  assert.deepEqual(
    messages.map((each) => each.parentId),
    [null, messages[0].id, messages[0].id],
  );
});

test("a question that is changed is a new branch, which goes on", LATER, async () => {
  const chat = newChat();
  await chat.sendMessage(text);

  await chat.sendMessage({ text: "Another question?", messageId: chat.messages[0].id });
  await chat.sendMessage({ text: "Why?" });

  const said = (await asked()).at(-1).messages.map((each) => each.content);
  assert.deepEqual(said, ["Another question?", WORDS, "Why?"]);
  const { messages } = await stored(chat.id);
  assert.deepEqual(
    messages.filter((each) => each.parentId === null).map((each) => each.content),
    ["What is the answer?", "Another question?"],
  );
});

test("the same POST again joins the answer to the first one", LATER, async () => {
  await reply(SLOW);
  const before = (await asked()).length;
  const message = { id: newId(), role: "user", parts: [{ type: "text", text: "Why?" }] };
  const request = { chatId: newId(), messages: [message], trigger: "submit-message" };

  const streams = [await transport().sendMessages(request), await transport().sendMessages(request)];
  const read = async (stream) => {
    let last;
    for await (last of readUIMessageStream({ stream }));
    return last;
  };
  const [first, second] = await Promise.all(streams.map(read));

  assert.equal(textOf(first), WORDS);
  assert.equal(textOf(second), WORDS);
  assert.equal(second.id, first.id);
  assert.equal((await asked()).length, before + 1);
});

test("a session asks with its cookies and the CSRF token", LATER, async () => {
  const headers = {
    Cookie: process.env.CHATCORE_COOKIES,
    "X-CSRFToken": process.env.CHATCORE_CSRF,
  };
  const chat = newChat({ headers });

  await chat.sendMessage(text);

  assert.equal(textOf(chat.lastMessage), WORDS);
});

test("a session without its CSRF token is refused", LATER, async () => {
  const chat = newChat({ headers: { Cookie: process.env.CHATCORE_COOKIES } });

  await chat.sendMessage(text);

  assert.equal(JSON.parse(chat.error.message).error.code, "csrf_failed");
});

test("a wrong token is an error with a code", LATER, async () => {
  const chat = newChat({ headers: { Authorization: "Bearer cc_wrong" } });

  await chat.sendMessage(text);

  assert.equal(chat.status, "error");
  assert.equal(JSON.parse(chat.error.message).error.code, "authentication_failed");
});

test("files are refused in words", LATER, async () => {
  const chat = newChat();
  const file = { type: "file", mediaType: "text/plain", url: "data:text/plain;base64,QQ==" };

  await chat.sendMessage({ text: "Read this.", files: [file] });

  assert.match(JSON.parse(chat.error.message).error.message, /files are not taken/);
});

// The last one: nothing can be asked behind it.
test("a limit is an error that says when it ends", LATER, async () => {
  const statuses = [];
  const spy = async (...request) => {
    const response = await fetch(...request);
    statuses.push([response.status, response.headers.get("retry-after")]);
    return response;
  };
  let chat;

  // A window may end on the way, and another one begin.
  for (let i = 0; i <= 2 * process.env.CHATCORE_LIMIT && chat?.status !== "error"; i++) {
    chat = newChat({ fetch: spy });
    await chat.sendMessage(text);
  }

  assert.equal(JSON.parse(chat.error.message).error.code, "rate_limited");
  const [status, wait] = statuses.at(-1);
  assert.equal(status, 429);
  assert.match(wait, /^[1-9]\d?$/);
});
