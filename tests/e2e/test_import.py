"""A person brings the chats along that they had elsewhere."""

import pytest
from playwright.sync_api import expect

from tests.conversations.chatgpt import NOON, answer, as_zip, chat, node, simple
from tests.e2e.conftest import on_sqlite

pytestmark = pytest.mark.browser


def exported(*chats) -> dict:
    """A file as a browser sends it."""
    raw = as_zip({"user.json": {}, "conversations.json": list(chats)})
    return {"name": "export.zip", "mimeType": "application/zip", "buffer": raw}


@on_sqlite
def test_chats_of_chatgpt_are_imported_and_nothing_comes_twice(alice, server, open_page):
    page = alice
    other_tab = page.context.new_page()
    other_tab.goto(server.url)
    thought = {"content_type": "thoughts", "thoughts": [{"summary": "Cats", "content": "Meow."}]}
    cats = chat(
        node("q1", None, text="What do cats eat?", at=NOON),
        answer("t1", "q1", content=thought, at=NOON + 1),
        answer("a1", "t1", "**Mice.**", at=NOON + 5),
        title="Cats at home",
    )
    file = exported(cats, simple("Dogs", update_time=NOON - 1), chat(title="Empty"))
    page.goto(f"{server.url}/settings/data")
    result = page.locator("#import-result")
    button = page.get_by_role("button", name="Import chats")

    page.get_by_label("File").set_input_files(file)
    button.focus()
    page.keyboard.press("Enter")

    expect(result).to_contain_text("2 chats imported with 4 messages, 1 skipped.")
    expect(button).to_be_focused()
    expect(page.locator("#import-progress")).to_be_hidden()
    result.get_by_text("What was skipped").click()
    expect(result).to_contain_text("Empty It has no messages.")
    expect(other_tab.get_by_role("link", name="Cats at home")).to_be_visible()
    result.get_by_role("link", name="Go to the chats").click()
    page.get_by_role("link", name="Cats at home").click()
    expect(page.locator(".message-user")).to_contain_text("What do cats eat?")
    expect(page.locator(".message-assistant strong").last).to_have_text("Mice.")

    phone = open_page(
        viewport={"width": 390, "height": 844}, storage_state=page.context.storage_state()
    )
    phone.goto(f"{server.url}/settings/data")
    phone.get_by_label("File").set_input_files(file)
    phone.get_by_role("button", name="Import chats").click()

    expect(phone.locator("#import-result")).to_contain_text("0 chats imported, 2 already there")
    assert phone.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
