// The WebSocket: opens again by itself, says when it can be used, and notices when it is dead.

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 15_000;
const NOT_LOGGED_IN = 4401;
const TOO_MANY_FRAMES = 4429;
// As after so many failed tries: about 6 seconds.
const CALM_TRIES = 4;

// A network that changed leaves a socket open that carries nothing. Silence is asked about: soon
// while something is awaited, later otherwise. All in milliseconds.
const LOOK_EVERY = 1000;
const QUIET = 15_000;
const QUIET_WHILE_AWAITED = 5000;
const NO_REPLY = 10_000;
const NO_REPLY_WHILE_AWAITED = 5000;
const NO_REPLY_WHILE_IN_DOUBT = 3000;
const NO_HANDSHAKE = 10_000;
// Nobody looked for so long: the laptop slept, or the browser let a hidden tab wait.
const SLEPT = 5000;

const NOT_ASKED = { askedAt: null, asks: 0, isInDoubt: false };

/** 32 random hexadecimal digits. `crypto.randomUUID` is missing on plain http in a local network. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The pause before try number `tries`, with a spread so that not all tabs come back at once. */
export function pauseBefore(tries, random = Math.random()) {
  const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** tries);
  return pause * (0.5 + random / 2);
}

/**
 * What a closed socket calls for: the number of the next try, or null for none.
 * After a 4401 behind `ready` there is one: a new password gives the browser a new session.
 */
export function nextTry(code, { tries, wasReady }) {
  if (code === NOT_LOGGED_IN && !wasReady) return null;
  return code === TOO_MANY_FRAMES ? Math.max(tries, CALM_TRIES) : tries;
}

/**
 * What the silence of a socket calls for. Times are in milliseconds of one clock.
 * @param {{isReady: boolean, openedAt: number, heardAt: number, sentAt: number, lookedAt: number,
 *   askedAt: number | null, asks: number, isAwaited: boolean, isInDoubt: boolean}} link
 * @returns {"wait" | "ask" | "give up"}
 */
export function judge(link, now) {
  if (!link.isReady) return now - link.openedAt > NO_HANDSHAKE ? "give up" : "wait";
  // The reply may have come while nobody looked, so it is asked for once more.
  if (now - link.lookedAt > SLEPT && link.asks < 2) return "ask";
  if (link.askedAt !== null) return now - link.askedAt > patience(link) ? "give up" : "wait";
  const since = link.isAwaited ? Math.max(link.heardAt, link.sentAt) : link.heardAt;
  return now - since > (link.isAwaited ? QUIET_WHILE_AWAITED : QUIET) ? "ask" : "wait";
}

function patience({ isInDoubt, isAwaited }) {
  if (isInDoubt) return NO_REPLY_WHILE_IN_DOUBT;
  return isAwaited ? NO_REPLY_WHILE_AWAITED : NO_REPLY;
}

/**
 * @param {{onFrame: (frame: object) => void, onState: (state: State) => void,
 *   isAwaited: () => boolean}} handlers `isAwaited`: whether something is to come
 * @typedef {"ready" | "waiting" | "offline" | "logged-out"} State "offline" is "waiting" where the
 *   browser says that it has no network
 */
export function openSocket(url, { onFrame, onState, isAwaited }) {
  let socket = null;
  let tries = 0;
  let timer = null;
  const link = { lookedAt: Date.now() };

  function connect() {
    clearTimeout(timer);
    timer = null;
    const now = Date.now();
    Object.assign(link, { isReady: false, openedAt: now, heardAt: now, sentAt: 0 }, NOT_ASKED);
    socket = new WebSocket(url);
    socket.onmessage = ({ data }) => {
      Object.assign(link, { heardAt: Date.now() }, NOT_ASKED);
      const frame = JSON.parse(data);
      if (frame.type === "ready") {
        tries = 0;
        link.isReady = true;
        onState("ready");
      } else {
        onFrame(frame);
      }
    };
    socket.onclose = ({ code }) => lost(code);
  }

  function lost(code) {
    const next = nextTry(code, { tries, wasReady: link.isReady });
    link.isReady = false;
    if (next === null) {
      onState("logged-out");
      return;
    }
    tries = next + 1;
    timer = setTimeout(connect, pauseBefore(next));
    // Only said: a server on this very machine is there without any network.
    onState(navigator.onLine === false ? "offline" : "waiting");
  }

  function giveUp() {
    // The browser would wait for the other side to agree that it is closed.
    socket.onclose = null;
    socket.onmessage = null;
    socket.close();
    lost(null);
  }

  function ask() {
    link.askedAt = Date.now();
    link.asks += 1;
    socket.send('{"type": "ping"}');
  }

  const isWaiting = () => timer !== null;

  function look() {
    const now = Date.now();
    const slept = now - link.lookedAt > SLEPT;
    const call = judge({ ...link, isAwaited: isAwaited() }, now);
    link.lookedAt = now;
    if (socket.readyState === WebSocket.CLOSED || isWaiting()) return;
    if (slept) link.isInDoubt = true;
    if (call === "ask") ask();
    else if (call === "give up") giveUp();
  }

  /** Something happened to the network: is the socket still good? */
  function doubt() {
    if (!link.isReady || link.isInDoubt) return;
    link.isInDoubt = true;
    ask();
  }

  function onOnline() {
    // A handshake on the old network will not end.
    if (!link.isReady && !isWaiting() && socket.readyState === WebSocket.CONNECTING) giveUp();
    if (isWaiting()) connect();
    else doubt();
  }

  function onOffline() {
    if (isWaiting()) onState("offline");
    else doubt();
  }

  function onVisible() {
    if (document.hidden) return;
    if (isWaiting()) connect();
    else if (Date.now() - link.heardAt > QUIET_WHILE_AWAITED) doubt();
  }

  window.addEventListener("online", onOnline);
  window.addEventListener("offline", onOffline);
  document.addEventListener("visibilitychange", onVisible);
  setInterval(look, LOOK_EVERY);

  connect();
  return {
    /** Whether the frame was handed over. If not, `onState("ready")` will be the time for it. */
    send(frame) {
      if (!link.isReady) return false;
      link.sentAt = Date.now();
      socket.send(JSON.stringify(frame));
      return true;
    },
  };
}
