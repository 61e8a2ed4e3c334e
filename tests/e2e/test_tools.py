"""Tools as a person sees them: what is asked before something is spent, and what came of it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import on_sqlite
from tests.e2e.steps import ask
from tests.fakes.provider import Reply
from tests.fakes.rocketreach import FakeRocketReach, refused
from tests.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("with_rocketreach")]
expect.set_options(timeout=15_000)

LOOKUP = (("call_1", "rocketreach_person_lookup", '{"id":42}'),)
LET_ME_LOOK = Reply("Let me look.", tools=LOOKUP)
QUESTION = "Look up how to reach the person with the id 42 at RocketReach? This costs one credit."
FOUND = Reply("Her address is jane@acme.example.")


@pytest.fixture
def rocketreach() -> Iterator[FakeRocketReach]:
    server = FakeRocketReach().start()
    yield server
    server.stop()


@pytest.fixture
def with_rocketreach(server: Server, rocketreach: FakeRocketReach) -> None:
    server.stop()
    server.start(ROCKETREACH_API_KEY="rr-test", ROCKETREACH_BASE_URL=rocketreach.url)


def card(page: Page) -> Locator:
    return page.get_by_role("list", name="Tools").last.locator(".tool")


def button(page: Page, name: str) -> Locator:
    return card(page).get_by_role("button", name=name)


def last_answer(page: Page) -> Locator:
    return page.locator(".message-assistant .message-body").last


def result_told(provider) -> dict[str, Any]:
    """What the model was told of the last tool."""
    message = provider.requests[-1].body["messages"][-1]
    assert message["role"] == "tool"
    told: dict[str, Any] = json.loads(message["content"])
    return told


@on_sqlite
def test_a_lookup_is_asked_for_and_its_result_stands_in_the_card(alice, provider, rocketreach):
    provider.reply_with(LET_ME_LOOK, FOUND)

    ask(alice, "How do I reach Jane?")

    question = (
        "Look up how to reach the person with the id 42 at RocketReach? This costs one credit."
    )
    expect(alice.get_by_role("group", name=question)).to_be_visible()
    expect(card(alice).locator(".tool-state")).to_have_text("Waits for you")
    assert rocketreach.requests == []
    button(alice, "Allow once").click()
    expect(last_answer(alice)).to_have_text(re.compile("jane@acme.example"))
    expect(card(alice).locator(".tool-state")).to_have_text("Done")
    expect(card(alice).locator(".tool-decision")).to_have_text("Allowed once")
    expect(button(alice, "Deny")).to_be_hidden()
    card(alice).locator("summary").click()
    expect(card(alice).locator(".tool-output")).to_contain_text("jane@acme.example")
    assert rocketreach.paths == ["/person/lookup"]
    assert result_told(provider)["found"] is True


@on_sqlite
def test_a_card_stands_where_the_tool_was_called_also_after_a_reload(alice, provider):
    provider.reply_with(LET_ME_LOOK, FOUND)
    ask(alice, "How do I reach Jane?")
    button(alice, "Allow once").click()
    expect(alice.locator(".message-assistant")).to_contain_text("Her address")

    def order() -> list[str]:
        shown = alice.locator(".message-assistant").inner_text()
        return sorted(["Let me look.", "RocketReach", "Her address"], key=shown.index)

    assert order() == ["Let me look.", "RocketReach", "Her address"]
    alice.reload()
    expect(alice.locator(".message-assistant")).to_contain_text("Her address")
    assert order() == ["Let me look.", "RocketReach", "Her address"]

    alice.reload()

    expect(card(alice).locator(".tool-state")).to_have_text("Done")
    expect(card(alice).locator(".tool-decision")).to_have_text("Allowed once")
    expect(last_answer(alice)).to_have_text(re.compile("jane@acme.example"))


@on_sqlite
def test_a_lookup_that_is_denied_spends_nothing_and_the_answer_goes_on(
    alice, provider, rocketreach
):
    provider.reply_with(LET_ME_LOOK, Reply("Then I cannot tell."))
    ask(alice, "How do I reach Jane?")

    button(alice, "Deny").click()

    expect(last_answer(alice)).to_have_text(re.compile("Then I cannot tell."))
    expect(card(alice).locator(".tool-decision")).to_have_text("Denied")
    assert rocketreach.requests == []
    alice.reload()
    expect(card(alice).locator(".tool-state")).to_have_text("Failed")
    expect(card(alice).locator(".tool-decision")).to_have_text("Denied")


@on_sqlite
def test_what_is_allowed_for_a_chat_is_asked_once_in_it(alice, provider, rocketreach):
    provider.reply_with(LET_ME_LOOK, FOUND)
    ask(alice, "How do I reach Jane?")
    button(alice, "Allow for this chat").click()
    expect(last_answer(alice)).to_have_text(re.compile("jane@acme.example"))

    other = (("call_1", "rocketreach_person_lookup", '{"id":43}'),)
    provider.reply_with(Reply("And him.", tools=other), Reply("Here he is."))
    ask(alice, "And John?")

    expect(last_answer(alice)).to_have_text(re.compile("Here he is."))
    assert rocketreach.paths == ["/person/lookup", "/person/lookup"]


@on_sqlite
def test_the_question_is_in_every_tab_and_after_a_reload_and_answered_once(
    alice, provider, rocketreach
):
    provider.reply_with(LET_ME_LOOK, FOUND)
    ask(alice, "How do I reach Jane?")
    expect(button(alice, "Allow once")).to_be_visible()
    other = alice.context.new_page()
    other.goto(alice.url)
    expect(button(other, "Allow once")).to_be_visible()
    alice.reload()

    button(alice, "Allow once").click()

    for page in (alice, other):
        expect(last_answer(page)).to_have_text(re.compile("jane@acme.example"))
        expect(button(page, "Allow once")).to_be_hidden()
        expect(card(page).locator(".tool-state")).to_have_text("Done")
    assert rocketreach.paths == ["/person/lookup"]


@on_sqlite
def test_a_tool_that_fails_says_so_in_its_card_and_the_answer_goes_on(alice, provider, rocketreach):
    rocketreach.default = refused(402)
    provider.reply_with(LET_ME_LOOK, Reply("I could not find out."))
    ask(alice, "How do I reach Jane?")

    button(alice, "Allow once").click()

    expect(last_answer(alice)).to_have_text(re.compile("I could not find out."))
    expect(card(alice).locator(".tool-state")).to_have_text("Failed")
    expect(card(alice).locator(".tool-fault")).to_contain_text("no credits are left")


@on_sqlite
def test_what_a_tool_gives_is_shown_as_text(alice, provider, rocketreach):
    name = "<img src=x onerror=alert(1)>"
    rocketreach.default = type(rocketreach.default)(body={**rocketreach.default.body, "name": name})
    provider.reply_with(LET_ME_LOOK, FOUND)
    ask(alice, "How do I reach Jane?")

    button(alice, "Allow once").click()

    expect(last_answer(alice)).to_have_text(re.compile("jane@acme.example"))
    expect(card(alice).locator(".tool-output")).to_contain_text(name)
    expect(card(alice).locator("img")).to_have_count(0)


@on_sqlite
def test_a_question_that_is_stopped_can_no_longer_be_answered(alice, provider, rocketreach):
    provider.reply_with(LET_ME_LOOK)
    ask(alice, "How do I reach Jane?")
    expect(button(alice, "Allow once")).to_be_visible()

    alice.get_by_role("button", name="Stop the answer").click()

    expect(button(alice, "Allow once")).to_be_hidden()
    expect(card(alice).locator(".tool-state")).to_have_text("Not finished")
    assert rocketreach.requests == []
