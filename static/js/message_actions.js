// What can be done with a message: copy it, ask it in other words, have another answer, and look at
// its other versions.

import { copyText, COPY_YOURSELF } from "./clipboard.js";

const COPIED_SECONDS = 2;

function showMade(place, { model, createdAt }) {
  const name = document.createElement("span");
  name.textContent = model.slice(model.indexOf(":") + 1);
  name.title = model;
  const made = new Date(createdAt);
  const time = document.createElement("time");
  time.dateTime = made.toISOString();
  time.title = made.toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" });
  const isToday = made.toDateString() === new Date().toDateString();
  const day = isToday ? {} : { day: "numeric", month: "short" };
  time.textContent = made.toLocaleString(undefined, { ...day, hour: "numeric", minute: "2-digit" });
  place.replaceChildren(...(model ? [name, " · "] : []), time);
}

/** Numbers that are asked for when they are wanted: each time anew, as prices change. */
function setUpDetails(button, place, load) {
  const waiting = document.getElementById("details-waiting").content;
  const failed = document.getElementById("details-failed").content;

  async function show() {
    place.replaceChildren(waiting.cloneNode(true));
    place.setAttribute("aria-busy", "true");
    try {
      place.textContent = await load();
    } catch (error) {
      place.replaceChildren(`${error.message} `, failed.cloneNode(true));
      place.querySelector("button").addEventListener("click", () => {
        // It goes, and the keyboard is to stay here.
        button.focus();
        show();
      });
    }
    place.removeAttribute("aria-busy");
  }

  button.addEventListener("click", () => {
    place.hidden = !place.hidden;
    button.setAttribute("aria-expanded", String(!place.hidden));
    if (!place.hidden) show();
  });
}

/**
 * @param message has `id`, `siblings` (ids of all versions), `source()` and, of an answer, `made`
 */
export function showActions(element, message, { isQuestion, onEdit, onRegenerate, onDetails, onVersion, onSay }) {
  const bar = element.querySelector(".message-actions");
  const button = (name) => bar.querySelector(`[data-action=${name}]`);
  const label = button("copy").querySelector(".action-label");
  let timer = null;

  button("copy").addEventListener("click", async () => {
    const isCopied = await copyText(message.source());
    if (!isCopied) getSelection().selectAllChildren(element.querySelector(".message-parts"));
    label.textContent = isCopied ? "Copied" : COPY_YOURSELF;
    onSay(isCopied ? "Copied." : "The text is selected. Copy it with the keyboard.");
    clearTimeout(timer);
    timer = setTimeout(() => {
      label.textContent = "Copy";
    }, COPIED_SECONDS * 1000);
  });
  if (isQuestion) {
    button("regenerate").remove();
    button("details").remove();
    bar.querySelector(".answer-usage").remove();
  } else {
    button("edit").remove();
    setUpDetails(button("details"), bar.querySelector(".answer-usage"), onDetails);
  }
  button("edit")?.addEventListener("click", onEdit);
  button("regenerate")?.addEventListener("click", onRegenerate);
  for (const [name, step] of [["previous", -1], ["next", 1]]) {
    button(name).addEventListener("click", () => {
      const id = message.siblings[message.siblings.indexOf(message.id) + step];
      if (id) onVersion(id, name);
    });
  }

  return {
    /** Of a message that is whole. */
    show() {
      if (message.made) showMade(bar.querySelector(".answer-made"), message.made);
      bar.hidden = false;
      this.place();
    },
    /** Its place among its versions. */
    place() {
      const count = message.siblings.length;
      const at = message.siblings.indexOf(message.id) + 1;
      bar.querySelector(".versions").hidden = count < 2;
      bar.querySelector(".version-position").textContent = `${at}/${count}`;
      button("previous").disabled = at <= 1;
      button("next").disabled = at >= count;
    },
    /** For whoever pressed a button of a version that is gone. */
    focus(name) {
      const wanted = button(name);
      const other = button(name === "next" ? "previous" : "next");
      (wanted.disabled ? other : wanted).focus();
    },
    focusEdit: () => button("edit")?.focus(),
  };
}

/** A question as a field. Enter sends it, Escape leaves it as it was. */
export function openEditor(body, text, { onSend, onCancel }) {
  const template = document.getElementById("edit-template");
  const form = template.content.firstElementChild.cloneNode(true);
  const field = form.querySelector("textarea");
  field.value = text;
  body.hidden = true;
  body.after(form);

  function close() {
    form.remove();
    body.hidden = false;
  }

  function cancel() {
    close();
    onCancel();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (field.value.trim() && onSend(field.value)) close();
  });
  form.querySelector("[data-action=cancel]").addEventListener("click", cancel);
  field.addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Escape") {
      event.stopPropagation();
      cancel();
    } else if (event.key === "Enter" && !event.shiftKey && !matchMedia("(pointer: coarse)").matches) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  field.focus();
  field.setSelectionRange(field.value.length, field.value.length);
}
