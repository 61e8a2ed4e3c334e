// What an answer is made of, in order: texts, and the tools that were called between them.

import { createMarkdownWriter } from "./markdown.js";
import { createTools } from "./tools.js";

export function createParts(element, { onDecide }) {
  const toolsTemplate = document.getElementById("tools-template");
  const first = element.querySelector(".message-body");
  const tools = createTools(listForTools, { onDecide });
  let texts = [];
  let body = null;
  let writer = null;
  begin(first);

  function begin(place) {
    body = place;
    writer = createMarkdownWriter(body);
    texts.push("");
  }

  function listForTools() {
    if (texts.at(-1) === "" && body.previousElementSibling?.matches(".tools")) {
      return body.previousElementSibling;
    }
    const list = toolsTemplate.content.firstElementChild.cloneNode(true);
    if (texts.at(-1) === "") {
      body.before(list);
      return list;
    }
    writer.end();
    body.after(list);
    const next = first.cloneNode(false);
    list.after(next);
    begin(next);
    return list;
  }

  return {
    tools,
    append(text) {
      texts[texts.length - 1] += text;
      writer.append(text);
    },
    end() {
      writer.end();
      tools.end();
    },
    clear() {
      tools.clear();
      first.replaceChildren();
      element.replaceChildren(first);
      texts = [];
      begin(first);
    },
    /** As it was written. */
    source: () => texts.filter((text) => text !== "").join("\n\n"),
  };
}
