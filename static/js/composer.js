// The field where messages are written.

import { charactersOf, standing } from "./counting.js";
import { createModelPicker } from "./model-picker.js";
import { createPromptList } from "./prompt-list.js";
import { loadDraft, saveDraft, saveModel } from "./storage.js";
import { inShort } from "./timing.js";

const GOES_OUT_LATER = "You can go on writing. What you send waits here and goes out when the connection is back.";
const AWAY = {
  offline: `You are offline. ${GOES_OUT_LATER}`,
  waiting: `The server cannot be reached. ${GOES_OUT_LATER}`,
  "logged-out": "You are logged out. Your text is kept: log in again to send it.",
};

const BUSY = "Wait until the answer is complete, or stop it.";

export function createComposer(form, { onSend, onStop, onModel, maxCharacters }) {
  const text = form.querySelector("textarea");
  const model = createModelPicker(form.querySelector("#model-picker"), onModel);
  const sendButton = form.querySelector("#send");
  const stopButton = form.querySelector("#stop");
  const noticeLine = form.querySelector("#composer-notice");
  const budgetLine = form.querySelector("#composer-budget");
  const waitLine = form.querySelector("#composer-wait");
  const awayLine = form.querySelector("#composer-away");
  const countLine = form.querySelector("#composer-count");
  const prompts = createPromptList(form, text, { onInsert: insert });
  let conversationId = null;
  let isAnswering = false;
  let isWaiting = false;
  let isLoggedOut = false;
  let isTooLong = false;

  function notice(message) {
    // Not said again at each key.
    if (noticeLine.textContent !== message) noticeLine.textContent = message;
    noticeLine.hidden = !message;
  }

  // Where the style sheet alone cannot let the field grow with its text.
  const grow = CSS.supports("field-sizing", "content")
    ? () => {}
    : () => {
        text.style.height = "auto";
        text.style.height = `${text.scrollHeight}px`;
      };

  function update() {
    sendButton.disabled = isWaiting || isLoggedOut || isTooLong || !/\S/.test(text.value);
    sendButton.hidden = isAnswering;
    stopButton.hidden = !isAnswering;
  }

  function changed() {
    saveDraft(conversationId, text.value);
    const { fault, count } = standing(charactersOf(text.value, maxCharacters), maxCharacters);
    isTooLong = fault !== "";
    notice(fault);
    countLine.textContent = count;
    countLine.hidden = !count;
    grow();
    update();
  }

  function submit() {
    const content = text.value;
    if (isAnswering && /\S/.test(content)) notice(BUSY);
    if (isAnswering || sendButton.disabled) return;
    text.value = "";
    saveModel(model.value);
    // Before the draft goes, the question is remembered as one that was asked.
    onSend(content, model.value);
    changed();
    text.focus();
  }

  /** In place of what is in the field, so that Ctrl+Z brings that back. */
  function insert(content) {
    text.focus();
    text.select();
    // Deprecated, and still the only way that the browser's own undo knows of.
    if (!document.execCommand("insertText", false, content)) text.value = content;
    changed();
  }

  text.addEventListener("input", () => {
    changed();
    prompts.look();
  });
  // On a touch keyboard Enter is the only way to a new line, and a focus brings it up unasked.
  const isTouch = matchMedia("(pointer: coarse)").matches;
  const focus = () => {
    if (!isTouch) text.focus();
  };
  focus();

  text.addEventListener("keydown", (event) => {
    if (prompts.press(event) || isTouch) return;
    // While an input method composes a character, Enter belongs to it.
    // (Safari says so by the key code alone.)
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    submit();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  stopButton.addEventListener("click", () => {
    onStop();
    text.focus();
  });

  return {
    get model() {
      return model.value;
    },
    /** All that can be chosen. */
    models: model.refs,
    chooseModel: model.open,
    notice,
    /** Say that nothing can be asked before the answer is complete. */
    sayBusy: () => notice(BUSY),
    focus,
    /** Begin with what was typed in this chat before and not sent. */
    open(id) {
      conversationId = id;
      if (!text.value) text.value = loadDraft(id);
      changed();
    },
    /** The chat has an id now; what was typed meanwhile belongs to it. */
    rename(id) {
      if (id === conversationId) return;
      saveDraft(conversationId, "");
      conversationId = id;
      saveDraft(id, text.value);
    },
    /** Give back what could not be sent, before whatever was typed since. */
    restore(content) {
      text.value = text.value ? `${content}\n\n${text.value}` : content;
      changed();
    },
    answering(value) {
      isAnswering = value;
      if (!isAnswering && noticeLine.textContent === BUSY) notice("");
      update();
    },
    /** How the connection is: "ready", "waiting", "offline" or "logged-out". */
    connection(state) {
      isLoggedOut = state === "logged-out";
      awayLine.querySelector("span").textContent = AWAY[state] ?? "";
      awayLine.hidden = !(state in AWAY);
      update();
    },
    /** How a monthly budget stands, if there is something to say of it. */
    budget(sentence) {
      budgetLine.textContent = sentence ?? "";
      budgetLine.hidden = !sentence;
    },
    /** A limit: nothing can be sent for so many seconds, though it can be written. 0 ends it. */
    waiting(seconds) {
      isWaiting = seconds > 0;
      waitLine.hidden = !isWaiting;
      waitLine.textContent = isWaiting
        ? `You have sent many questions. You can send again in ${inShort(seconds)}.`
        : "";
      update();
    },
  };
}
