"""Keyboard shortcuts, and the sheet that lists them."""

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import on_sqlite
from tests.e2e.steps import ask
from tests.e2e.test_chat import wait_for_answer
from tests.fakes.provider import Reply

pytestmark = pytest.mark.browser


@on_sqlite
def test_a_question_mark_shows_the_sheet_but_not_while_typing(alice):
    page = alice
    sheet = page.get_by_role("dialog", name="Keyboard shortcuts")
    page.get_by_label("Your message").press("?")
    expect(page.get_by_label("Your message")).to_have_value("?")
    expect(sheet).to_be_hidden()

    page.get_by_label("Your message").blur()
    page.keyboard.press("?")
    expect(sheet).to_be_visible()
    field = sheet.locator("dl > div").filter(has_text="Go to the message field")
    expect(field.locator("dd")).to_have_text("Shift Esc or /")
    page.keyboard.press("Escape")

    expect(sheet).to_be_hidden()


@on_sqlite
def test_a_slash_outside_of_fields_goes_to_the_message_field(alice):
    page = alice
    page.get_by_label("Your message").blur()

    page.keyboard.press("/")

    expect(page.get_by_label("Your message")).to_be_focused()
    expect(page.get_by_label("Your message")).to_have_value("")


@on_sqlite
def test_chats_are_gone_through_and_begun_by_keys(alice, server):
    page = alice
    for question in ("First", "Second"):
        page.goto(server.url)
        ask(page, question)
        wait_for_answer(page)

    page.keyboard.press("Alt+ArrowDown")
    expect(page.locator("#chat-title")).to_have_text("First")
    page.keyboard.press("Alt+ArrowUp")
    expect(page.locator("#chat-title")).to_have_text("Second")
    page.keyboard.press("Control+Shift+O")

    page.wait_for_url(f"{server.url}/")


@on_sqlite
def test_on_a_phone_the_account_menu_shows_the_sheet(alice, server, open_page):
    page = open_page(
        viewport={"width": 390, "height": 844},
        has_touch=True,
        is_mobile=True,
        storage_state=alice.context.storage_state(),
    )
    page.goto(server.url)

    page.get_by_role("button", name="Open the list of chats").tap()
    page.locator(".account summary").tap()
    page.get_by_role("button", name="Keyboard shortcuts").tap()

    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390


@on_sqlite
def test_the_list_is_searched_and_folded_by_keys(alice):
    page = alice

    page.keyboard.press("Control+Shift+S")
    expect(page.get_by_role("searchbox", name="Search chats")).to_be_hidden()
    page.keyboard.press("Control+K")

    expect(page.get_by_role("searchbox", name="Search chats")).to_be_focused()


@on_sqlite
def test_the_last_answer_is_copied_by_keys(alice, provider):
    page = alice
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    provider.reply_with(Reply("An **answer**."))
    ask(page, "One?")
    wait_for_answer(page)

    page.keyboard.press("Control+Shift+C")

    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "An **answer**."
