"""A person shares a chat, others read it, and it ends."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import on_sqlite
from tests.e2e.steps import ask
from tests.e2e.team import add_team
from tests.e2e.test_chat import wait_for_answer
from tests.fakes.provider import Reply
from tests.server import PASSWORD

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
ANSWER = """\
It is **42**.

![a cat](https://images.example/cat.png)

<script>alert(1)</script>

```python
print(42)
```
"""


def open_dialog(page: Page) -> None:
    page.locator("#head-menu summary").click()
    page.get_by_role("button", name="Share …").click()
    expect(page.get_by_role("dialog", name="Share this chat")).to_be_visible()


def share(page: Page) -> str:
    """The address of the new link."""
    open_dialog(page)
    page.get_by_role("button", name="Make a link").click()
    expect(page.get_by_label("Link", exact=True)).to_be_focused()
    # It ends with the message that is shown last.
    expect(page.get_by_role("button", name="Update to the latest")).to_be_hidden()
    return page.get_by_label("Link", exact=True).input_value()


def copy_without_a_clipboard(page: Page) -> None:
    page.evaluate(
        """() => {
            navigator.clipboard.writeText = () => Promise.reject(new Error("not allowed"));
            document.execCommand = () => false;
        }"""
    )
    page.get_by_role("dialog").get_by_role("button", name="Copy").click()


def log_in(page: Page, email: str) -> None:
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def test_a_colleague_reads_what_was_shared_until_it_is_ended(alice, server, provider, open_page):
    page = alice
    add_team(server, calls_each=1)
    provider.reply_with(Reply(text=ANSWER))
    ask(page, "What is the answer?")
    wait_for_answer(page)
    address = share(page)
    assert re.fullmatch(re.escape(server.url) + r"/s/[0-9a-f]{32}", address)
    copy_without_a_clipboard(page)
    expect(page.get_by_text("The link is selected. Copy it with the keyboard.")).to_be_visible()
    assert page.evaluate("String(getSelection())") == address
    page.keyboard.press("Escape")
    expect(page.locator("#head-menu summary")).to_be_focused()
    ask(page, "And what else?")
    wait_for_answer(page)

    bob = open_page(**PHONE)
    bob.goto(address)
    log_in(bob, "bob@acme.example")
    bob.wait_for_url(address)

    expect(bob.get_by_role("heading", level=1)).to_have_text("What is the answer?")
    expect(bob.locator("strong")).to_have_text("42")
    expect(bob.locator(".code-language")).to_have_text("Python")
    expect(bob.locator(".image-link")).to_contain_text("Show image from images.example")
    expect(bob.locator(".message")).to_have_count(2)
    assert bob.locator("img:not(.brand img), aside, .thread script").count() == 0
    assert bob.evaluate("document.documentElement.scrollWidth") == 390

    open_dialog(page)
    page.get_by_role("button", name="Update to the latest").click()
    expect(page.get_by_role("button", name="Update to the latest")).to_be_hidden()
    bob.reload()
    expect(bob.locator(".message")).to_have_count(4)

    page.get_by_role("button", name="Stop sharing").click()
    page.get_by_role("button", name="Stop for good").click()
    expect(page.get_by_role("button", name="Make a link")).to_be_visible()
    # In a tab whose complaint of a page that is not there is none of ours.
    again = bob.context.new_page()
    assert again.goto(address).status == 404
    expect(again.get_by_role("heading", level=1)).to_have_text("Nothing behind this link")


@on_sqlite
def test_anybody_reads_a_link_without_javascript_and_its_list_ends_it(
    alice, server, provider, open_page
):
    server.stop()
    server.start(SHARING="anyone")
    alice.goto(server.url)
    provider.reply_with(Reply(text=ANSWER))
    ask(alice, "What is the answer?")
    wait_for_answer(alice)
    phone = open_page(**PHONE, storage_state=alice.context.storage_state())
    phone.goto(alice.url)
    address = share(phone)
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    phone.context.grant_permissions(["clipboard-read", "clipboard-write"])
    phone.get_by_role("dialog").get_by_role("button", name="Copy").click()
    expect(phone.get_by_text("The link is copied.")).to_be_visible()
    assert phone.evaluate("navigator.clipboard.readText()") == address

    stranger = open_page(java_script_enabled=False)
    stranger.goto(address)
    expect(stranger.locator(".message-assistant .plain")).to_have_text(ANSWER.strip("\n"))
    expect(stranger.get_by_text("Shared by Alice")).to_be_visible()

    owner = open_page(
        java_script_enabled=False, storage_state=alice.context.storage_state(), **PHONE
    )
    owner.goto(f"{server.url}/settings")
    owner.get_by_role("link", name="Shared links").click()
    owner.get_by_label("Stop sharing What is the answer?").click()
    owner.get_by_role("button", name="Stop for good").click()
    expect(owner.get_by_text("You share no chats.")).to_be_visible()
    assert stranger.context.new_page().goto(address).status == 404
