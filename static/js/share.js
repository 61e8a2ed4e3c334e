// The dialog that shares the chat that is shown, by a link to it as it is now.

import { ask } from "./chats-api.js";

/** @param {{leaf: () => string | undefined}} page `leaf`: the last message that is shown and saved */
export function setUpShare({ leaf }) {
  const dialog = document.getElementById("share-dialog");
  // Sharing is switched off.
  if (!dialog) return { open() {} };

  const { url } = dialog.dataset;
  const title = dialog.querySelector("h2");
  const field = dialog.querySelector("#share-address");
  const said = dialog.querySelector(".share-said");
  const fault = dialog.querySelector("#share-fault");
  const button = (name) => dialog.querySelector(`[data-share=${name}]`);
  let chatId = null;

  function say(sentence) {
    said.textContent = sentence;
  }

  /** Whether the person is asked if the link is really to end. */
  function beSure(isAsked) {
    dialog.querySelector(".share-sure").hidden = !isAsked;
    dialog.querySelector(".share-actions").hidden = isAsked;
  }

  /** What there is to do: with the chat's link, or, for null, without one. */
  function show(link) {
    beSure(false);
    const isShared = link !== null;
    dialog.querySelector(".share-link").hidden = !isShared;
    button("make").hidden = isShared;
    button("ask").hidden = !isShared;
    button("renew").hidden = !isShared || link.messageId === leaf();
    if (!isShared) return;
    field.value = new URL(link.path, location.href).href;
    const date = new Date(link.sharedAt).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    const isLatest = link.messageId === leaf();
    dialog.querySelector("#share-date").textContent = isLatest
      ? `Shows the chat as of ${date}, all that you see now.`
      : `Shows the chat as of ${date}. You see more now, or another version.`;
  }

  /** Do `work`, which may be done twice, and say what went wrong. Returns whether it went well. */
  async function attempt(work) {
    fault.hidden = true;
    say("");
    try {
      await work();
      return true;
    } catch (error) {
      fault.textContent = error.message;
      fault.hidden = false;
      return false;
    }
  }

  const which = () => `${url}?${new URLSearchParams({ id: chatId })}`;
  const send = (method) => ask(url, { method, body: { id: chatId, messageId: leaf() } });

  async function make(method, sentence) {
    if (!(await attempt(async () => show(await send(method))))) return;
    say(sentence);
    field.focus();
    field.select();
  }

  async function stop() {
    const isDone = await attempt(async () => {
      await ask(which(), { method: "DELETE" });
      show(null);
    });
    if (isDone) say("This chat is no longer shared.");
    title.focus();
  }

  // Not by clipboard.js: its field would stand outside of the dialog, where nothing can be selected.
  async function copy() {
    field.focus();
    field.select();
    let isCopied = true;
    try {
      await navigator.clipboard.writeText(field.value);
    } catch {
      // Browsers have a clipboard only on HTTPS and on localhost, and not for everybody.
      isCopied = document.execCommand("copy");
    }
    say(isCopied ? "The link is copied." : "The link is selected. Copy it with the keyboard.");
  }

  const actions = {
    copy,
    stop,
    make: () => make("POST", "The link is made."),
    renew: () => make("PATCH", "The link shows the chat as it is now."),
    close: () => dialog.close(),
    ask() {
      beSure(true);
      say("");
      button("keep").focus();
    },
    keep() {
      beSure(false);
      button("ask").focus();
    },
  };
  for (const [name, act] of Object.entries(actions)) button(name).addEventListener("click", act);
  field.addEventListener("focus", () => field.select());
  // A click beside the sheet is one on the dialog itself.
  dialog.addEventListener("click", ({ target }) => {
    if (target === dialog) dialog.close();
  });

  return {
    /** Ask whether the chat has a link, and offer what can be done. */
    async open(id) {
      chatId = id;
      beSure(false);
      dialog.querySelector(".share-link").hidden = true;
      for (const name of ["make", "renew", "ask"]) button(name).hidden = true;
      dialog.showModal();
      title.focus();
      await attempt(async () => show((await ask(which())).links[0] ?? null));
    },
  };
}
