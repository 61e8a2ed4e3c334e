// The view follows the end of the conversation, unless the reader has scrolled up.

const NEAR = 60;

export function createFollower({ scroller, list, button, onJump }) {
  const news = button.querySelector(".jump-news");
  let follows = true;

  const isAtEnd = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR;

  function look() {
    follows = isAtEnd();
    button.hidden = follows;
    if (follows) news.hidden = true;
  }

  function toEnd() {
    if (follows) scroller.scrollTop = scroller.scrollHeight;
    else button.hidden = isAtEnd();
  }

  scroller.addEventListener("scroll", look, { passive: true });
  // A notice or a banner that comes takes room from the view.
  const sizes = new ResizeObserver(toEnd);
  sizes.observe(scroller);
  sizes.observe(list);
  // What the reader opens stays where it is.
  list.addEventListener("click", ({ target }) => {
    if (target.closest("summary")) follows = false;
  });
  list.addEventListener("toggle", look, true);
  button.addEventListener("click", () => {
    follows = true;
    toEnd();
    look();
    onJump();
  });

  return {
    toEnd,
    /** Something new stands at the end. */
    tell() {
      if (!follows) news.hidden = false;
      toEnd();
    },
    /** Go there, wherever the reader is. */
    goToEnd() {
      follows = true;
      toEnd();
    },
    /** Change what is shown with `work`, and leave what it returns where `element` stood. */
    keep(element, work) {
      const { top } = element.getBoundingClientRect();
      follows = false;
      const other = work();
      if (other) scroller.scrollTop += other.getBoundingClientRect().top - top;
      look();
    },
  };
}
