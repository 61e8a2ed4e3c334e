"""Where people write: which model answers, long texts, drafts, and a connection that is lost."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import on_sqlite
from tests.e2e.steps import ask
from tests.e2e.test_chat import answers, wait_for_answer
from tests.fakes.provider import Reply

pytestmark = pytest.mark.browser


def model_button(page: Page):
    return page.get_by_role("button", name="Model:")


def field(page: Page):
    return page.get_by_label("Your message")


def shown_models(page: Page) -> list[str]:
    names = page.locator(".model-option:visible").evaluate_all(
        "all => all.map(each => each.dataset.name)"
    )
    return list(names)


@on_sqlite
def test_a_model_is_found_by_typing_and_chosen_by_enter(alice, provider):
    page = alice
    model_button(page).click()
    search = page.get_by_role("combobox", name="Search models")
    expect(search).to_be_focused()
    assert shown_models(page) == ["gpt-test", "claude-test"]

    search.press_sequentially("CLAU")
    assert shown_models(page) == ["claude-test"]
    page.keyboard.press("Enter")

    expect(model_button(page)).to_be_focused()
    expect(model_button(page)).to_contain_text("claude-test")
    ask(page, "Who are you?")
    wait_for_answer(page)
    assert [request.path for request in provider.requests] == ["/v1/messages"]
    page.reload()
    expect(model_button(page)).to_contain_text("claude-test")


@on_sqlite
def test_the_list_of_models_says_prices_and_the_default_and_closes_by_escape(alice):
    page = alice
    model_button(page).press("Enter")
    first = page.get_by_role("option").first
    expect(first).to_contain_text("default")
    expect(first).to_contain_text("no price known")
    expect(first).to_have_attribute("aria-selected", "true")

    page.keyboard.press("ArrowDown")
    active = page.get_by_role("combobox").get_attribute("aria-activedescendant")
    assert page.locator(f"#{active}").get_attribute("data-name") == "claude-test"
    page.keyboard.press("Escape")

    expect(page.locator("#model-popover")).to_be_hidden()
    expect(model_button(page)).to_be_focused()
    expect(model_button(page)).to_contain_text("gpt-test")


@on_sqlite
def test_on_a_phone_the_models_are_a_sheet(alice, server, open_page):
    page = open_page(
        viewport={"width": 390, "height": 844},
        has_touch=True,
        is_mobile=True,
        storage_state=alice.context.storage_state(),
    )
    page.goto(server.url)

    model_button(page).tap()
    box = page.locator(".model-panel").bounding_box()
    assert (box["x"], box["width"], round(box["y"] + box["height"])) == (0, 390, 844)
    page.get_by_role("option", name="claude-test").tap()

    expect(page.locator("#model-popover")).to_be_hidden()
    expect(model_button(page)).to_contain_text("claude-test")
    assert page.evaluate("document.documentElement.scrollWidth") == 390


@on_sqlite
def test_a_long_text_is_quick_and_one_over_the_limit_says_by_how_much(alice):
    page = alice
    took = page.evaluate(
        """() => {
            const field = document.getElementById("composer-text");
            const began = performance.now();
            field.value = "word ".repeat(30000);
            field.dispatchEvent(new Event("input", { bubbles: true }));
            field.getBoundingClientRect();
            return performance.now() - began;
        }"""
    )
    assert took < 1000
    assert field(page).bounding_box()["height"] <= 0.4 * 800 + 1
    expect(page.locator("#composer-count")).to_be_hidden()

    field(page).fill("a" * 190_000)
    expect(page.locator("#composer-count")).to_have_text("190,000 / 200,000")
    field(page).fill("😀" * 200_000)
    expect(page.get_by_role("button", name="Send")).to_be_enabled()
    field(page).fill("a" * 200_012)

    expect(page.locator("#composer-notice")).to_contain_text("This is 12 characters too long.")
    expect(page.get_by_role("button", name="Send")).to_be_disabled()


# What a paste can have: both kinds of line ends, tabs, blanks at the ends, and characters of one to
# seven code points. 100,000 of them, as the server counts.
PIECES = (
    "  Begin\r\n\r\n",
    "\tcafé – naïve\n",
    "😀 👩‍👩‍👧‍👦 🇩🇪\r\n",
    "日本語 עברית\n",
    "plain " * 20,
)
PASTED = "".join(PIECES[number % len(PIECES)] for number in range(5000))


def paste(page: Page, text: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("text => navigator.clipboard.writeText(text)", text)
    field(page).focus()
    page.keyboard.press("Control+End")
    page.keyboard.press("Control+V")


@on_sqlite
def test_a_long_text_that_is_pasted_keeps_each_character_up_to_the_store(alice, server, provider):
    page = alice
    text = PASTED.replace("\r\n", "\n")[:99_998] + "🎉\n"

    paste(page, text[:50_000].replace("\n", "\r\n") + text[50_000:])
    assert field(page).input_value() == text
    page.reload()
    assert field(page).input_value() == text
    page.keyboard.press("Enter")

    wait_for_answer(page)
    assert provider.requests[0].body["messages"][-1]["content"] == text
    chat = page.url.rpartition("/")[2]
    stored = page.request.get(f"{server.url}/api/assistant/conversations?id={chat}").json()
    assert stored["messages"][0]["parts"] == [{"type": "text", "text": text}]
    assert field(page).input_value() == ""
    # One that is too long is kept as well, and says by how much.
    for _ in range(3):
        paste(page, text)
    expect(page.locator("#composer-notice")).to_contain_text("This is 100,000 characters too long.")
    expect(page.get_by_role("button", name="Send")).to_be_disabled()
    page.keyboard.press("Enter")
    page.reload()
    assert field(page).input_value() == 3 * text
    assert len(provider.requests) == 1


@on_sqlite
def test_a_server_that_is_away_is_told_at_the_composer_and_nothing_is_lost(alice, server):
    page = alice
    server.stop()
    away = page.locator("#composer-away")
    expect(away).to_contain_text("The server cannot be reached. You can go on writing.")

    ask(page, "Sent meanwhile")
    field(page).fill("Typed meanwhile")
    server.start()

    expect(answers(page)).to_have_text(re.compile("The answer is 42"), timeout=30_000)
    expect(away).to_be_hidden()
    expect(field(page)).to_have_value("Typed meanwhile")


@on_sqlite
def test_escape_stops_the_answer_from_the_message_field(alice, provider):
    page = alice
    provider.reply_with(Reply(text="word " * 2000, delay=0.01))
    ask(page, "Go on for ever.")
    expect(answers(page)).to_contain_text("word word")
    expect(field(page)).to_be_focused()
    notice = page.get_by_text("Wait until the answer is complete, or stop it.")

    # What is asked meanwhile stays where it is, and says why.
    page.keyboard.type("And then?")
    page.keyboard.press("Enter")
    expect(notice).to_be_visible()
    expect(field(page)).to_have_value("And then?")
    page.keyboard.press("Escape")
    expect(notice).to_be_hidden()

    expect(page.get_by_text("You stopped this answer.")).to_be_visible()
