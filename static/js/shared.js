// A shared chat: its answers, which are there as plain text, are shown as the chat page shows them.

import { createMarkdownWriter } from "./markdown.js";

for (const plain of document.querySelectorAll(".message-assistant .plain")) {
  const text = plain.textContent;
  const body = plain.parentElement;
  const writer = createMarkdownWriter(body);
  plain.remove();
  writer.append(text);
  writer.end();
}
