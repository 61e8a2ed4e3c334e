"""What scripts wait for: a skeleton while it is on its way, and a way out if it cannot be had."""

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.e2e.conftest import on_sqlite
from tests.e2e.steps import ask

pytestmark = pytest.mark.browser
expect.set_options(timeout=15_000)


def try_again(page: Page, inside: Locator) -> None:
    """Once the server is there again."""
    page.unroute_all()
    inside.get_by_role("button", name="Try again").click()


@on_sqlite
def test_what_cannot_be_had_is_tried_again(alice):
    page = alice
    page.route("**/api/**", lambda route: route.abort())
    page.reload()

    usage = page.get_by_role("region", name="AI Usage")
    expect(usage).to_contain_text("The numbers could not be loaded.")
    try_again(page, usage)
    expect(usage.locator('[data-usage="today"] .usage-tokens')).to_have_text("0")
    expect(usage.get_by_role("button", name="AI Usage")).to_be_focused()

    page.route("**/api/**", lambda route: route.abort())
    field = page.get_by_label("Your message")
    field.fill("/")
    panel = page.locator("#prompt-panel")
    expect(panel.get_by_role("alert")).to_contain_text("The prompts could not be loaded.")
    try_again(page, panel)
    expect(panel).to_contain_text("There are no prompts yet.")
    expect(panel.get_by_role("alert")).to_be_hidden()
    expect(field).to_be_focused()

    ask(page, "What does this cost?")
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    page.route("**/api/**", lambda route: route.abort())
    details = page.get_by_role("button", name="Details")
    details.click()
    told = page.locator(".message-assistant .answer-usage")
    expect(told).to_contain_text("The numbers could not be loaded.")
    try_again(page, told)
    expect(told).to_have_text("10 tokens in, 5 out · no price known")
    expect(details).to_be_focused()


@on_sqlite
def test_a_skeleton_stands_for_what_is_on_its_way(alice):
    page = alice
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/api/**", hold)
    trash = page.locator("#trash-view")

    page.get_by_role("button", name="Trash", exact=True).click()

    expect(trash).to_have_attribute("aria-busy", "true")
    expect(trash.locator(".skeleton")).to_be_visible()
    delay = "skeleton => getComputedStyle(skeleton).animationDelay"
    assert trash.locator(".skeleton").evaluate(delay) == "0.15s"
    page.emulate_media(reduced_motion="reduce")
    times = "bar => getComputedStyle(bar).animationIterationCount"
    assert trash.locator(".skeleton i").first.evaluate(times) == "1"
    for route in held:
        route.continue_()
    expect(trash).to_contain_text("The trash is empty.")
    expect(trash.locator(".skeleton")).to_be_hidden()
    assert trash.get_attribute("aria-busy") is None


@on_sqlite
def test_a_report_that_cannot_be_refreshed_keeps_its_numbers(alice, server):
    page = alice
    page.goto(f"{server.url}/admin/analytics/")
    report = page.locator("#report")
    # By an abort the browser would complain in the console.
    page.evaluate("() => { window.real = fetch; window.fetch = async () => { throw Error(); }; }")

    page.get_by_label("Refresh every minute").check()

    expect(report).to_contain_text("It could not be refreshed.")
    expect(report.locator(".stat").first).to_be_visible()
    page.evaluate("() => { window.fetch = window.real; }")
    report.get_by_role("button", name="Try again").click()
    expect(report).not_to_contain_text("It could not be refreshed.")
    expect(report.locator(".window")).to_be_focused()
