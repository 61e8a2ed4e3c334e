"""A person whose network comes and goes: nothing is lost, nothing comes twice, nobody reloads."""

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import on_sqlite
from tests.e2e.steps import ask
from tests.fakes.provider import Reply
from tests.fakes.proxy import Proxy

pytestmark = pytest.mark.browser
# A dead socket is noticed after 10 seconds, and the machine may be busy.
expect.set_options(timeout=30_000)

WORDS = [f"w{number}" for number in range(150)]
SLOWLY = Reply(text=" ".join(WORDS), delay=0.03)


@pytest.fixture
def proxy(server) -> Iterator[Proxy]:
    proxy = Proxy(server.port).start()
    yield proxy
    proxy.stop()


@pytest.fixture
def page(alice, proxy) -> Page:
    """Alice's page, behind the proxy. Cookies do not know of ports."""
    alice.goto(proxy.url)
    alice.evaluate("window.isTheSamePage = true")
    return alice


def body(page: Page):
    return page.locator(".message-assistant .message-body")


def begin(page: Page, provider) -> None:
    provider.reply_with(SLOWLY)
    ask(page, "Count.")
    expect(body(page)).to_have_text(re.compile(r"\bw20\b"))


def expect_the_whole_answer(page: Page, provider) -> None:
    expect(body(page)).to_have_text(re.compile(r"\bw149\b"))
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    expect(page.locator("#banner")).to_be_hidden()
    assert body(page).inner_text().split() == WORDS
    expect(page.locator(".message-user")).to_have_count(1)
    assert page.evaluate("window.isTheSamePage") is True
    assert len(provider.requests) == 1


@on_sqlite
def test_a_connection_that_is_cut_in_mid_answer_comes_back_by_itself(page, proxy, provider):
    begin(page, provider)

    for word in ("w40", "w70"):
        proxy.cut()
        expect(body(page)).to_have_text(re.compile(rf"\b{word}\b"))

    expect_the_whole_answer(page, provider)


@on_sqlite
def test_a_network_that_freezes_in_mid_answer_is_noticed_and_left(page, proxy, provider):
    begin(page, provider)

    proxy.freeze()
    expect(page.locator("#banner")).to_have_text("The connection is lost. Trying again …")
    # Of the connections that froze nothing comes any more.
    proxy.cut()
    proxy.carry()

    expect_the_whole_answer(page, provider)


@on_sqlite
def test_what_a_frozen_network_delivers_late_is_not_shown_twice(page, proxy, provider):
    begin(page, provider)

    proxy.freeze()
    expect(page.locator("#banner")).to_be_visible()
    proxy.carry()

    expect_the_whole_answer(page, provider)


@on_sqlite
def test_a_server_that_refuses_for_seconds_is_asked_again_until_it_does_not(page, proxy, provider):
    begin(page, provider)

    proxy.refuse()
    expect(page.locator("#banner")).to_have_text("The connection is lost. Trying again …")
    # Long enough for several tries, and for the answer to end meanwhile.
    time.sleep(4)
    proxy.carry()

    expect_the_whole_answer(page, provider)


@on_sqlite
def test_a_browser_that_is_offline_says_so_and_goes_on_when_it_is_online(page, proxy, provider):
    begin(page, provider)

    page.context.set_offline(True)
    proxy.cut()
    expect(page.locator("#banner")).to_contain_text("You are offline.")
    page.context.set_offline(False)

    expect_the_whole_answer(page, provider)


@on_sqlite
def test_the_online_event_ends_the_pause_before_the_next_try(page, proxy, provider):
    proxy.refuse()
    page.evaluate("Math.random = () => 1")
    expect(page.locator("#banner")).to_be_visible()
    # Tries after 0.5, 1, 2, 4 and 8 seconds; then none for 15.
    time.sleep(16)
    proxy.carry()
    before = proxy.accepted

    page.evaluate("dispatchEvent(new Event('online'))")

    expect(page.locator("#banner")).to_be_hidden(timeout=5_000)
    assert proxy.accepted > before


@on_sqlite
def test_a_question_asked_while_the_network_is_frozen_is_asked_once(page, proxy, provider):
    provider.reply_with(SLOWLY)
    proxy.freeze()

    ask(page, "Count.")
    expect(page.locator(".message-user.is-pending")).to_be_visible()
    expect(page.locator("#banner")).to_be_visible()
    # What was sent arrives late, beside what is sent again.
    proxy.carry()

    expect_the_whole_answer(page, provider)


@on_sqlite
def test_two_tabs_lose_the_network_and_show_the_same(page, proxy, provider):
    begin(page, provider)
    other = page.context.new_page()
    other.goto(page.url)
    other.evaluate("window.isTheSamePage = true")
    expect(body(other)).to_have_text(re.compile(r"\bw40\b"))

    proxy.cut()

    for tab in (page, other):
        expect_the_whole_answer(tab, provider)


@on_sqlite
def test_an_answer_in_a_hidden_tab_is_drawn_all_the_same(page, provider):
    page.evaluate("window.requestAnimationFrame = () => 0")

    begin(page, provider)

    expect_the_whole_answer(page, provider)


PARTS = [
    "A paragraph with **bold** text and a [link](https://one.example).",
    "- one\n- two\n- three\n- four",
    "```python\nfor each in all:\n\n    print(each)\n```",
    "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |",
    "> quoted\n> twice",
    "1. first\n\n2. second",
]
LONG = "\n\n".join(PARTS[number % len(PARTS)] for number in range(120))
# Of what stood before three others, nothing may be changed: it was settled. Code alone gets its
# colours later, when it comes near the view.
WATCH = """() => {
  window.changes = [];
  const settled = new Set();
  const body = document.getElementById('thread');
  const mark = () => {
    for (const each of document.querySelectorAll('.message-assistant .message-body > *')) {
      if (each.nextElementSibling?.nextElementSibling?.nextElementSibling) settled.add(each);
    }
  };
  new MutationObserver(records => {
    for (const { target, removedNodes } of records) {
      const touched = [target, ...removedNodes];
      const found = [...settled].find(each => touched.some(node => each.contains(node)));
      if (found && !found.matches(".code")) changes.push(found.outerHTML);
    }
    mark();
  }).observe(body, { subtree: true, childList: true, characterData: true, attributes: true });
  window.settledCount = () => settled.size;
}"""

WITHOUT_COLOURS = """element => {
  const copy = element.cloneNode(true);
  for (const code of copy.querySelectorAll('pre code')) code.textContent = code.textContent;
  return copy.innerHTML;
}"""


@on_sqlite
def test_what_is_settled_of_a_long_answer_is_not_touched_again(page, provider):
    provider.reply_with(Reply(text=LONG, delay=0.002))
    page.evaluate(WATCH)

    ask(page, "Write much.")
    expect(page.get_by_role("button", name="Stop the answer")).to_be_visible()
    expect(page.get_by_role("button", name="Send")).to_be_visible()

    assert page.evaluate("settledCount()") == 120 - 3
    assert page.evaluate("changes") == []
    streamed = body(page).evaluate(WITHOUT_COLOURS)
    page.reload()
    expect(body(page)).to_have_count(1)
    assert body(page).evaluate(WITHOUT_COLOURS) == streamed
