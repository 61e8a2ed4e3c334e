// The field where messages are written.

import { inShort } from "./timing.js";
import { loadDraft, loadModel, saveDraft, saveModel } from "./storage.js";

export function createComposer(form, { onSend, onStop, maxCharacters }) {
  const text = form.querySelector("textarea");
  const model = form.querySelector("select");
  const sendButton = form.querySelector("#send");
  const stopButton = form.querySelector("#stop");
  const noticeLine = form.querySelector("#composer-notice");
  const budgetLine = form.querySelector("#composer-budget");
  const waitLine = form.querySelector("#composer-wait");
  let conversationId = null;
  let isAnswering = false;
  let isWaiting = false;

  // In a new chat what the person has set comes before what this browser remembers.
  const lastModel = form.dataset.defaultModel ?? loadModel();
  if ([...model.options].some(({ value }) => value === lastModel)) model.value = lastModel;
  model.addEventListener("change", () => saveModel(model.value));

  function notice(message) {
    noticeLine.textContent = message;
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
    grow();
    sendButton.disabled = isWaiting || !text.value.trim();
    sendButton.hidden = isAnswering;
    stopButton.hidden = !isAnswering;
  }

  function changed() {
    saveDraft(conversationId, text.value);
    const over = text.value.length - maxCharacters;
    notice(
      over > 0
        ? `This is ${over.toLocaleString()} characters too long. At most ${maxCharacters.toLocaleString()} can be sent at once.`
        : "",
    );
    update();
  }

  function submit() {
    const content = text.value;
    if (!content.trim() || content.length > maxCharacters || isAnswering || isWaiting) return;
    text.value = "";
    saveModel(model.value);
    // Before the draft goes, the question is remembered as one that was asked.
    onSend(content, model.value);
    changed();
    text.focus();
  }

  text.addEventListener("input", changed);
  // On a touch keyboard Enter is the only way to a new line, and a focus brings it up unasked.
  const isTouch = matchMedia("(pointer: coarse)").matches;
  const focus = () => {
    if (!isTouch) text.focus();
  };
  focus();

  text.addEventListener("keydown", (event) => {
    if (isTouch) return;
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
    notice,
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
