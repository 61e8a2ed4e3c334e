// The import of chats: how much is sent, and what comes of it, in the page that is there. Without
// this script the form is sent as a form, and the answer is the page anew.

const form = document.getElementById("import-form");
const input = form.elements.file;
const button = form.querySelector("button");
const progress = document.getElementById("import-progress");
const result = document.getElementById("import-result");
const MB = 1024 * 1024;

let isRunning = false;

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (isRunning) return;
  const most = Number(form.dataset.maxMb);
  const size = Array.from(input.files).reduce((sum, file) => sum + file.size, 0);
  if (size > most * MB) {
    say(`That is ${Math.ceil(size / MB)} MB. At most ${most} MB can be imported.`, { isError: true });
  } else {
    send();
  }
});

function send() {
  const request = new XMLHttpRequest(); // fetch does not tell how much is sent
  const goOn = setRunning();
  request.upload.addEventListener("progress", ({ lengthComputable, loaded, total }) => {
    if (lengthComputable) progress.value = (100 * loaded) / total;
  });
  request.upload.addEventListener("load", () => {
    progress.removeAttribute("value");
    progress.setAttribute("aria-label", "Importing");
    say("Importing… It goes on if you leave this page.");
  });
  request.addEventListener("load", () => show(request));
  request.addEventListener("error", () =>
    say("The connection was lost. Import the same file again: nothing comes twice.", { isError: true }),
  );
  request.addEventListener("loadend", goOn);
  request.open("POST", form.action);
  request.send(new FormData(form));
}

/** Until what it returns is called. The button stays, with the focus that it may have. */
function setRunning() {
  isRunning = true;
  button.setAttribute("aria-disabled", "true");
  progress.value = 0;
  progress.setAttribute("aria-label", "Sent");
  progress.hidden = false;
  say("Sending…");
  return () => {
    isRunning = false;
    button.removeAttribute("aria-disabled");
    progress.hidden = true;
  };
}

/** The answer is this page, or an error of the API where it did not come so far. */
function show(request) {
  const page = new DOMParser().parseFromString(request.responseText, "text/html");
  const found = page.getElementById("import-result");
  if (found) {
    result.replaceChildren(...found.childNodes);
    if (request.status === 200) form.reset();
    return;
  }
  // The log-in, if the session has ended meanwhile.
  if (request.responseURL && request.responseURL !== form.action) {
    location.assign(request.responseURL);
    return;
  }
  say(messageOf(request.responseText), { isError: true });
}

function messageOf(body) {
  try {
    return JSON.parse(body).error.message;
  } catch {
    return "The server did not take it. Try again in a moment.";
  }
}

function say(text, { isError = false } = {}) {
  const line = document.createElement("p");
  line.className = isError ? "notice notice-error" : "notice";
  line.textContent = text;
  result.replaceChildren(line);
}
