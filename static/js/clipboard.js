// Copying, and what to say where a browser does not let a page do it.

import { isMac } from "./platform.js";

/** What is left to the person when the text is selected. */
export const COPY_YOURSELF = `Press ${isMac ? "⌘C" : "Ctrl+C"}`;

/** Whether `text` is in the clipboard now. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Only pages on HTTPS and on localhost have a clipboard, and a person may forbid it.
    return copyAsOfOld(text);
  }
}

function copyAsOfOld(text) {
  const focused = document.activeElement;
  const field = document.createElement("textarea");
  field.className = "visually-hidden";
  field.value = text;
  document.body.append(field);
  field.select();
  try {
    return document.execCommand("copy");
  } catch {
    return false;
  } finally {
    field.remove();
    focused?.focus({ preventScroll: true });
  }
}
