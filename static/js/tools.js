// The tools of one answer: what the model asked for, what came of it, and what the person is asked.

import { newId } from "./socket.js";

const STATES = {
  "input-available": "Running …",
  "approval-requested": "Waits for you",
  "output-available": "Done",
  "output-error": "Failed",
};
const DECISIONS = {
  once: "Allowed once",
  chat: "Allowed in this chat",
  deny: "Denied",
  timeout: "Nobody answered in time",
};

/** A name such as "rocketreach_person_lookup" for people. */
const inWords = (name) => name.replaceAll("_", " ").replace(/^rocketreach/, "RocketReach");

const asText = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/**
 * @param place gives the list that the next card belongs into
 * @param onDecide called with the id of a call and "once", "chat" or "deny"
 */
export function createTools(place, { onDecide }) {
  const template = document.getElementById("tool-template");
  const cards = new Map();

  function card(id, name, input) {
    if (cards.has(id)) return cards.get(id);
    const element = template.content.firstElementChild.cloneNode(true);
    element.querySelector(".tool-name").textContent = inWords(name);
    element.querySelector(".tool-input").textContent = asText(input);
    const question = element.querySelector(".tool-question");
    question.id = `question-${newId()}`;
    element.querySelector(".tool-ask").setAttribute("aria-labelledby", question.id);
    for (const button of element.querySelectorAll("[data-decision]")) {
      button.addEventListener("click", () => {
        // Said once; what the server makes of it comes back to every tab.
        for (const other of element.querySelectorAll("[data-decision]")) other.disabled = true;
        onDecide(id, button.dataset.decision);
      });
    }
    place().append(element);
    cards.set(id, element);
    state(element, "input-available");
    return element;
  }

  function state(element, name) {
    element.dataset.state = name;
    element.querySelector(".tool-state").textContent = STATES[name] ?? "";
    element.querySelector(".tool-ask").hidden = name !== "approval-requested";
  }

  function say(element, decision) {
    element.querySelector(".tool-decision").textContent = DECISIONS[decision] ?? "";
  }

  function output(element, text, isError) {
    const place = element.querySelector(".tool-output");
    place.textContent = text;
    place.hidden = false;
    element.querySelector(".tool-output-title").hidden = false;
    state(element, isError ? "output-error" : "output-available");
    if (isError) element.querySelector(".tool-fault").textContent = text;
  }

  const tools = {
    call: ({ id, name, arguments: written }) => card(id, name, parsed(written)),
    result({ id, name, content, isError }) {
      output(card(id, name, {}), isError ? content : asText(parsed(content)), isError);
    },
    ask({ id, name, question }) {
      const element = card(id, name, {});
      element.querySelector(".tool-question").textContent = question;
      for (const button of element.querySelectorAll("[data-decision]")) button.disabled = false;
      state(element, "approval-requested");
    },
    decided({ id, decision }) {
      const element = cards.get(id);
      if (!element) return;
      state(element, "input-available");
      say(element, decision);
    },
    /** What a saved message, or a snapshot, has of them. */
    show(part) {
      const element = card(part.toolCallId, part.toolName, part.input);
      say(element, part.decision);
      if (part.state === "approval-requested") {
        tools.ask({ id: part.toolCallId, name: part.toolName, question: part.question });
      } else if (part.state === "output-error") {
        output(element, part.errorText, true);
      } else if (part.state === "output-available") {
        output(element, asText(part.output), false);
      } else {
        state(element, part.state);
      }
    },
    /** No more will come: what runs still was cut short, and nothing waits for an answer. */
    end() {
      for (const element of cards.values()) {
        if (element.dataset.state.startsWith("output")) continue;
        state(element, "input-available");
        element.querySelector(".tool-state").textContent = "Not finished";
      }
    },
    clear() {
      cards.clear();
    },
  };
  return tools;
}
