// The messages on the page.

import { createMarkdownWriter } from "./markdown.js";
import { countDown, inShort, oncePerRefresh } from "./timing.js";
import { createToolList } from "./tools.js";

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

export function createThread({ scroller, list, onRetry, onContinue, onDecide }) {
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

  /** `isOwn`: asked here and now, so the view goes there. */
  function addUser({ id, text, isPending = false, isOwn = false }) {
    const element = build("user");
    element.dataset.id = id;
    element.querySelector(".message-body").textContent = text;
    element.classList.toggle("is-pending", isPending);
    if (isOwn) {
      follows = true;
      toEnd();
    }
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
    const retrying = element.querySelector(".message-retrying");
    const reasoningBox = element.querySelector(".reasoning");
    const reasoningText = element.querySelector(".reasoning-text");
    const ending = element.querySelector(".message-ending");
    const tools = createToolList(element.querySelector(".tools"), { onDecide });
    const drawing = oncePerRefresh(() => {
      draw();
      toEnd();
    });
    let writer = createMarkdownWriter(body);
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
      if (newText) writer.append(newText);
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
      remove: () => element.remove(),
      hide(isHidden) {
        element.hidden = isHidden;
      },
      wait() {
        showProgress({ isWaiting: true });
        toEnd();
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
        tools[what](frame);
        toEnd();
      },
      /** The model did not begin, and is asked again in so many seconds. */
      retry(message, seconds) {
        showProgress({ isWaiting: true });
        retrying.hidden = false;
        endCountdown = countDown(seconds, (left) => {
          const when = left > 0 ? `Trying again in ${inShort(left)}` : "Trying again …";
          retrying.textContent = `${message} ${when}`;
        });
        toEnd();
      },
      /** All there is by now. What is shown of it already stays as it is. */
      replace(whole) {
        if (!whole.text.startsWith(text) || !whole.reasoning.startsWith(reasoning)) {
          text = reasoning = newText = newReasoning = "";
          body.replaceChildren();
          reasoningText.replaceChildren();
          tools.clear();
          writer = createMarkdownWriter(body);
        }
        for (const part of whole.tools ?? []) tools.show(part);
        const more = whole.reasoning.slice(reasoning.length);
        if (more) answer.appendReasoning(more);
        if (whole.text.length > text.length) answer.append(whole.text.slice(text.length));
      },
      /** No more will come; `error` says why, if the answer is not whole. */
      end(status, error, { isNews = true } = {}) {
        showProgress({ isWaiting: false });
        drawing.cancel();
        draw();
        writer.end();
        tools.end();
        const hasText = text.trim() !== "";
        const message = error?.message ?? (hasText ? ENDINGS : ENDINGS_WITHOUT_TEXT)[status];
        if (message) showEnding(message, { isError: status === "failed", isNews, hasText });
        // Who opens a chat is taken to its end once.
        if (isNews) toEnd();
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
      if (hasText) goOn.addEventListener("click", () => onContinue(answer));
      else goOn.remove();
      notice.querySelector("[data-action=retry]").addEventListener("click", () => onRetry(answer));
      ending.replaceChildren(notice);
      ending.hidden = false;
    }

    return answer;
  }

  return {
    addUser,
    addAnswer,
    toEnd,
    /** While nothing may be sent, nothing can be asked again either. */
    allowRetry(isAllowed) {
      for (const button of list.querySelectorAll(".notice button")) button.disabled = !isAllowed;
    },
    /** A stored message, as the page's data has it. */
    addStored(message) {
      const text = textOf(message.parts, "text");
      if (message.role === "user") return addUser({ id: message.id, text });
      const answer = addAnswer(message);
      const tools = message.parts.filter((part) => part.type === "dynamic-tool");
      answer.replace({ text, reasoning: textOf(message.parts, "reasoning"), tools });
      answer.end(message.status, message.error, { isNews: false });
      return answer;
    },
  };
}
