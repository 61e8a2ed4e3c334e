// The chat page: ties the composer, the thread and the socket together.

import { usageOf } from "./answer-usage.js";
import { createBanner } from "./banner.js";
import { createBranch, placeAmong } from "./branch.js";
import { createComposer } from "./composer.js";
import { setUpHeadMenu } from "./head-menu.js";
import { setUpShortcuts } from "./shortcuts.js";
import { setUpSidebar } from "./sidebar.js";
import { newId, openSocket } from "./socket.js";
import { loadLeaf, loadPending, saveDraft, saveLeaf, savePending, setOwner } from "./storage.js";
import { createThread } from "./thread.js";
import { countDown } from "./timing.js";
import { setUpUsage } from "./usage.js";

// An answer of another process of which nothing comes is looked at again after this long.
const LOOK_AGAIN = 2000;
// A page that is still there so long after it was about to be left is not left.
const LEFT_AFTER = 5000;

const page = JSON.parse(document.getElementById("page-data").textContent);
const form = document.getElementById("composer");
const greeting = document.getElementById("greeting");
const announcer = document.getElementById("announcer");
setOwner(page.userId);

let conversationId = page.conversationId;
const sidebar = setUpSidebar({
  page: page.list,
  currentId: () => conversationId,
  onRenamed(id, title) {
    if (id === conversationId) showTitle(title);
  },
});
const headMenu = setUpHeadMenu(page.conversationId, leaf);
// {frame, question?, replaced, edited?, isSent, isStopped?}: not yet known to be saved
let pending = null;
let branchAsked = null; // {message, to, name}: the version that somebody wants to see
let unsure = null; // the frame of a question that may have been saved although it was given back
let running = null; // {generationId, seq, answer, isStopped?}: the answer that is being made
let mayHaveMissed = false; // the socket was away: another tab may have written to this chat
let usageIsOld = true; // asked for when the server is there
let isLeaving = false; // another page is on its way
let endCountdown = () => {};

const scroller = document.getElementById("thread-scroll");
const list = document.getElementById("thread");
const thread = createThread({
  scroller,
  list,
  jump: document.getElementById("jump"),
  on: {
    retry: (answer) => askAgain(answer, { type: "regenerate", messageId: answer.parentId }),
    continue: (answer) => askAgain(answer, { type: "continue", messageId: answer.id }),
    decide: (callId, decision) => decide(callId, decision),
    edit: askInOtherWords,
    version: showVersion,
    details: ({ id }) => usageOf(list.dataset.usageUrl, conversationId, id),
    say: (sentence) => {
      announcer.textContent = sentence;
    },
    jump: () => composer.focus(),
  },
});
const branch = createBranch({ thread, scroller, list, chatId: () => conversationId });
const composer = createComposer(form, {
  onSend: send,
  onStop: stop,
  onModel: () => banner.draw(),
  maxCharacters: page.maxTextCharacters,
});

const banner = createBanner(document.getElementById("banner"), {
  scroller,
  facts: () => ({ model: composer.model, models: composer.models, mayAdminister: page.mayAdminister }),
  onConnection: composer.connection,
  onChooseModel: composer.chooseModel,
  onLeft: composer.focus,
});
banner.troubles(page.troubles);

setUpShortcuts({
  composer,
  stop,
  isAnswering: () => pending !== null || running !== null,
});

const usage = setUpUsage({ onBudget: (sentence) => composer.budget(sentence) });

/** What is known to be stored last of the branch that is shown. */
function leaf() {
  return branch.newestBut([pending?.question, running?.answer])?.id;
}

/** It outlives a reload of this tab. */
function rememberBranch() {
  const newest = leaf();
  if (page.conversationId !== null && newest) saveLeaf(page.conversationId, newest);
}

function update() {
  rememberBranch();
  greeting.hidden = !branch.isEmpty();
  composer.answering(pending !== null || running !== null);
}

function show(stored) {
  branch.show(stored);
  update();
}

function send(text, model) {
  // The very same question once more is the same request: if it was saved, it is not asked twice.
  const again = unsure?.text === text && unsure.parentId === branch.lastId() ? unsure : null;
  unsure = null;
  ask({
    type: "send",
    requestId: again?.requestId ?? newId(),
    conversationId: conversationId ?? again?.conversationId ?? newId(),
    messageId: again?.messageId ?? newId(),
    parentId: branch.lastId(),
    text,
    model,
  });
}

/** Ask a question, now or, if the socket is away, when it is back. */
function ask(frame, edited = null) {
  const replaced = edited ? branch.takeOut(edited) : branch.takeOutBehind(frame.parentId);
  const question = thread.addUser({
    id: frame.messageId,
    parentId: frame.parentId,
    text: frame.text,
    siblings: [...(replaced[0]?.siblings ?? []), frame.messageId],
    isPending: true,
    isOwn: true,
  });
  branch.add(question);
  conversationId = frame.conversationId;
  // Until it is known to be saved, a reload asks it again.
  savePending(frame);
  pending = { frame, question, replaced, edited, isSent: socket.send(frame) };
  update();
}

/** Whether an answer is on its way, which has to end first. The person is told. */
function isBusy() {
  const isAnswering = pending !== null || running !== null;
  if (isAnswering) composer.sayBusy();
  return isAnswering;
}

/** A question once more, as a branch beside it. Returns whether it is on its way. */
function askInOtherWords(question, text) {
  if (isBusy()) return false;
  if (text.length > page.maxTextCharacters) {
    composer.notice(`At most ${page.maxTextCharacters.toLocaleString()} characters can be sent at once.`);
    return false;
  }
  const { parentId } = question;
  const ids = { requestId: newId(), conversationId, messageId: newId(), parentId };
  ask({ type: "send", ...ids, text, model: composer.model }, question);
  composer.focus();
  return true;
}

/** Show another version of a message, and what follows that one. */
function showVersion(message, to, name) {
  if (isBusy()) return;
  branchAsked = { message, to, name };
  if (!socket.send({ type: "show", conversationId, messageId: to })) {
    branchAsked = null;
    composer.notice("The connection is lost. Try again in a moment.");
  }
}

/** The branch that was asked for. The version stands where the earlier one did. */
function showBranch(stored, { message, to, name }) {
  thread.keep(message.element, () => {
    show(stored);
    return branch.find(to)?.element;
  });
  const shown = branch.find(to);
  shown?.actions.focus(name);
  if (shown) {
    const at = shown.siblings.indexOf(to) + 1;
    announcer.textContent = `Version ${at} of ${shown.siblings.length}.`;
  }
}

/** Another answer in the place of `answer`: from nothing, or one that goes on from its end. */
function askAgain(answer, request) {
  if (isBusy()) return;
  const frame = { ...request, requestId: newId(), conversationId, model: composer.model };
  const replaced = branch.takeOut(answer);
  pending = { frame, replaced, isSent: socket.send(frame) };
  update();
  // The button that was pressed is gone.
  composer.focus();
}

function stop() {
  if (running) {
    // Remembered, should the socket be away at this moment.
    running.isStopped = true;
    socket.send({ type: "stop", generationId: running.generationId });
  } else if (pending && !pending.isSent) {
    withdraw();
  } else if (pending) {
    pending.isStopped = true;
  }
}

/** What the person says of a tool that spends something. Sent again if the socket was away. */
function decide(callId, decision) {
  if (!running) return;
  const frame = { type: "decide", generationId: running.generationId, callId, decision };
  if (!socket.send(frame)) running.decisions = [...(running.decisions ?? []), frame];
}

/** Undo a question that is not saved: its text goes back into the composer. */
function withdraw() {
  const { frame, question, replaced, edited } = pending;
  pending = null;
  if (question) {
    branch.drop(question);
    unsure = frame;
    savePending(null);
    if (!edited) composer.restore(frame.text);
    conversationId = page.conversationId;
  }
  branch.putBack(replaced);
  edited?.edit(frame.text);
  update();
  catchUp();
}

function onStarted(frame) {
  if (pending?.frame.requestId !== frame.requestId) return;
  const { question, replaced, isStopped } = pending;
  pending = null;
  // The page that takes our place may have been made before the question was saved.
  if (!isLeaving) savePending(null);
  for (const message of replaced) message.remove();
  question?.settle();
  page.conversationId = conversationId;
  if (location.pathname === "/") history.replaceState(null, "", `/c/${conversationId}`);
  composer.rename(conversationId);
  showTitle(frame.title);
  sidebar.raise(conversationId, frame.title, { isCurrent: true });
  headMenu.show(conversationId);
  const earlier = question ? [] : (replaced[0]?.siblings ?? []);
  begin({ ...frame, parentId: frame.messageId, siblings: [...earlier, frame.answerId] });
  if (isStopped) stop();
}

function showTitle(title) {
  document.title = `${title} – Chatcore`;
  document.getElementById("chat-title").textContent = title;
}

function begin({ generationId, answerId, parentId, model, siblings }) {
  sidebar.began(conversationId, generationId);
  const answer = thread.addAnswer({ id: answerId, parentId, model, siblings });
  answer.wait();
  branch.add(answer);
  running = { generationId, seq: 0, answer };
  announcer.textContent = "The answer has begun.";
  update();
}

/** A question of another tab or device. */
function onBegun({ conversationId: id, title, generationId, answerId, model, question }) {
  const isShown = id === conversationId;
  sidebar.raise(id, title, { isCurrent: isShown });
  sidebar.began(id, generationId);
  if (!isShown || pending !== null || running !== null) return;
  const parentId = question.parentId ?? null;
  const isAsked = branch.find(question.id) !== undefined;
  const answer = isAsked && branch.following(question.id);
  const version = !isAsked && branch.following(parentId);
  if (answer) {
    // Another answer to it, which is another branch: what is shown here stays.
    placeAmong(answer, [...answer.siblings, answerId]);
    return;
  }
  if (version) {
    placeAmong(version, [...version.siblings, question.id]);
    return;
  }
  if (!isAsked) {
    if (branch.lastId() !== parentId) {
      mayHaveMissed = true;
      catchUp();
      return;
    }
    branch.add(thread.addUser(question));
  }
  follow({ generationId, answerId, model, parentId: question.id, siblings: [answerId] });
}

/** Of an answer that this tab has not asked for. */
function follow(answer) {
  begin(answer);
  socket.send({ type: "attach", generationId: answer.generationId, after: 0 });
}

/** What other tabs did while nothing could be heard of it. */
function catchUp() {
  if (!mayHaveMissed || pending !== null || running !== null || page.conversationId === null) return;
  mayHaveMissed = !socket.send({ type: "sync", conversationId, messageId: branch.syncId() });
}

function onConversation(frame) {
  if (frame.conversationId !== conversationId) return;
  if (pending !== null || running !== null) {
    mayHaveMissed = true;
    return;
  }
  sidebar.raise(conversationId, frame.title, { isCurrent: true });
  // It may be the answer to a sync, and the one to that question still on its way.
  const asked = frame.messages.some(({ id }) => id === branchAsked?.to) ? branchAsked : null;
  if (asked) branchAsked = null;
  if (asked) showBranch(frame.messages, asked);
  else show(frame.messages);
  if (frame.running) follow(frame.running);
}

function end(status, error) {
  sidebar.ended(running.generationId);
  running.answer.end(status, error);
  running = null;
  announcer.textContent = status === "done" ? "The answer is complete." : "The answer has ended.";
  // A server that is going down is not asked; the one that comes is.
  if (status === "interrupted") usageIsOld = true;
  else usage.refresh();
  update();
  catchUp();
}

function onSnapshot(frame) {
  // A stop that came too late is answered with what is shown already.
  if (running?.generationId !== frame.generationId) return;
  running.seq = frame.seq;
  running.answer.replace(frame);
  if (frame.status !== "running") {
    end(frame.status, frame.error);
    return;
  }
  // Pieces follow, whichever process makes the answer. If its news do not reach this one, it is
  // asked again in a while.
  const { seq, generationId } = running;
  setTimeout(() => {
    if (running?.generationId === generationId && running.seq === seq) {
      socket.send({ type: "attach", generationId });
    }
  }, LOOK_AGAIN);
}

function onError(frame) {
  if (frame.code === "restarting" && pending?.frame.requestId === frame.requestId) {
    // The server goes down and has not taken it; it is sent again to the one that comes.
    pending.isSent = false;
    if (pending.isStopped) withdraw();
    return;
  }
  if (pending && (!frame.requestId || frame.requestId === pending.frame.requestId)) withdraw();
  branchAsked = null;
  if (frame.code === "rate_limited") wait(frame);
  else composer.notice(frame.message);
}

/** A limit was exceeded: what was typed stays, and can be sent when the time has passed. */
function wait({ message, retryAfter }) {
  // Said once; the seconds are for the eye.
  announcer.textContent = message;
  endCountdown();
  endCountdown = countDown(retryAfter, (left) => {
    composer.waiting(left);
    thread.allowRetry(left === 0);
    if (left === 0) announcer.textContent = "You can send again.";
  });
}

/** Whether it was news to this page. */
function onTool(what, frame) {
  if (running?.generationId !== frame.generationId || frame.seq <= running.seq) return false;
  running.seq = frame.seq;
  running.answer.tool(what, frame);
  return true;
}

const handlers = {
  started: onStarted,
  begun: onBegun,
  ended: ({ generationId }) => sidebar.ended(generationId),
  changed: (frame) => sidebar.changed(frame),
  services: ({ troubles }) => banner.troubles(troubles),
  conversation: onConversation,
  snapshot: onSnapshot,
  error: onError,
  delta(frame) {
    if (running?.generationId !== frame.generationId || frame.seq <= running.seq) return;
    running.seq = frame.seq;
    if (frame.channel === "reasoning") running.answer.appendReasoning(frame.text);
    else running.answer.append(frame.text);
  },
  toolCall: (frame) => onTool("call", frame),
  toolResult: (frame) => onTool("result", frame),
  approvalAsked(frame) {
    if (onTool("ask", frame)) announcer.textContent = frame.question;
  },
  approvalGiven: (frame) => onTool("decided", frame),
  retrying(frame) {
    if (running?.generationId !== frame.generationId || frame.seq <= running.seq) return;
    running.seq = frame.seq;
    running.answer.retry(frame.message, frame.seconds);
    announcer.textContent = `${frame.message} Trying again.`;
  },
  finished(frame) {
    if (running?.generationId === frame.generationId) end(frame.status, frame.error);
  },
};

function onState(state) {
  banner.connection(state);
  if (state === "ready") {
    goOn();
    sidebar.ready();
    if (usageIsOld) usage.refresh();
    usageIsOld = false;
  } else if (state === "logged-out" && pending) {
    withdraw();
  }
}

/** Say again what may not have arrived. Asked twice it is answered once: a request has an id. */
function goOn() {
  branchAsked = null;
  if (pending) pending.isSent = socket.send(pending.frame);
  if (running) {
    const { generationId, seq } = running;
    socket.send({ type: "attach", generationId, after: seq });
    if (running.isStopped) socket.send({ type: "stop", generationId });
    for (const frame of running.decisions?.splice(0) ?? []) socket.send(frame);
  }
  mayHaveMissed = true;
  catchUp();
}

/** A question that this tab asked before it was reloaded, and that is not known to be saved. */
function restorePending() {
  const frame = loadPending();
  if (frame === null || branch.find(frame.messageId)) {
    savePending(null);
  } else if (page.conversationId === null && sidebar.has(frame.conversationId)) {
    location.replace(`/c/${frame.conversationId}`);
  } else if (page.conversationId === null || page.conversationId === frame.conversationId) {
    ask(frame);
  } else {
    // Another chat was opened meanwhile; the question waits in its own.
    saveDraft(frame.conversationId, frame.text);
    savePending(null);
  }
}

addEventListener("beforeunload", () => {
  isLeaving = true;
  // Unless this page stays: the way to another one was cancelled, or it was a file.
  setTimeout(() => {
    isLeaving = false;
  }, LEFT_AFTER);
});

const scheme = location.protocol === "https:" ? "wss:" : "ws:";
const socket = openSocket(`${scheme}//${location.host}/ws/assistant`, {
  onState,
  isAwaited: () => pending !== null || running !== null,
  onFrame: (frame) => handlers[frame.type]?.(frame),
});

const shownBefore = page.conversationId && loadLeaf(page.conversationId);
if (!shownBefore || page.messages.some(({ id }) => id === shownBefore)) {
  show(page.messages);
  // It is attached to when the socket is ready.
  if (page.running) begin(page.running);
} else {
  // This tab shows another branch, which comes when the socket is ready.
  branch.wait(shownBefore);
}
composer.open(conversationId);
restorePending();
update();
