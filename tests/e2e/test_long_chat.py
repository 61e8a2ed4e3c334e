"""A chat of hundreds of messages: opened at its end, scrolled to its beginning and back."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.chats import add_long_chat
from tests.e2e.conftest import on_sqlite
from tests.e2e.steps import ask, make_first_account

pytestmark = pytest.mark.browser
expect.set_options(timeout=15_000)

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
# The pages of 40 that a view of 800 pixels has near it, the last one, and one that comes or goes.
MOST_SHOWN = 6 * 40


def scroll_to(page: Page, place: str) -> None:
    page.locator("#thread-scroll").evaluate(f"each => {{ each.scrollTop = {place}; }}")


def opened(open_page, server, count: int, viewport=DESKTOP) -> Page:
    """A chat with this many messages, at its end."""
    page = open_page(viewport=viewport)
    make_first_account(page, server)
    add_long_chat(server, count)
    page.goto(f"{server.url}/c/long-{count}")
    expect(message(page, count)).to_be_in_viewport()
    return page


def message(page: Page, number: int):
    return page.locator(f'.message[data-id="m{number}"]')


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
@on_sqlite
def test_a_long_chat_is_read_to_its_beginning_with_few_messages_in_the_page(
    server, open_page, viewport
):
    page = opened(open_page, server, 400, viewport)

    assert page.locator(".message").count() == 40
    most = 0
    for _ in range(300):
        scroll_to(page, "0")
        page.wait_for_timeout(50)
        most = max(most, page.locator(".message").count())
        if message(page, 1).count():
            break
    scroll_to(page, "0")
    expect(message(page, 1)).to_be_in_viewport()
    expect(message(page, 1)).to_contain_text("Question 1: what comes next?")
    expect(message(page, 2).locator("math")).to_have_count(1)
    assert most <= MOST_SHOWN
    page.get_by_role("button", name="Jump to the latest").click()
    expect(message(page, 400)).to_be_in_viewport()
    expect(message(page, 1)).to_have_count(0)
    assert page.locator(".message").count() <= MOST_SHOWN


@on_sqlite
def test_what_is_read_stays_where_it_is_as_earlier_messages_come(server, open_page):
    page = opened(open_page, server, 200)
    held = []

    def hold(route) -> None:
        held.append(route)

    page.route("**/api/assistant/earlier*", hold)

    scroll_to(page, "0")
    expect(message(page, 161)).to_be_in_viewport()
    before = message(page, 161).bounding_box()
    expect(page.locator("#thread-scroll")).to_have_attribute("aria-busy", "true")
    held[0].continue_()
    expect(message(page, 121)).to_have_count(1)

    assert message(page, 161).bounding_box()["y"] == pytest.approx(before["y"], abs=1)
    page.unroute_all(behavior="ignoreErrors")


@on_sqlite
def test_earlier_messages_that_do_not_come_are_asked_for_again(server, open_page):
    page = opened(open_page, server, 100)
    page.route(
        "**/api/assistant/earlier*",
        lambda route: route.fulfill(status=200, content_type="application/json", body="null"),
        times=1,
    )
    scroll_to(page, "0")
    page.get_by_role("button", name="Try again").click()

    expect(message(page, 21)).to_have_count(1)


@on_sqlite
def test_a_question_far_up_is_edited_and_its_versions_are_switched(server, open_page):
    page = opened(open_page, server, 200)
    for _ in range(300):
        scroll_to(page, "0")
        page.wait_for_timeout(50)
        if message(page, 101).count():
            break
    message(page, 101).scroll_into_view_if_needed()
    message(page, 101).hover()
    message(page, 101).get_by_role("button", name="Edit").click()
    page.get_by_label("Your question in other words").fill("Other words?")
    page.locator(".edit").get_by_role("button", name="Send").click()
    expect(page.locator(".message-user").last).to_contain_text("Other words?")
    expect(page.locator(".message-assistant").last.locator(".answer-made")).to_be_visible()
    assert message(page, 102).count() == 0

    changed = page.locator(".message-user").last
    changed.hover()
    changed.get_by_role("button", name="Previous version").click()

    expect(message(page, 101)).to_be_in_viewport()
    expect(message(page, 101).locator(".version-position")).to_have_text("1/2")
    page.get_by_role("button", name="Jump to the latest").click()
    expect(message(page, 200)).to_be_in_viewport()
    ask(page, "And on?")
    expect(page.locator(".message-user").last).to_contain_text("And on?")
    expect(page).to_have_url(re.compile("/c/long-200$"))


@on_sqlite
def test_a_question_that_was_asked_far_up_before_a_reload_has_what_leads_to_it(server, open_page):
    page = opened(open_page, server, 100)
    # As it is when the server is away: remembered, and not known to be saved.
    page.evaluate(
        """() => {
          const { userId } = JSON.parse(document.getElementById("page-data").textContent);
          const question = {
            type: "send", requestId: "r-new", conversationId: "long-100", messageId: "m-new",
            parentId: "m20", text: "Asked while it was away?", model: "openai:gpt-test",
          };
          sessionStorage.setItem(`chatcore:${userId}:leaf:long-100`, "m20");
          sessionStorage.setItem(`chatcore:${userId}:pending`, JSON.stringify(question));
        }"""
    )

    page.reload()

    expect(page.locator(".message-user").last).to_contain_text("Asked while it was away?")
    expect(page.locator(".message-assistant").last.locator(".answer-made")).to_be_visible()
    expect(message(page, 20)).to_have_count(1)
    expect(message(page, 21)).to_have_count(0)
    expect(page.locator(".message-user").last.locator(".version-position")).to_have_text("2/2")
