"""Answers that ended early, and what goes on from there."""

import re
import signal

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.e2e.conftest import on_sqlite
from tests.e2e.steps import ask
from tests.fakes.provider import Reply

pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)

FIRST = " ".join(f"w{number}" for number in range(400))
REST = " and the rest."


def answers(page: Page):
    # A page in a hurry has the earlier answer hidden beside the new one.
    return page.locator(".message-assistant:not([hidden])")


def text_of(page: Page) -> str:
    return answers(page).locator(".message-body").inner_text()


def wait_for_the_end(page: Page) -> None:
    expect(page.get_by_role("button", name="Send")).to_be_visible()


@on_sqlite
def test_an_answer_without_text_can_only_be_asked_for_again(alice, provider):
    provider.reply_with(Reply(status=401, error={"error": {"message": "no", "code": "x"}}))

    ask(alice, "Hello?")

    expect(alice.get_by_role("button", name="Retry")).to_be_visible()
    expect(alice.get_by_role("button", name="Continue")).to_have_count(0)


@on_sqlite
def test_a_stopped_answer_is_continued_from_its_end_by_keyboard(alice, provider):
    provider.reply_with(Reply(text=FIRST, delay=0.02), Reply(text=REST))
    ask(alice, "Count.")
    expect(answers(alice)).to_contain_text("w20")
    alice.get_by_role("button", name="Stop the answer").click()
    expect(alice.get_by_text("You stopped this answer.")).to_be_visible()
    stopped = text_of(alice)

    alice.get_by_role("button", name="Continue").focus()
    alice.keyboard.press("Enter")

    expect(answers(alice)).to_contain_text("and the rest.")
    wait_for_the_end(alice)
    assert text_of(alice) == stopped + REST
    expect(alice.get_by_label("Your message")).to_be_focused()
    expect(alice.get_by_role("button", name="Continue")).to_have_count(0)
    alice.reload()
    expect(answers(alice)).to_have_count(1)
    assert text_of(alice) == stopped + REST


@on_sqlite
def test_a_server_killed_in_mid_answer_leaves_a_text_that_continue_completes(
    alice, server, provider
):
    provider.reply_with(Reply(text=FIRST, delay=0.02), Reply(text=REST))
    ask(alice, "Count.")
    expect(answers(alice)).to_have_text(re.compile(r"\bw100\b"))

    server.stop(signal.SIGKILL)
    server.start()
    expect(alice.get_by_text("This answer was interrupted")).to_be_visible()
    kept = text_of(alice)
    alice.get_by_role("button", name="Continue").click()

    expect(answers(alice)).to_contain_text("and the rest.")
    wait_for_the_end(alice)
    # At most one save, of a second with 50 words, is missing.
    assert len(kept.split()) > 45
    assert kept.split() == [f"w{number}" for number in range(len(kept.split()))]
    assert text_of(alice) == kept + REST
    assert len(provider.requests) == 2


@on_sqlite
def test_a_question_of_another_tab_appears_and_its_answer_streams_in(alice, provider):
    ask(alice, "The first?")
    wait_for_the_end(alice)
    other = alice.context.new_page()
    other.goto(alice.url)
    provider.reply_with(Reply(text=FIRST, delay=0.01))

    ask(alice, "The second?")

    expect(other.locator(".message-user")).to_have_text(
        [re.compile("The first"), re.compile("The second")]
    )
    expect(answers(other).nth(1)).to_contain_text("w20")
    expect(other.get_by_role("button", name="Stop the answer")).to_be_visible()
    expect(answers(other).nth(1)).to_contain_text("w399")
    wait_for_the_end(other)
    bodies = [tab.locator(".message-body").all_inner_texts() for tab in (alice, other)]
    assert bodies[0] == bodies[1]
    assert len(provider.requests) == 2


@on_sqlite
def test_what_another_tab_asked_while_this_one_heard_nothing_is_shown(alice, provider):
    ask(alice, "The first?")
    wait_for_the_end(alice)
    other = alice.context.new_page()
    waiting: list[WebSocketRoute] = []
    # The page is there, and its socket does not get through yet.
    # The method itself will not do: a mark is put on what is given.
    other.route_web_socket(re.compile("/ws/assistant"), lambda socket: waiting.append(socket))  # noqa: PLW0108
    other.goto(alice.url)
    expect(other.locator(".message-user")).to_have_count(1)
    provider.reply_with(Reply(), Reply(text=FIRST, delay=0.01))
    ask(alice, "The second?")
    wait_for_the_end(alice)
    ask(alice, "The third?")
    expect(answers(alice).nth(2)).to_contain_text("w20")

    waiting[0].connect_to_server()

    expect(other.locator(".message-user")).to_have_text(
        [re.compile("The first"), re.compile("The second"), re.compile("The third")]
    )
    expect(other.get_by_role("button", name="Stop the answer")).to_be_visible()
    wait_for_the_end(other)
    wait_for_the_end(alice)
    bodies = [tab.locator(".message-body").all_inner_texts() for tab in (alice, other)]
    assert bodies[0] == bodies[1]
    assert bodies[0][-1] == FIRST


@on_sqlite
def test_a_new_chat_of_another_tab_is_listed_without_being_shown(alice, server):
    other = alice.context.new_page()
    other.goto(server.url)

    ask(alice, "What is new?")

    expect(other.get_by_role("link", name="What is new?")).to_be_visible()
    expect(other.locator(".message-user")).to_have_count(0)
    expect(other.get_by_text("What can I help with, Alice?")).to_be_visible()
