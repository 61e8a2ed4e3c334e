"""What does the length of a chat cost whoever opens it and scrolls in it?

Runs the product (`manage.py start`, SQLite and MongoDB) and opens a new chat, and chats of 20, 500
and 5,000 messages in a real browser, in turns. What they load once is in the browser's cache.
Prints medians, and for chats the multiple of that of 20:

- page: until the server's answer is there, and its weight over the wire
- input: until something can be typed and sent
- opened: from the click to the last message on the screen, with its buttons
- frames: while it is scrolled up 400 pixels a frame, through 2,000 messages where there are as
  many: the middle and the slowest twentieth of the times between frames
- most in the document: messages, while it is scrolled
"""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Page, sync_playwright

from benchmarks._common import STORES, introduce, medians, show, tell
from tests.e2e.chats import add_long_chat
from tests.e2e.steps import make_first_account
from tests.fakes.mongodb import mongod
from tests.run import find_chromium
from tests.server import CHROMIUM_OPTIONS, Server

LENGTHS = (20, 500, 5_000)
RUNS = 9
FRAMES = 600
COLUMNS = 9
NOTE_WHEN_SHOWN = """
new MutationObserver((_, observer) => {
  const last = [...document.querySelectorAll(".message")].at(-1);
  const isNew = document.getElementById("greeting")?.hidden === false;
  if (!isNew && (!last || last.querySelector(".message-actions").hidden)) return;
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


class Opened(NamedTuple):
    """Milliseconds until each, and kB over the wire."""

    answered: float
    weight: float
    ready: float
    shown: float


def opened(page: Page, url: str) -> Opened:
    page.goto(url, wait_until="load")
    page.wait_for_function("() => window.shownAt")
    answered, weight, ready, shown = page.evaluate(
        """() => {
          const [page] = performance.getEntriesByType("navigation");
          const { responseEnd, transferSize, domContentLoadedEventEnd } = page;
          return [responseEnd, transferSize, domContentLoadedEventEnd, window.shownAt];
        }"""
    )
    return Opened(answered, weight / 1000, ready, shown)


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
        names = ["new chat", *(f"{length:,} messages" for length in LENGTHS)]
        addresses = [
            f"{server.url}/",
            *(f"{server.url}/c/long-{length}" for length in LENGTHS),
        ]
        for address in addresses:  # what is loaded once
            opened(page, address)
        found: list[list[Opened]] = [[] for _ in addresses]
        for _ in range(RUNS):
            for address, runs in zip(addresses, found, strict=True):
                runs.append(opened(page, address))
        middle = [Opened(*medians(runs)) for runs in found]
        rows = []
        for name, address, each in zip(names, addresses, middle, strict=True):
            row = [
                f"{STORES[store]}, {name}",
                *(f"{each.answered:.0f} ms", f"{each.weight:.0f} kB", f"{each.ready:.0f} ms"),
                f"{each.shown:.0f} ms",
            ]
            is_new = address == addresses[0]
            ratio = f"{each.shown / middle[1].shown:.2f} x"
            rows.append(
                [*row, *(["", "", "", ""] if is_new else [ratio, *scrolled(page, address)])]
            )
        return rows


def scrolled(page: Page, address: str) -> list[str]:
    opened(page, address)
    found = page.evaluate(SCROLL_UP, FRAMES)
    gaps = sorted(found["gaps"])
    middle, slow = gaps[len(gaps) // 2], gaps[len(gaps) * 19 // 20]
    return [f"{middle:.0f} ms", f"{slow:.0f} ms", str(found["most"])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markdown", action="store_true", help="for docs/performance.md")
    markdown = parser.parse_args().markdown
    table = [
        [
            *("", "page", "weight", "input", "opened", "ratio"),
            *("frame", "slowest 5 %", "most in the document"),
        ]
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
