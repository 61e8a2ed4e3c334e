// The WebSocket: opens again by itself, says when it can be used, and notices when it is dead.

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 15_000;
const NOT_LOGGED_IN = 4401;
// A network that changed leaves a socket open that carries nothing. Silence is asked about.
const QUIET = 15_000;
const NO_REPLY = 10_000;
const LOOK_EVERY = 2_500;

/** The pause before try number `tries`, with a spread so that not all tabs come back at once. */
export function pauseBefore(tries, random = Math.random()) {
  const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** tries);
  return pause * (0.5 + random / 2);
}

/**
 * @param {{onFrame: (frame: object) => void, onState: (state: State) => void}} handlers
 * @typedef {"ready" | "waiting" | "logged-out"} State
 */
export function openSocket(url, { onFrame, onState }) {
  let socket = null;
  let tries = 0;
  let timer = null;
  let isReady = false;
  let heardAt = 0;
  let askedAt = null;

  function connect() {
    clearTimeout(timer);
    timer = null;
    socket = new WebSocket(url);
    socket.onmessage = ({ data }) => {
      heardAt = Date.now();
      askedAt = null;
      const frame = JSON.parse(data);
      if (frame.type === "ready") {
        tries = 0;
        isReady = true;
        onState("ready");
      } else {
        onFrame(frame);
      }
    };
    socket.onclose = ({ code }) => lost(code);
  }

  function lost(code) {
    const wasReady = isReady;
    isReady = false;
    askedAt = null;
    // A new password gives the browser a new session; a socket of the old one asks once more.
    if (code === NOT_LOGGED_IN && !wasReady) {
      onState("logged-out");
      return;
    }
    onState("waiting");
    timer = setTimeout(connect, pauseBefore(tries));
    tries += 1;
  }

  function look() {
    if (!isReady) return;
    const now = Date.now();
    if (askedAt !== null && now - askedAt > NO_REPLY) {
      // The browser would wait for the other side to agree that it is closed.
      socket.onclose = null;
      socket.onmessage = null;
      socket.close();
      lost(null);
    } else if (askedAt === null && now - heardAt > QUIET) {
      askedAt = now;
      socket.send('{"type": "ping"}');
    }
  }

  // The network is back, or the laptop was opened: no need to wait for the timer.
  const hurry = () => {
    if (timer !== null && !document.hidden) connect();
  };
  window.addEventListener("online", hurry);
  document.addEventListener("visibilitychange", hurry);
  setInterval(look, LOOK_EVERY);

  connect();
  return {
    /** Whether the frame was handed over. If not, `onState("ready")` will be the time for it. */
    send(frame) {
      if (!isReady) return false;
      socket.send(JSON.stringify(frame));
      return true;
    },
  };
}
