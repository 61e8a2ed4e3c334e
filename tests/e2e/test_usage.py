"""The numbers beside the chats, and a budget that an administrator has set."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import on_sqlite
from tests.e2e.steps import ask
from tests.fakes.provider import Reply

pytestmark = pytest.mark.browser
expect.set_options(timeout=15_000)

# At 100 and 200 dollars for a million tokens: 10 cents and 20 cents.
USED = Reply(usage={"input": 1000, "output": 1000})


def numbers(page: Page) -> list[str]:
    """Tokens and cost of today, and of this month."""
    return [cell.inner_text() for cell in page.locator("#usage tbody td").all()]


def today(page: Page) -> Locator:
    return page.locator('[data-usage="today"]')


def set_price(page: Page, **fields: str) -> None:
    """As an administrator does."""
    page.goto(page.url.split("/c/")[0].rstrip("/") + "/admin/analytics/modelprice/add/")
    page.get_by_label("Pattern:").fill("gpt-test")
    page.get_by_label("Input:").fill(fields["input"])
    page.get_by_label("Output:").fill(fields["output"])
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".success")).to_be_visible()


def set_budget(page: Page, server, dollars: str) -> None:
    page.goto(f"{server.url}/admin/accounts/user/")
    page.get_by_role("link", name="alice@acme.example").click()
    page.get_by_label("Monthly budget:").fill(dollars)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".success")).to_be_visible()


def wait_for_answer(page: Page, number: int) -> None:
    expect(page.locator(".message-assistant")).to_have_count(number)
    expect(page.get_by_role("button", name="Send")).to_be_visible()


def test_the_numbers_are_there_when_an_answer_has_ended(alice, server, provider):
    expect(today(alice)).to_have_text(re.compile(r"0\s*\$0.00"))
    provider.reply_with(Reply(usage={"input": 700, "output": 500, "cached": 100}), USED)

    ask(alice, "What does this cost?")
    wait_for_answer(alice, 1)

    expect(today(alice).locator(".usage-tokens")).to_have_text("1.2k")
    expect(today(alice).locator(".usage-cost")).to_have_text("unpriced")
    assert numbers(alice) == ["1.2k", "unpriced"] * 2

    chat = alice.url
    set_price(alice, input="100", output="200")
    alice.goto(chat)
    ask(alice, "And now?")
    wait_for_answer(alice, 2)

    expect(today(alice).locator(".usage-cost")).to_have_text("$0.30 + unpriced")
    assert numbers(alice) == ["3.2k", "$0.30 + unpriced"] * 2


@on_sqlite
def test_a_budget_is_shown_warns_and_refuses_and_the_question_stays(alice, server, provider):
    set_price(alice, input="100", output="200")
    set_budget(alice, server, "0.70")
    alice.goto(server.url)
    provider.reply_with(USED, USED)
    budget, notice = alice.locator("#usage-budget"), alice.locator("#composer-budget")

    ask(alice, "One?")
    wait_for_answer(alice, 1)
    expect(budget).to_contain_text("42% of your monthly budget, until ")
    expect(notice).to_be_hidden()
    ask(alice, "Two?")
    wait_for_answer(alice, 2)
    expect(budget).to_contain_text("85% of your monthly budget")
    expect(notice).to_have_text("You have used most of your monthly budget: 85%.")

    ask(alice, "Three?")

    expect(alice.locator("#composer-notice")).to_have_text(
        re.compile(
            r"Too little is left of your monthly budget of \$0\.70 for this\. It begins anew on 1 "
        )
    )
    expect(alice.get_by_label("Your message")).to_have_value("Three?")
    expect(alice.locator(".message-user")).to_have_count(2)
    assert len(provider.requests) == 2

    set_budget(alice, server, "0.60")
    alice.goto(server.url)

    expect(notice).to_have_text(re.compile(r"^Your monthly budget is used up until "))
    ask(alice, "Three?")
    expect(alice.locator("#composer-notice")).to_have_text(
        re.compile(r"^Your monthly budget of \$0\.60 is used up\. It begins anew on 1 ")
    )
    # Nobody is locked out of what costs nothing.
    alice.goto(f"{server.url}/admin/")
    expect(alice.get_by_role("heading", name="Recent actions")).to_be_visible()
