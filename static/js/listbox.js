// A list of options that a text field walks through: the field keeps the focus all the time, and
// says which option is the active one.

/** Whether each word of the query stands in the text, in any case. */
export function matches(query, text) {
  const where = text.toLowerCase();
  return query.toLowerCase().split(/\s+/).every((word) => where.includes(word));
}

/** The place of the option to go to from place `at` (-1 for none), around the ends of `count`. */
export function stepFrom(at, step, count) {
  if (at < 0) return step > 0 ? 0 : count - 1;
  return (at + step + count) % count;
}

/** @param onPick called with the option that was clicked, or chosen by Enter */
export function createListbox(field, list, { onPick }) {
  let active = null;

  const shown = () =>
    [...list.querySelectorAll("[role=option]")].filter((option) => !option.hidden);

  function activate(option) {
    active?.classList.remove("is-active");
    active = option ?? null;
    if (active === null) {
      field.removeAttribute("aria-activedescendant");
      return;
    }
    active.classList.add("is-active");
    field.setAttribute("aria-activedescendant", active.id);
    active.scrollIntoView({ block: "nearest" });
  }

  function step(by) {
    const options = shown();
    if (options.length > 0) activate(options[stepFrom(options.indexOf(active), by, options.length)]);
  }

  list.addEventListener("click", ({ target }) => {
    const option = target.closest("[role=option]");
    if (option !== null) onPick(option);
  });
  // A press on the list would take the focus from the field.
  list.addEventListener("mousedown", (event) => event.preventDefault());

  return {
    activate,
    shown,
    /** Whether the key was one for the list; then it is done with. */
    press(event) {
      // While an input method composes a character, all keys are its own.
      if (event.isComposing || event.keyCode === 229) return false;
      if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return false;
      if (event.key === "ArrowDown") step(1);
      else if (event.key === "ArrowUp") step(-1);
      else if (event.key === "Enter" && active !== null) onPick(active);
      else return false;
      event.preventDefault();
      return true;
    },
  };
}
