// Messages stand in pages, and only the pages near the view are in the document: a chat of
// thousands scrolls as one of a few does. What is away is kept as it is, at its height.

const IN_A_PAGE = 40;
// A screen or two in both directions, so that nobody who scrolls sees a page come.
const NEAR = "1500px 0px";

export function createPages({ scroller, list }) {
  const pages = []; // first to last: {element, count, isNear, kept}
  const pageAt = new Map(); // by its element

  const watcher = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        const page = pageAt.get(target); // none of a page that was closed meanwhile
        if (page) page.isNear = isIntersecting;
      }
      for (const page of pages) settle(page);
    },
    { root: scroller, rootMargin: NEAR },
  );

  function open() {
    const element = document.createElement("div");
    element.className = "thread-page";
    const page = { element, count: 0, isNear: true, kept: null };
    pageAt.set(element, page);
    watcher.observe(element);
    return page;
  }

  function close(page) {
    watcher.unobserve(page.element);
    pageAt.delete(page.element);
    page.element.remove();
    pages.splice(pages.indexOf(page), 1);
  }

  /** Whether somebody would lose their place: the field or button they are at, what they have marked. */
  function isInUse({ element }) {
    const marked = getSelection();
    return (
      element.contains(document.activeElement) || (!marked.isCollapsed && marked.containsNode(element, true))
    );
  }

  function settle(page) {
    const isAway = page.kept !== null;
    const mayBeAway = !page.isNear && page !== pages.at(-1) && (isAway || !isInUse(page));
    if (mayBeAway === isAway) return;
    if (isAway) bringBack(page);
    else takeAway(page);
  }

  function takeAway(page) {
    page.element.style.height = `${page.element.getBoundingClientRect().height}px`;
    page.kept = document.createDocumentFragment();
    page.kept.append(...page.element.childNodes);
  }

  function bringBack(page) {
    page.element.append(page.kept);
    page.kept = null;
    page.element.style.height = "";
    page.element.dispatchEvent(new Event("page-back", { bubbles: true }));
  }

  function fill(page, elements) {
    (page.kept ?? page.element).append(...elements);
    page.count += elements.length;
    for (const element of elements) pageOf.set(element, page);
  }

  const pageOf = new WeakMap(); // by the element of a message

  // On paper all of it is wanted.
  addEventListener("beforeprint", () => pages.filter(({ kept }) => kept).forEach(bringBack));

  return {
    /** Behind all others. */
    append(element) {
      let last = pages.at(-1);
      if (!last || last.count >= IN_A_PAGE) {
        last = open();
        pages.push(last);
        list.append(last.element);
      }
      fill(last, [element]);
    },
    /** Before all others, first to last. */
    prepend(elements) {
      for (let end = elements.length; end > 0; end -= IN_A_PAGE) {
        const page = open();
        fill(page, elements.slice(Math.max(0, end - IN_A_PAGE), end));
        pages.unshift(page);
        list.prepend(page.element);
      }
    },
    remove(element) {
      const page = pageOf.get(element);
      element.remove();
      page.count -= 1;
      if (page.count === 0) close(page);
      // Its height is another now, and the last page is where answers are written.
      for (const each of [page, pages.at(-1)]) if (each?.kept) bringBack(each);
    },
    hide(element, isHidden) {
      const page = pageOf.get(element);
      if (page.kept) bringBack(page);
      element.hidden = isHidden;
    },
    /** The first page, for whoever measures where it stands. */
    first: () => pages[0].element,
  };
}
