"""Prompts: made on their page, put in by `/`."""

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def keep(page: Page, name: str, text: str) -> None:
    page.goto(page.url.split("/c/")[0].removesuffix("/prompts").rstrip("/") + "/prompts")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Text").fill(text)
    page.get_by_role("button", name="Keep it").click()
    expect(page.get_by_role("status")).to_have_text(f"“{name}” is kept.")


def test_a_slash_finds_a_prompt_and_enter_puts_it_in(alice, server):
    page = alice
    keep(page, "Summary", "Sum this up in three sentences:\n")
    keep(page, "Translate", "Translate into French: ")
    page.goto(server.url)
    field = page.get_by_label("Your message")

    field.press_sequentially("/")
    expect(page.get_by_role("option")).to_have_count(2)
    field.press_sequentially("tran")
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("Enter")

    expect(field).to_have_value("Translate into French:")
    expect(page.locator("#prompt-panel")).to_be_hidden()
    expect(page.locator(".message-user")).to_have_count(0)


def test_escape_closes_the_list_and_keeps_the_slash(alice, server):
    page = alice
    keep(page, "Summary", "Sum this up.")
    page.goto(server.url)
    field = page.get_by_label("Your message")

    field.press_sequentially("/")
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("Escape")

    expect(page.locator("#prompt-panel")).to_be_hidden()
    expect(field).to_have_value("/")
    expect(field).to_be_focused()


def test_on_a_phone_a_tap_puts_a_prompt_in(alice, server, open_page):
    keep(alice, "Summary", "Sum this up.")
    page = open_page(
        viewport={"width": 390, "height": 844},
        has_touch=True,
        is_mobile=True,
        storage_state=alice.context.storage_state(),
    )
    page.goto(server.url)
    field = page.get_by_label("Your message")

    field.tap()
    field.press_sequentially("/")
    page.get_by_role("option").tap()

    expect(field).to_have_value("Sum this up.")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
