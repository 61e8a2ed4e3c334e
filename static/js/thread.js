// The messages on the page.

import { createMarkdownWriter, showMarkdown } from "./markdown.js";

const ENDINGS = {
  stopped: "You stopped this answer.",
  interrupted: "This answer was interrupted: the server was stopped while it was written.",
};

const textOf = (parts, type) =>
  parts.filter((part) => part.type === type).map((part) => part.text).join("");

export function createThread({ scroller, list, onRetry }) {
  const messageTemplate = document.getElementById("message-template");
  const endingTemplate = document.getElementById("ending-template");
  // The view follows the end of the answer unless the reader has scrolled up.
  let follows = true;

  scroller.addEventListener("scroll", () => {
    follows = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 60;
  });

  function toEnd() {
    if (follows) scroller.scrollTop = scroller.scrollHeight;
  }

  function build(role) {
    const element = messageTemplate.content.firstElementChild.cloneNode(true);
    element.classList.add(`message-${role}`);
    element.querySelector("h2").textContent = role === "user" ? "You" : "Answer";
    list.append(element);
    return element;
  }

  function addUser({ id, text, isPending = false }) {
    const element = build("user");
    element.dataset.id = id;
    element.querySelector(".message-body").textContent = text;
    element.classList.toggle("is-pending", isPending);
    follows = true;
    toEnd();
    return {
      id,
      remove: () => element.remove(),
      settle: () => element.classList.remove("is-pending"),
    };
  }

  function addAnswer({ id, parentId }) {
    const element = build("assistant");
    element.dataset.id = id;
    const body = element.querySelector(".message-body");
    const waiting = element.querySelector(".message-waiting");
    const reasoning = element.querySelector(".reasoning");
    const reasoningText = element.querySelector(".reasoning-text");
    const ending = element.querySelector(".message-ending");
    let writer = createMarkdownWriter(body);
    let text = "";

    const answer = {
      id,
      parentId,
      remove: () => element.remove(),
      hide(isHidden) {
        element.hidden = isHidden;
      },
      wait() {
        waiting.hidden = false;
        toEnd();
      },
      append(piece) {
        waiting.hidden = true;
        text += piece;
        writer.append(piece);
        toEnd();
      },
      appendReasoning(piece) {
        reasoning.hidden = false;
        reasoningText.append(piece);
        toEnd();
      },
      /** Begin anew with all there is. */
      replace(newText, newReasoning) {
        text = "";
        body.replaceChildren();
        reasoningText.replaceChildren();
        writer = createMarkdownWriter(body);
        if (newReasoning) answer.appendReasoning(newReasoning);
        if (newText) answer.append(newText);
      },
      /** No more will come; `error` says why, if the answer is not whole. */
      end(status, error, { isNews = true } = {}) {
        waiting.hidden = true;
        // Once more as a whole: a link may be named before the line that says where it leads.
        showMarkdown(body, text);
        const message = error?.message ?? ENDINGS[status];
        if (message) showEnding(message, { isError: status === "failed", isNews });
        toEnd();
      },
    };

    function showEnding(message, { isError, isNews }) {
      const notice = endingTemplate.content.firstElementChild.cloneNode(true);
      notice.classList.toggle("notice-error", isError);
      // An old failure is not announced again at each visit.
      if (isError && isNews) notice.setAttribute("role", "alert");
      notice.querySelector(".notice-text").textContent = message;
      notice.querySelector("[data-action=retry]").addEventListener("click", () => onRetry(answer));
      ending.replaceChildren(notice);
      ending.hidden = false;
    }

    return answer;
  }

  return {
    addUser,
    addAnswer,
    /** While nothing may be sent, nothing can be asked again either. */
    allowRetry(isAllowed) {
      for (const button of list.querySelectorAll("[data-action=retry]")) button.disabled = !isAllowed;
    },
    /** A stored message, as the page's data has it. */
    addStored(message) {
      const text = textOf(message.parts, "text");
      if (message.role === "user") return addUser({ id: message.id, text });
      const answer = addAnswer(message);
      answer.replace(text, textOf(message.parts, "reasoning"));
      answer.end(message.status, message.error, { isNews: false });
      return answer;
    },
  };
}
