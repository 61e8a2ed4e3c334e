"""What does the length of a chat cost whoever opens it and scrolls in it?

Runs the product (`manage.py start`, SQLite and MongoDB) and opens chats of 20, 500 and 5,000
messages in a real browser, in turns. Prints medians, and each as a multiple of the chat of 20:

- page: until the server's answer is there, and its weight over the wire
- opened: from the click to the last message on the screen, with its buttons
- frames: while it is scrolled up 400 pixels a frame, through 2,000 messages where there are as
  many: the middle and the slowest twentieth of the times between frames
- most in the document: messages, while it is scrolled
"""

import argparse
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from benchmarks._common import STORES, introduce, show, tell
from tests.e2e.chats import add_long_chat
from tests.e2e.steps import make_first_account
from tests.fakes.mongodb import mongod
from tests.run import find_chromium
from tests.server import CHROMIUM_OPTIONS, Server

LENGTHS = (20, 500, 5_000)
RUNS = 9
FRAMES = 600
NOTE_WHEN_SHOWN = """
new MutationObserver((_, observer) => {
  const last = [...document.querySelectorAll(".message")].at(-1);
  if (!last || last.querySelector(".message-actions").hidden) return;
  observer.disconnect();
  requestAnimationFrame(() => setTimeout(() => { window.shownAt = performance.now(); }));
}).observe(document, { subtree: true, childList: true, attributes: true });
"""
SCROLL_UP = """
async (frames) => {
  const scroller = document.getElementById("thread-scroll");
  const gaps = [];
  let most = 0;
  let before = await new Promise(requestAnimationFrame);
  for (let frame = 0; frame < frames; frame += 1) {
    scroller.scrollTop -= 400;
    const now = await new Promise(requestAnimationFrame);
    gaps.push(now - before);
    before = now;
    most = Math.max(most, document.querySelectorAll(".message").length);
  }
  return { gaps, most };
}
"""


def opened(page: Page, url: str) -> tuple[float, float, float]:
    """Milliseconds until the answer and until the chat is shown, and kB over the wire."""
    page.goto(url, wait_until="commit")
    page.wait_for_function("() => window.shownAt")
    answered, weight, shown = page.evaluate(
        """() => {
          const [page] = performance.getEntriesByType("navigation");
          return [page.responseEnd, page.transferSize, window.shownAt];
        }"""
    )
    return answered, shown, weight / 1000


@contextmanager
def running(store: str, folder: Path) -> Iterator[Server]:
    if store == "sqlite":
        server = Server(folder).start()
        try:
            yield server
        finally:
            server.stop()
        return
    with mongod() as database:
        assert database is not None, "there is no mongod for this platform"
        uri = f"{database.uri}long_chats?directConnection=true"
        server = Server(folder, MONGODB_URI=uri).start()
        try:
            yield server
        finally:
            server.stop()


def measure(store: str, page: Page, folder: Path) -> list[list[str]]:
    """A row for each length."""
    with running(store, folder) as server:
        make_first_account(page, server)
        for length in LENGTHS:
            add_long_chat(server, length)
        addresses = [f"{server.url}/c/long-{length}" for length in LENGTHS]
        for address in addresses:  # what is loaded once
            opened(page, address)
        found: list[list[tuple[float, float, float]]] = [[] for _ in LENGTHS]
        for _ in range(RUNS):
            for address, runs in zip(addresses, found, strict=True):
                runs.append(opened(page, address))
        rows = []
        least = 0.0
        for length, address, runs in zip(LENGTHS, addresses, found, strict=True):
            answered, shown, weight = (statistics.median(each) for each in zip(*runs, strict=True))
            least = least or shown
            opened(page, address)
            scrolled = page.evaluate(SCROLL_UP, FRAMES)
            gaps = sorted(scrolled["gaps"])
            rows.append(
                [
                    f"{STORES[store]}, {length:,} messages",
                    *(f"{answered:.0f} ms", f"{weight:.0f} kB"),
                    *(f"{shown:.0f} ms", f"{shown / least:.2f} x"),
                    *(f"{gaps[len(gaps) // 2]:.0f} ms", f"{gaps[len(gaps) * 19 // 20]:.0f} ms"),
                    str(scrolled["most"]),
                ]
            )
        return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markdown", action="store_true", help="for docs/performance.md")
    markdown = parser.parse_args().markdown
    table = [
        ["", "page", "weight", "opened", "ratio", "frame", "slowest 5 %", "most in the document"]
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_OPTIONS)
        for store in STORES:
            tell(store)
            with tempfile.TemporaryDirectory() as folder:
                context = browser.new_context(viewport={"width": 1280, "height": 800})
                context.add_init_script(NOTE_WHEN_SHOWN)
                table += measure(store, context.new_page(), Path(folder))
                context.close()
        browser.close()
    introduce("Long chats", markdown=markdown)
    show(table, markdown=markdown)


if __name__ == "__main__":
    main()
