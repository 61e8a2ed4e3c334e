"""A person who asks more than a limit allows."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import on_sqlite
from tests.e2e.steps import ask
from tests.fakes.provider import Reply

pytestmark = pytest.mark.browser
expect.set_options(timeout=15_000)

SECONDS = 20
QUESTION = "May I ask you one more thing?"
NOTICE = re.compile(r"^You have sent many questions\. You can send again in \d+ (s|min|h)\.$")
# Enough to look at the page on a busy machine.
TIME_TO_LOOK = 8


def wait_line(page: Page):
    return page.locator("#composer-wait")


def announced(page: Page) -> str:
    return page.locator("#announcer").inner_text()


def seconds_left(page: Page) -> int:
    found = re.search(r"(\d+) s", wait_line(page).text_content() or "")
    return int(found[1]) if found else 0


def exceed(page: Page, *, time_to_look: int = TIME_TO_LOOK) -> None:
    """Ask the question until it is refused, with so many seconds left."""
    while seconds_left(page) < time_to_look:
        expect(wait_line(page)).to_be_hidden(timeout=2 * SECONDS * 1000)
        ask(page, QUESTION)
        expect(page.get_by_role("button", name="Send")).to_be_visible()


def limited(page: Page, server, rate: str) -> Page:
    server.stop()
    server.start(ASSISTANT_LIMIT=rate)
    page.reload()
    return page


@on_sqlite
def test_a_question_over_the_limit_stays_and_can_be_sent_when_the_seconds_have_passed(
    alice, server, provider
):
    page = limited(alice, server, f"1/{SECONDS}s")
    exceed(page)
    asked = len(provider.requests)
    field, send = page.get_by_label("Your message"), page.get_by_role("button", name="Send")
    said, left = announced(page), seconds_left(page)

    expect(wait_line(page)).to_have_text(NOTICE)
    expect(field).to_have_value(QUESTION)
    expect(send).to_be_disabled()
    page.keyboard.press("Enter")
    field.press_sequentially(" Please?")
    page.keyboard.press("Enter")
    expect(field).to_have_value(f"{QUESTION} Please?")
    for _ in " Please?":
        page.keyboard.press("Backspace")
    expect(wait_line(page)).not_to_contain_text(f"in {left} s.")
    # The seconds are not read out one by one.
    assert announced(page) == said
    assert said.startswith("You have sent many questions. You can send again in ")

    expect(wait_line(page)).to_be_hidden(timeout=2 * SECONDS * 1000)
    assert announced(page) == "You can send again."
    expect(send).to_be_enabled()
    assert len(provider.requests) == asked
    page.keyboard.press("Enter")

    expect(page.locator(".message-user")).to_have_count(asked + 1)
    expect(page.locator(".message-assistant")).to_have_count(asked + 1)
    expect(field).to_have_value("")
    expect(send).to_be_visible()
    assert len(provider.requests) == asked + 1


@on_sqlite
def test_a_reload_during_the_wait_keeps_the_text_and_asks_nothing(alice, server, provider):
    page = limited(alice, server, "1/d")
    ask(page, "The first?")
    expect(page.locator(".message-assistant")).to_have_count(1)
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    ask(page, QUESTION)
    expect(wait_line(page)).to_have_text(NOTICE)

    page.reload()

    expect(page.get_by_label("Your message")).to_have_value(QUESTION)
    expect(page.locator(".message-user")).to_have_count(1)
    page.get_by_role("button", name="Send").click()
    expect(wait_line(page)).to_have_text(NOTICE)
    expect(page.get_by_label("Your message")).to_have_value(QUESTION)
    assert len(provider.requests) == 1


@on_sqlite
def test_each_tab_that_meets_the_limit_keeps_its_own_text(alice, server, provider):
    page = limited(alice, server, "1/d")
    ask(page, "The first?")
    expect(page.locator(".message-assistant")).to_have_count(1)
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    other = page.context.new_page()
    other.goto(server.url)

    for tab, text in ((page, "In the first tab"), (other, "In the second tab")):
        ask(tab, text)
        expect(wait_line(tab)).to_have_text(NOTICE)

    expect(page.get_by_label("Your message")).to_have_value("In the first tab")
    expect(other.get_by_label("Your message")).to_have_value("In the second tab")
    assert len(provider.requests) == 1


@on_sqlite
def test_a_retry_over_the_limit_leaves_the_failed_answer_where_it_was(alice, server, provider):
    page = limited(alice, server, "1/d")
    provider.reply_with(Reply(cut_after=2))
    ask(page, "Hello?")
    retry = page.get_by_role("button", name="Retry")

    retry.click()

    expect(wait_line(page)).to_have_text(NOTICE)
    expect(page.locator(".message-assistant").get_by_role("alert")).to_be_visible()
    expect(retry).to_be_disabled()
    assert len(provider.requests) == 1
