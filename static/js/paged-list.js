// A list that goes on as it is scrolled: asks for the next page, shows that it waits, and offers to
// try again.

const LOAD_BEFORE_END = "300px 0px";

/**
 * @param {HTMLElement} scroller what scrolls; the pages are shown in it
 * @param {HTMLElement} foot at the end where the list grows, made of the template `list-foot`
 * @param {(cursor: string | null, signal: AbortSignal) => Promise<Page>} load
 * @param {(page: Page, isFirst: boolean) => void} onPage
 * @param {string} ahead how far `foot` is from the view when a page is asked for
 * @typedef {{nextCursor: string | null}} Page and what `onPage` takes of it
 */
export function createPager({ scroller, foot, load, onPage, ahead = LOAD_BEFORE_END }) {
  const skeleton = foot.querySelector(".skeleton");
  const failure = foot.querySelector(".list-failed");
  let next = null;
  let hasMore = false;
  let controller = null;

  // Looked at anew behind each page: where the end is in view still, no crossing of it is told.
  // What holds is the last entry: on a busy machine several come together.
  const watcher = new IntersectionObserver((entries) => entries.at(-1).isIntersecting && more(), {
    root: scroller,
    rootMargin: ahead,
  });

  function watch() {
    watcher.disconnect();
    if (hasMore) watcher.observe(foot);
  }

  async function more() {
    if (controller || !hasMore) return;
    const mine = new AbortController();
    controller = mine;
    watcher.disconnect();
    skeleton.hidden = false;
    failure.hidden = true;
    scroller.setAttribute("aria-busy", "true");
    const isFirst = next === null;
    let page;
    try {
      page = await load(next, mine.signal);
    } catch (error) {
      if (controller !== mine) return;
      settle();
      failure.querySelector(".list-failed-text").textContent = error.message;
      failure.hidden = false;
      return;
    }
    if (controller !== mine) return;
    next = page.nextCursor;
    hasMore = next !== null;
    settle();
    onPage(page, isFirst);
    watch();
  }

  function settle() {
    controller = null;
    skeleton.hidden = true;
    scroller.removeAttribute("aria-busy");
  }

  failure.querySelector("button").addEventListener("click", () => {
    // The button goes, and the keyboard is to stay here.
    scroller.focus();
    more();
  });

  function stop() {
    controller?.abort();
    settle();
    failure.hidden = true;
    hasMore = false;
    watcher.disconnect();
  }

  return {
    stop,
    /** Go on from a cursor; null is the end of the list. */
    goOnFrom(cursor) {
      stop();
      next = cursor;
      hasMore = cursor !== null;
      watch();
    },
    /** Load the first page, and then what can be seen. */
    begin() {
      stop();
      next = null;
      hasMore = true;
      return more();
    },
  };
}

export const newFoot = () =>
  document.getElementById("list-foot").content.firstElementChild.cloneNode(true);
