"""What stands over the conversation while a provider or Redis is away."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import on_sqlite
from tests.e2e.steps import ask, choose_model
from tests.e2e.test_chat import answers
from tests.e2e.test_frames import Stand
from tests.fakes.provider import Reply

pytestmark = pytest.mark.browser
expect.set_options(timeout=15_000)

AWAY = Reply(status=503, error={"error": {"message": "no"}})


def banner(page: Page):
    return page.locator("#banner")


@on_sqlite
def test_a_provider_that_is_away_is_told_with_a_way_out_until_it_is_back(
    alice, server, provider, open_page
):
    provider.reply_with(AWAY, AWAY, AWAY, AWAY)
    phone = open_page(
        viewport={"width": 390, "height": 844},
        has_touch=True,
        is_mobile=True,
        storage_state=alice.context.storage_state(),
    )
    phone.goto(server.url)
    expect(phone.get_by_label("Your message")).to_be_visible()
    expect(banner(phone)).to_be_hidden()

    ask(alice, "One?")
    expect(alice.get_by_role("button", name="Retry")).to_be_visible()
    ask(alice, "Two?")

    away = f"127.0.0.1:{provider.port} does not answer at the moment."
    for page in (alice, phone):
        expect(banner(page)).to_contain_text(away)
        assert page.evaluate("document.documentElement.scrollWidth") == page.viewport_size["width"]
    # Put away on the phone, which holds behind a reload as well.
    phone.get_by_role("button", name="Dismiss this notice").tap()
    expect(banner(phone)).to_be_hidden()
    phone.reload()
    expect(phone.get_by_label("Your message")).to_be_visible()
    expect(banner(phone)).to_be_hidden()
    # The way out. Both providers are the same server here, under two names.
    alice.get_by_role("button", name="Choose another model").press("Enter")
    expect(alice.get_by_role("combobox", name="Search models")).to_be_focused()
    alice.get_by_role("option", name="claude-test").click()
    expect(banner(alice)).to_be_hidden()
    expect(alice.get_by_role("button", name="Model:")).to_be_focused()

    choose_model(alice, "gpt-test")
    expect(banner(alice)).to_contain_text(away)
    ask(alice, "Three?")

    expect(answers(alice).last).to_have_text(re.compile("The answer is 42"))
    expect(banner(alice)).to_be_hidden()


REDIS = {
    "name": "redis",
    "label": "Redis",
    "state": "away",
    "since": "2026-11-28T09:00:00+00:00",
}
LONG = "\n\n".join(f"Paragraph {number}." for number in range(60))
TOP_OF_30 = """() => [...document.querySelectorAll('.message-body p')]
  .find(each => each.textContent === 'Paragraph 30.').getBoundingClientRect().top"""


@on_sqlite
def test_a_notice_that_comes_and_goes_leaves_what_is_read_where_it_is(alice, server):
    stand = Stand(alice)
    stand.on_send = stand.start
    alice.route_web_socket("**/ws/assistant", stand.open)
    alice.goto(server.url)
    ask(alice, "Write much.")
    stand.event("delta", 1, channel="text", text=LONG)
    stand.event("finished", 2, status="done", error=None)
    expect(answers(alice)).to_contain_text("Paragraph 59.")
    alice.locator("#thread-scroll").evaluate("each => { each.scrollTop = 600; }")
    before = alice.evaluate(TOP_OF_30)

    stand.say(type="services", troubles=[REDIS])

    expect(banner(alice)).to_contain_text("may come late at the moment. Nothing is lost.")
    expect(banner(alice)).to_contain_text("Redis does not answer")
    assert alice.evaluate(TOP_OF_30) == before
    alice.get_by_role("button", name="Dismiss this notice").press("Enter")
    expect(banner(alice)).to_be_hidden()
    expect(alice.get_by_label("Your message")).to_be_focused()
    assert alice.evaluate(TOP_OF_30) == before
    stand.say(type="services", troubles=[{**REDIS, "since": "2026-11-28T10:00:00+00:00"}])
    expect(banner(alice)).to_contain_text("Redis does not answer")
    stand.say(type="services", troubles=[])
    expect(banner(alice)).to_be_hidden()
