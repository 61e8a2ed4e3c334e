// The WebSocket: opens again by itself, and says when it can be used.

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 15_000;
const NOT_LOGGED_IN = 4401;

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

  function connect() {
    clearTimeout(timer);
    socket = new WebSocket(url);
    socket.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      if (frame.type === "ready") {
        tries = 0;
        isReady = true;
        onState("ready");
      } else {
        onFrame(frame);
      }
    };
    socket.onclose = ({ code }) => {
      const wasReady = isReady;
      isReady = false;
      // A new password gives the browser a new session; a socket of the old one asks once more.
      if (code === NOT_LOGGED_IN && !wasReady) {
        onState("logged-out");
        return;
      }
      onState("waiting");
      timer = setTimeout(connect, pauseBefore(tries));
      tries += 1;
    };
  }

  // The network is back, or the laptop was opened: no need to wait for the timer.
  const hurry = () => {
    if (socket.readyState === WebSocket.CLOSED && timer !== null && !document.hidden) connect();
  };
  window.addEventListener("online", hurry);
  document.addEventListener("visibilitychange", hurry);

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
