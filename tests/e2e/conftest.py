"""A real server, started as a person starts it, and a real browser in front of it."""

import os
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.e2e.steps import make_first_account
from tests.server import CHROMIUM_OPTIONS, Server


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ["CHROMIUM"], args=CHROMIUM_OPTIONS
        )
        yield browser
        browser.close()


@pytest.fixture(params=["sqlite", "mongodb"])
def server(request, tmp_path, provider) -> Iterator[Server]:
    """Freshly installed, nobody there yet, both providers configured; on either store."""
    environment = {
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": provider.openai_url,
        "OPENAI_MODELS": "gpt-test",
        "ANTHROPIC_API_KEY": "sk-test",
        "ANTHROPIC_BASE_URL": provider.anthropic_url,
        "ANTHROPIC_MODELS": "claude-test",
    }
    if request.param == "mongodb":
        base, _, options = os.environ["E2E_MONGODB_URI"].partition("?")
        environment["MONGODB_URI"] = f"{base}e2e_{tmp_path.name}?{options}"
    server = Server(tmp_path, **environment).start()
    yield server
    server.stop()


def on_sqlite(function):
    """For what has nothing to do with the store."""
    return pytest.mark.parametrize("server", ["sqlite"], indirect=True)(function)


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens pages, each in a browser of its own, and fails the test for any error they report."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_one(**options) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", heard)
        return page

    def heard(message) -> None:
        # What is refused while the server or the network is away is the browser's own complaint.
        is_away = "WebSocket connection" in message.text or (
            "net::ERR_" in message.text and "/api/" in message.location["url"]
        )
        if message.type == "error" and not is_away:
            complaints.append(message.text)

    yield open_one
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def alice(server: Server, open_page) -> Page:
    """The first administrator, made through the printed link, on the empty chat page."""
    page = open_page()
    make_first_account(page, server)
    return page
