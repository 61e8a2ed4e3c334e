// The name of a chat, changed where it stands in the list.

const LONGEST = 200;

/**
 * A field in the place of the link: Enter or leaving it gives the new name, Escape none.
 * @param {(title: string | null, how: {isByKey: boolean}) => void} onEnd null if it is to stay
 */
export function editName(link, title, onEnd) {
  const field = document.createElement("input");
  field.type = "text";
  field.className = "chat-name-field";
  field.dir = "auto";
  field.maxLength = LONGEST;
  field.autocomplete = "off";
  field.value = title;
  field.setAttribute("aria-label", "Name of the chat");
  let hasEnded = false;

  function end(isWanted, isByKey) {
    if (hasEnded) return;
    hasEnded = true;
    const wanted = field.value.trim();
    field.replaceWith(link);
    onEnd(isWanted && wanted && wanted !== title ? wanted : null, { isByKey });
  }

  field.addEventListener("keydown", (event) => {
    // While an input method composes a character, Enter and Escape belong to it.
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.preventDefault();
    // Not the drawer as well.
    event.stopPropagation();
    end(event.key === "Enter", true);
  });
  // Another window in front is no decision.
  field.addEventListener("blur", () => document.hasFocus() && end(true, false));

  link.replaceWith(field);
  field.focus();
  field.select();
  // Its beginning is what tells chats apart.
  field.scrollLeft = 0;
}
