// The messages on the page.

import { createFollower } from "./follow.js";
import { openEditor, showActions } from "./message_actions.js";
import { createPages } from "./pages.js";
import { createParts } from "./parts.js";
import { countDown, inShort, oncePerRefresh } from "./timing.js";

const ENDINGS = {
  stopped: "You stopped this answer.",
  interrupted: "This answer was interrupted: the server was stopped while it was written.",
};
const ENDINGS_WITHOUT_TEXT = {
  stopped: "You stopped this answer before it began.",
  interrupted: "This answer was interrupted before it began: the server was stopped.",
};

const textOf = (parts, type) =>
  parts.filter((part) => part.type === type).map((part) => part.text).join("");

/** `on`: what is called for the buttons of messages; see chat.js. */
export function createThread({ scroller, list, jump, on }) {
  const messageTemplate = document.getElementById("message-template");
  const endingTemplate = document.getElementById("ending-template");
  const pages = createPages({ scroller, list });
  const view = createFollower({ scroller, list, button: jump, onJump: on.jump });

  function build(role) {
    const element = messageTemplate.content.firstElementChild.cloneNode(true);
    element.classList.add(`message-${role}`);
    element.querySelector("h2").textContent = role === "user" ? "You" : "Answer";
    return element;
  }

  /** A question, and below an answer; whoever makes them places their elements. */
  function makeUser({ id, parentId = null, text, siblings = [id], isPending = false }) {
    const element = build("user");
    element.dataset.id = id;
    element.querySelector(".message-body").textContent = text;
    element.classList.toggle("is-pending", isPending);
    const question = {
      id,
      parentId,
      element,
      siblings,
      source: () => text,
      remove: () => pages.remove(element),
      hide: (isHidden) => pages.hide(element, isHidden),
      settle() {
        element.classList.remove("is-pending");
        question.actions.show();
      },
      /** Let it be written anew, beginning with what was typed before. */
      edit(typed = text) {
        if (element.querySelector(".edit")) return;
        openEditor(element.querySelector(".message-body"), typed, {
          onSend: (changed) => on.edit(question, changed),
          onCancel: () => question.actions.focusEdit(),
        });
      },
    };
    question.actions = showActions(element, question, {
      isQuestion: true,
      onEdit: () => question.edit(),
      onVersion: (to, name) => on.version(question, to, name),
      onSay: on.say,
    });
    if (!isPending) question.actions.show();
    return question;
  }

  function makeAnswer({ id, parentId, model = "", createdAt = null, siblings = [id] }) {
    const element = build("assistant");
    element.dataset.id = id;
    const waiting = element.querySelector(".message-waiting");
    const retrying = element.querySelector(".message-retrying");
    const reasoningBox = element.querySelector(".reasoning");
    const reasoningText = element.querySelector(".reasoning-text");
    const ending = element.querySelector(".message-ending");
    const parts = createParts(element.querySelector(".message-parts"), { onDecide: on.decide });
    const drawing = oncePerRefresh(() => {
      draw();
      view.tell();
    });
    let text = "";
    let reasoning = "";
    // What came since the page was drawn.
    let newText = "";
    let newReasoning = "";
    let endCountdown = () => {};

    function draw() {
      if (newReasoning) {
        reasoningBox.hidden = false;
        if (!reasoningText.firstChild) reasoningText.append("");
        reasoningText.firstChild.appendData(newReasoning);
      }
      if (newText) parts.append(newText);
      newText = newReasoning = "";
    }

    function showProgress({ isWaiting }) {
      waiting.hidden = !isWaiting;
      retrying.hidden = true;
      endCountdown();
    }

    const answer = {
      id,
      parentId,
      element,
      siblings,
      made: null,
      source: () => parts.source(),
      remove: () => pages.remove(element),
      hide: (isHidden) => pages.hide(element, isHidden),
      wait() {
        showProgress({ isWaiting: true });
        view.tell();
      },
      append(piece) {
        showProgress({ isWaiting: false });
        text += piece;
        newText += piece;
        drawing.request();
      },
      appendReasoning(piece) {
        showProgress({ isWaiting: text === "" });
        reasoning += piece;
        newReasoning += piece;
        drawing.request();
      },
      /** What happened with a tool: "call", "result", "ask" or "decided", as the frame says. */
      tool(what, frame) {
        showProgress({ isWaiting: what !== "ask" });
        // It stands behind all that came before.
        draw();
        parts.tools[what](frame);
        view.tell();
      },
      /** The model did not begin, and is asked again in so many seconds. */
      retry(message, seconds) {
        showProgress({ isWaiting: true });
        retrying.hidden = false;
        endCountdown = countDown(seconds, (left) => {
          const when = left > 0 ? `Trying again in ${inShort(left)}` : "Trying again …";
          retrying.textContent = `${message} ${when}`;
        });
        view.tell();
      },
      /** All there is by now. What is shown of it already stays as it is. */
      replace(whole) {
        if (!whole.text.startsWith(text) || !whole.reasoning.startsWith(reasoning)) {
          text = reasoning = newText = newReasoning = "";
          reasoningText.replaceChildren();
          parts.clear();
        }
        const more = whole.reasoning.slice(reasoning.length);
        if (more) answer.appendReasoning(more);
        let at = 0;
        for (const part of whole.parts ?? [{ type: "text", text: whole.text }]) {
          if (part.type === "text") {
            at += part.text.length;
            if (at > text.length) answer.append(whole.text.slice(text.length, at));
          } else if (part.type === "dynamic-tool") {
            draw();
            parts.tools.show(part);
          }
        }
      },
      /** No more will come; `error` says why, if the answer is not whole. */
      end(status, error, { isNews = true } = {}) {
        showProgress({ isWaiting: false });
        drawing.cancel();
        draw();
        parts.end();
        const hasText = text.trim() !== "";
        const message = error?.message ?? (hasText ? ENDINGS : ENDINGS_WITHOUT_TEXT)[status];
        if (message) showEnding(message, { isError: status === "failed", isNews, hasText });
        answer.made = { model, createdAt: createdAt ?? new Date().toISOString() };
        answer.actions.show();
        // Who opens a chat is taken to its end once.
        if (isNews) view.tell();
      },
    };

    function showEnding(message, { isError, isNews, hasText }) {
      const notice = endingTemplate.content.firstElementChild.cloneNode(true);
      notice.classList.toggle("notice-error", isError);
      // An old failure is not announced again at each visit.
      if (isError && isNews) notice.setAttribute("role", "alert");
      notice.querySelector(".notice-text").textContent = message;
      const goOn = notice.querySelector("[data-action=continue]");
      // Of nothing nothing can be continued.
      if (hasText) goOn.addEventListener("click", () => on.continue(answer));
      else goOn.remove();
      notice.querySelector("[data-action=retry]").addEventListener("click", () => on.retry(answer));
      ending.replaceChildren(notice);
      ending.hidden = false;
    }

    answer.actions = showActions(element, answer, {
      isQuestion: false,
      onRegenerate: () => on.retry(answer),
      onDetails: () => on.details(answer),
      onVersion: (to, name) => on.version(answer, to, name),
      onSay: on.say,
    });
    return answer;
  }

  /** A stored message, as the page's data has it. */
  function makeStored(message) {
    const text = textOf(message.parts, "text");
    if (message.role === "user") return makeUser({ ...message, text });
    const answer = makeAnswer(message);
    answer.replace({ text, reasoning: textOf(message.parts, "reasoning"), parts: message.parts });
    answer.end(message.status, message.error, { isNews: false });
    return answer;
  }

  function place(message) {
    pages.append(message.element);
    return message;
  }

  return {
    /** `isOwn`: asked here and now, so the view goes there. */
    addUser({ isOwn = false, ...question }) {
      const added = place(makeUser(question));
      if (isOwn) view.goToEnd();
      else view.tell();
      return added;
    },
    addAnswer: (answer) => place(makeAnswer(answer)),
    /** Stored messages behind all others. */
    addStored: (stored) => stored.map((message) => place(makeStored(message))),
    /** Stored messages before all others. Those that are shown stay where they are. */
    addEarlier(stored) {
      if (stored.length === 0) return [];
      const messages = stored.map(makeStored);
      const first = pages.first();
      view.keep(first, () => {
        pages.prepend(messages.map(({ element }) => element));
        return first;
      });
      return messages;
    },
    toEnd: view.toEnd,
    keep: view.keep,
    /** While nothing may be sent, nothing can be asked again either. */
    allowRetry(isAllowed) {
      for (const button of list.querySelectorAll(".notice button")) button.disabled = !isAllowed;
    },
  };
}
