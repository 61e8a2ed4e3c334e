"""A person chooses how the pages look, and takes a chat along."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import on_sqlite
from tests.e2e.steps import ask
from tests.fakes.provider import Reply

pytestmark = pytest.mark.browser


@on_sqlite
def test_a_theme_holds_on_every_page_and_on_a_phone(alice, server, open_page):
    page = alice
    # A second click closes the menu, and does not log out.
    page.locator(".account summary").dblclick()
    expect(page.get_by_role("link", name="Settings")).to_be_hidden()
    page.locator(".account summary").click()
    page.get_by_role("link", name="Settings").click()
    page.get_by_label("Dark").check()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.get_by_role("button", name="Save")).to_be_in_viewport()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("Your settings are saved.")

    phone = open_page(
        viewport={"width": 390, "height": 844}, storage_state=page.context.storage_state()
    )
    for each in (page, phone):
        for address in (
            "/",
            "/settings",
            "/settings/data",
            "/settings/links",
            "/password",
            "/tokens",
        ):
            each.goto(f"{server.url}{address}")
            background = each.evaluate("getComputedStyle(document.body).backgroundColor")
            assert background == "rgb(28, 27, 25)"
            width = each.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert width <= 0


@on_sqlite
def test_a_chat_is_exported_from_the_menu_beside_its_title(alice, provider):
    page = alice
    expect(page.locator("#head-menu")).to_be_hidden()
    provider.reply_with(Reply(text="It is 42."))
    ask(page, "What is the answer?")
    expect(page.locator(".message-assistant")).to_contain_text("It is 42.")
    expect(page.get_by_role("button", name="Send")).to_be_visible()

    page.locator("#head-menu summary").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Export as Markdown").click()

    assert download.value.suggested_filename == "What is the answer.md"
    text = Path(download.value.path()).read_text()
    assert "It is 42." in text
    expect(page.locator("#head-menu summary")).to_be_focused()
