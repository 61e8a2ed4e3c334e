"""By keyboard alone: all is reached, and the focus is seen and never lost. A screen reader is told
where an answer begins and ends, and not each word of it.
"""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.chats import add_every_kind
from tests.e2e.conftest import on_sqlite
from tests.fakes.provider import Reply

pytestmark = pytest.mark.browser
expect.set_options(timeout=15_000)

WORDS = " ".join(f"w{number}" for number in range(400))
# What is focused: its name, and whether it is seen to be; nothing if that is the page as a whole.
FOCUS = """() => {
  const element = document.activeElement;
  if (element === document.body) return null;
  // The fields for messages have it around the box in which they stand.
  const shown = element.matches("textarea") ? element.closest(".composer-box, .edit") : element;
  const { outlineStyle, outlineWidth } = getComputedStyle(shown);
  return {
    isSeen: outlineStyle !== "none" && outlineWidth !== "0px",
    name: element.getAttribute("aria-label") ?? element.labels?.[0]?.textContent
      ?? element.textContent.trim(),
  };
}"""


class Keys:
    """A person without a mouse. After each key the focus is somewhere, and is seen there."""

    def __init__(self, page: Page) -> None:
        self.page = page
        # Half-way between two colours nobody can tell what has the focus.
        page.emulate_media(reduced_motion="reduce")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.look()

    def look(self) -> str:
        focus = self.page.evaluate(FOCUS)
        assert focus is not None, "the focus is lost"
        assert focus["isSeen"], focus["name"]
        return str(focus["name"])

    def go_to(self, name: str, key: str = "Tab") -> None:
        """With Tab, or another key, to what is called so."""
        for _ in range(60):
            if re.search(name, self.look()):
                return
            self.press(key)
        raise AssertionError(f"{name!r} is not reached")


@on_sqlite
def test_a_chat_is_led_by_keys_alone(alice, provider):
    page, keys = alice, Keys(alice)
    answers = page.locator(".message-assistant")
    send = page.get_by_role("button", name="Send")
    provider.reply_with(Reply("First."), Reply(WORDS, delay=0.05), Reply("Third."))

    page.keyboard.type("One?")
    keys.press("Enter")
    expect(answers).to_contain_text("First.")
    expect(send).to_be_visible()
    assert keys.look() == "Your message"
    page.keyboard.type("Two?")
    keys.press("Enter")
    expect(answers.last).to_contain_text("w3")
    keys.press("Escape")
    expect(page.get_by_text("You stopped this answer.")).to_be_visible()
    assert keys.look() == "Your message"

    keys.go_to("^Edit$", "Shift+Tab")
    keys.press("Enter")
    assert keys.look() == "Your question in other words"
    page.keyboard.type(" Or else?")
    keys.press("Enter")
    expect(answers.last).to_contain_text("Third.")
    expect(send).to_be_visible()
    assert keys.look() == "Your message"
    keys.go_to("Previous version", "Shift+Tab")
    keys.press("Enter")
    expect(page.locator(".message-user .version-position").last).to_have_text("1/2")
    # That way there is no more; the other one is the next to be pressed.
    assert keys.look() == "Next version"


@on_sqlite
def test_a_chat_is_deleted_brought_back_and_restored_by_keys_alone(alice, server):
    page, keys = alice, Keys(alice)
    add_every_kind(server)
    page.reload()
    expect(page.get_by_label("Your message")).to_be_focused()

    def delete() -> None:
        keys.press("Control+k")
        assert keys.look() == "Search chats"
        keys.go_to("Actions for Every kind")
        keys.press("Enter")
        assert keys.look() == "Rename"
        keys.press("ArrowDown", "Enter")
        expect(page.locator("#chat-list a")).to_have_count(0)
        keys.look()

    delete()
    keys.go_to("^Undo$")
    keys.press("Enter")
    expect(page.locator("#chat-list a")).to_be_focused()
    keys.look()
    delete()
    keys.go_to("^Trash$")
    keys.press("Enter")
    assert keys.look() == "Back to the chats"
    expect(page.get_by_role("button", name="Restore Every kind")).to_be_visible()
    keys.press("Tab", "Enter")
    expect(page.get_by_text("The trash is empty.")).to_be_visible()
    assert keys.look() == "Back to the chats"
    keys.press("Enter")
    expect(page.locator("#chat-list a")).to_have_text("Every kind")
    assert keys.look() == "Trash"


@on_sqlite
def test_an_answer_is_announced_at_its_beginning_and_end_alone(alice, provider):
    page = alice
    page.evaluate(
        """() => {
          window.said = [];
          const live = "[aria-live]:not([aria-live=off]), [role=status], [role=alert], [role=log]";
          new MutationObserver((changes) => {
            for (const { target } of changes) {
              const region = (target.closest ? target : target.parentElement)?.closest(live);
              const text = region?.textContent.trim();
              if (text && text !== window.said.at(-1)) window.said.push(text);
            }
          }).observe(document.body, { childList: true, characterData: true, subtree: true });
        }"""
    )
    provider.reply_with(Reply(" ".join(f"w{n}" for n in range(40)), delay=0.02))

    page.keyboard.type("Count.")
    page.keyboard.press("Enter")
    expect(page.locator(".message-assistant")).to_contain_text("w39")
    expect(page.locator("#announcer")).to_have_text("The answer is complete.")

    assert page.evaluate("window.said") == ["The answer has begun.", "The answer is complete."]


@on_sqlite
def test_text_from_right_to_left_runs_so_wherever_it_stands(alice, provider):
    page = alice
    hebrew = "מה ההבדל בין רשימה לבין מערך?"
    provider.reply_with(Reply(f"{hebrew}\n\nAnd this from left to right."))

    def direction(selector: str) -> str:
        return str(
            page.locator(selector).first.evaluate("each => getComputedStyle(each).direction")
        )

    field = page.get_by_label("Your message")
    field.fill(hebrew)
    assert direction("#composer-text") == "rtl"
    page.keyboard.press("Enter")
    expect(page.locator(".message-assistant")).to_contain_text("left to right")
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    page.reload()

    question = page.locator(".message-user .message-body")
    expect(question).to_have_text(hebrew)
    assert question.evaluate("each => getComputedStyle(each).unicodeBidi") == "plaintext"
    paragraphs = page.locator(".message-assistant .message-body p")
    assert paragraphs.evaluate_all("all => all.map(each => getComputedStyle(each).direction)") == [
        "rtl",
        "ltr",
    ]
    for selector in ("#chat-title", "#chat-list a"):
        assert direction(selector) == "rtl"
    page.get_by_role("searchbox", name="Search chats").fill(hebrew[:8])
    expect(page.locator(".found-title")).to_be_visible()
    for selector in ("#chat-search", ".found-title"):
        assert direction(selector) == "rtl"
    # The page itself stays as it was.
    assert direction("body") == "ltr"
