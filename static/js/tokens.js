// The page of API tokens: a new token is shown once, and copied from here.

import { copyText, COPY_YOURSELF } from "./clipboard.js";

const field = document.getElementById("new-token");

if (field) {
  // A reload is to ask for the page, not to send the form again and make a second token.
  history.replaceState(null, "", location.href);
  field.select();
  field.addEventListener("focus", () => field.select());
  offerToCopy(document.getElementById("copy-token"));
}

function offerToCopy(button) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const isCopied = await copyText(field.value);
    button.lastElementChild.textContent = isCopied ? "Copied" : COPY_YOURSELF;
    // To see what is meant; and where it is not copied, for the keyboard.
    field.select();
  });
}
