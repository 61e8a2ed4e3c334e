"""The conversation itself: what can be done with a message, and where the reader is."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import on_sqlite
from tests.e2e.steps import ask
from tests.fakes.provider import Reply

pytestmark = pytest.mark.browser
expect.set_options(timeout=15_000)

LONG = "\n\n".join(f"Paragraph {number}." for number in range(60))


def wait_for_answer(page: Page) -> None:
    expect(page.get_by_role("button", name="Send")).to_be_visible()


def questions(page: Page):
    return page.locator(".message-user .message-body")


def answers(page: Page):
    return page.locator(".message-assistant .message-body")


def position(page: Page, role: str):
    return page.locator(f".message-{role} .version-position")


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).last.click()


@on_sqlite
def test_an_answer_is_copied_as_markdown_and_says_who_made_it_when(alice):
    alice.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask(alice, "What is the answer?")
    wait_for_answer(alice)

    press(alice, "Copy")

    expect(alice.get_by_role("button", name="Copied", exact=True)).to_be_visible()
    copied = alice.evaluate("navigator.clipboard.readText()")
    assert copied == "The answer is 42, and it comes **word by word**."
    made = alice.locator(".answer-made")
    expect(made.locator("span")).to_have_text(re.compile("test$"))
    expect(made.locator("time")).to_have_attribute("title", re.compile(r"20\d\d"))


@on_sqlite
def test_where_a_page_may_not_copy_the_text_is_selected_and_it_says_what_to_do(alice, provider):
    page = alice
    page.context.grant_permissions(["clipboard-read"])
    provider.reply_with(Reply("Run **this**:\n\n```sh\nls -l\n```"))
    ask(page, "How?")
    wait_for_answer(page)
    message, code = page.locator(".message-assistant"), page.locator(".message-assistant .code")
    selected = "getSelection().toString().trim()"

    # Forbidden, but the older way is open.
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error()); }")
    press(page, "Copy")
    expect(message.get_by_role("button", name="Copied", exact=True)).to_be_focused()
    assert page.evaluate("navigator.clipboard.readText()") == "Run **this**:\n\n```sh\nls -l\n```"

    # No way at all, as on a page without https.
    page.evaluate("() => { document.execCommand = () => false; }")
    code.get_by_role("button", name="Copy").click()
    expect(code.get_by_role("button", name="Press Ctrl+C")).to_be_visible()
    assert page.evaluate(selected) == "ls -l"
    message.locator("[data-action=copy]").click()

    expect(message.locator(".message-actions")).to_contain_text("Press Ctrl+C")
    assert page.evaluate(selected).startswith("Run this:")


def test_a_question_in_other_words_is_a_branch_that_a_reload_keeps(alice, provider):
    provider.reply_with(Reply("The first."), Reply("The second."), Reply("The third."))
    ask(alice, "One?")
    wait_for_answer(alice)

    press(alice, "Edit")
    field = alice.get_by_label("Your question in other words")
    expect(field).to_be_focused()
    field.fill("Two?")
    alice.keyboard.press("Enter")

    expect(answers(alice)).to_have_text(["The second."])
    wait_for_answer(alice)
    expect(questions(alice)).to_have_text(["Two?"])
    expect(position(alice, "user")).to_have_text("2/2")
    press(alice, "Previous version")
    expect(answers(alice)).to_have_text(["The first."])
    expect(alice.locator("#announcer")).to_have_text("Version 1 of 2.")
    expect(alice.get_by_role("button", name="Next version").first).to_be_focused()
    alice.reload()
    expect(answers(alice)).to_have_text(["The first."])
    expect(position(alice, "user")).to_have_text("1/2")

    ask(alice, "And then?")

    expect(answers(alice)).to_have_text(["The first.", "The third."])
    wait_for_answer(alice)
    said = [each["content"] for each in provider.requests[-1].body["messages"]]
    assert said == ["One?", "The first.", "And then?"]


@on_sqlite
def test_escape_leaves_a_question_as_it_was(alice):
    ask(alice, "One?")
    wait_for_answer(alice)

    press(alice, "Edit")
    alice.keyboard.type("Two?")
    alice.keyboard.press("Escape")

    expect(questions(alice)).to_have_text(["One?"])
    expect(alice.get_by_role("button", name="Edit")).to_be_focused()


@on_sqlite
def test_another_answer_stands_beside_the_first_and_other_tabs_stay_where_they_are(alice, provider):
    provider.reply_with(Reply("The first."), Reply("The second."))
    ask(alice, "One?")
    wait_for_answer(alice)
    other = alice.context.new_page()
    other.goto(alice.url)
    expect(answers(other)).to_have_text(["The first."])

    press(alice, "Regenerate")

    expect(answers(alice)).to_have_text(["The second."])
    wait_for_answer(alice)
    expect(position(alice, "assistant")).to_have_text("2/2")
    expect(position(other, "assistant")).to_have_text("1/2")
    expect(answers(other)).to_have_text(["The first."])
    press(other, "Next version")
    expect(answers(other)).to_have_text(["The second."])
    press(alice, "Previous version")
    expect(answers(alice)).to_have_text(["The first."])
    expect(answers(other)).to_have_text(["The second."])


@on_sqlite
def test_a_changed_question_that_is_refused_stays_in_its_field(alice, server, provider):
    ask(alice, "One?")
    wait_for_answer(alice)
    server.stop()
    server.start(ASSISTANT_LIMIT="1/1h")
    alice.reload()
    ask(alice, "Two?")
    expect(answers(alice)).to_have_count(2)
    wait_for_answer(alice)

    alice.get_by_role("button", name="Edit").first.click()
    alice.get_by_label("Your question in other words").fill("In other words?")
    alice.keyboard.press("Enter")

    field = alice.get_by_label("Your question in other words")
    expect(alice.locator("#composer-wait")).to_be_visible()
    expect(field).to_have_value("In other words?")
    expect(answers(alice)).to_have_count(2)


@on_sqlite
@pytest.mark.parametrize("width", [1280, 390])
def test_the_view_follows_the_end_unless_the_reader_has_scrolled_up(
    alice, provider, open_page, width
):
    alice.set_viewport_size({"width": width, "height": 700})
    provider.reply_with(Reply(LONG, delay=0.03))
    ask(alice, "Write much.")
    expect(answers(alice)).to_contain_text("Paragraph 30.")
    jump = alice.locator("#jump")
    expect(jump).to_be_hidden()

    alice.locator("#thread-scroll").evaluate("each => { each.scrollTop = 0; }")

    expect(jump).to_be_visible()
    expect(jump).to_contain_text("New")
    wait_for_answer(alice)
    assert alice.locator("#thread-scroll").evaluate("each => each.scrollTop") < 5
    jump.click()
    expect(jump).to_be_hidden()
    alice.evaluate(
        "() => { const b = document.getElementById('banner');"
        " b.textContent = 'x'; b.hidden = false; }"
    )
    rest = "each => each.scrollHeight - each.scrollTop - each.clientHeight"
    for _ in range(50):
        if alice.locator("#thread-scroll").evaluate(rest) < 2:
            break
        alice.wait_for_timeout(20)
    assert alice.locator("#thread-scroll").evaluate(rest) < 2
    assert alice.evaluate("document.documentElement.scrollWidth") == width


@on_sqlite
def test_a_touch_screen_always_shows_what_can_be_done(alice, open_page):
    ask(alice, "One?")
    wait_for_answer(alice)
    state = alice.context.storage_state()
    page = open_page(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, storage_state=state
    )

    page.goto(alice.url)

    expect(page.locator(".message-actions").last).to_have_css("opacity", "1")
    assert page.get_by_role("button", name="Copy").last.bounding_box()["height"] >= 44


@on_sqlite
def test_what_an_answer_has_used_is_told_when_it_is_asked_for(alice):
    ask(alice, "One?")
    wait_for_answer(alice)
    details = alice.get_by_role("button", name="Details")

    details.click()

    expect(details).to_have_attribute("aria-expanded", "true")
    shown = alice.locator(".message-assistant .answer-usage")
    expect(shown).to_have_text("10 tokens in, 5 out · no price known")
    details.click()
    expect(shown).to_be_hidden()
