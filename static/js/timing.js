// When things are done: counting down seconds, and drawing once for each refresh of the display.

/** A wait in short: seconds up to a minute, then minutes, then hours, rounded up. */
export function inShort(seconds) {
  if (seconds <= 60) return `${seconds} s`;
  return seconds <= 3600 ? `${Math.ceil(seconds / 60)} min` : `${Math.ceil(seconds / 3600)} h`;
}

/**
 * Call `onTick` with the seconds that are left: now, then each second, with 0 at last.
 * By the clock and not by counting, as a tab in the background and a closed laptop skip ticks.
 * @returns {() => void} ends it early, without a last call
 */
export function countDown(seconds, onTick) {
  const end = Date.now() + seconds * 1000;
  let timer = null;

  function tick() {
    const left = end - Date.now();
    if (left > 0) timer = setTimeout(tick, left % 1000 || 1000);
    onTick(Math.max(0, Math.ceil(left / 1000)));
  }

  tick();
  return () => clearTimeout(timer);
}

// A tab that is hidden has no refreshes; what is drawn there is for whoever comes back.
const LATEST = 200;

/**
 * Do `work` at the next refresh of the display, however often it is asked for until then.
 * @returns {{request: () => void, cancel: () => void}}
 */
export function oncePerRefresh(work) {
  let refresh = null;
  let timer = null;

  function cancel() {
    cancelAnimationFrame(refresh);
    clearTimeout(timer);
    timer = null;
  }

  function run() {
    cancel();
    work();
  }

  return {
    request() {
      if (timer !== null) return;
      refresh = requestAnimationFrame(run);
      timer = setTimeout(run, LATEST);
    },
    cancel,
  };
}
