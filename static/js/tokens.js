// The page of API tokens: a new token is shown once, and copied from here.

const field = document.getElementById("new-token");

if (field) {
  // A reload is to ask for the page, not to send the form again and make a second token.
  history.replaceState(null, "", location.href);
  field.select();
  field.addEventListener("focus", () => field.select());
  offerToCopy(document.getElementById("copy-token"));
}

function offerToCopy(button) {
  // Browsers have a clipboard only on HTTPS and on localhost.
  if (!navigator.clipboard) return;
  button.hidden = false;
  button.addEventListener("click", async () => {
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      button.lastElementChild.textContent = "Copied";
    } catch {
      // Not allowed: the token is selected, and the keyboard copies it.
    }
  });
}
