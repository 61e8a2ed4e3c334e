// Short messages at the edge of the page, perhaps with something to press.

// Long enough to be read and reached by keyboard; not while it is looked at.
const SHOWN_FOR = 10_000;

let region = null;
let dismiss = () => {};

/** Has to be there before the first message, or screen readers say nothing. */
export function setUpToasts() {
  region = document.createElement("div");
  region.className = "toasts";
  region.setAttribute("role", "status");
  document.body.append(region);
}

/**
 * Show a message in the place of the one before.
 * @param {{label: string, press: () => void}} [action] a button beside it
 */
export function toast(message, action) {
  dismiss();
  const element = document.createElement("div");
  element.className = "toast";
  const text = document.createElement("span");
  text.className = "toast-text";
  text.textContent = message;
  element.append(text);
  let timer = null;

  function hide() {
    clearTimeout(timer);
    element.remove();
  }

  function wait() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (element.matches(":hover, :focus-within")) wait();
      else hide();
    }, SHOWN_FOR);
  }

  if (action) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "toast-action";
    button.textContent = action.label;
    const before = document.activeElement;
    button.addEventListener("click", () => {
      // It goes, and the keyboard is to stay on the page.
      if (button.matches(":focus-visible")) before.focus();
      hide();
      action.press();
    });
    element.append(button);
  }
  dismiss = hide;
  region.append(element);
  wait();
}
