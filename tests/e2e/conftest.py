"""A real server, started as a person starts it, and a real browser in front of it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.fakes.ports import free_port
from tests.fakes.provider import FakeProvider

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse battery"
START_SECONDS = 20
# Without these Chromium looks for its maker's servers at every start.
CHROMIUM_OPTIONS = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]


class Server:
    """`manage.py start` in a process of its own. It can be stopped, killed and started again."""

    def __init__(self, data_dir: Path, **environment: str) -> None:
        self.port = free_port()
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "ENV_FILE": "",
            "DATA_DIR": str(data_dir),
            "PORT": str(self.port),
            **environment,
        }
        self.log = data_dir / "server.log"
        self.line = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def start(self, **environment: str) -> "Server":
        """Return when the line with the address was printed."""
        self.environment.update(environment)
        with open(self.log, "wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "manage.py", "start"],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            if found := re.search(
                r"^(Make the first account|Chatcore is running).*$", self.said(), re.M
            ):
                self.line = found[0]
                return self
            time.sleep(0.05)
        raise AssertionError(self.said())

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def stop(self, kind: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(kind)
            self._process.wait(timeout=20)
            self._process = None


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ["CHROMIUM"], args=CHROMIUM_OPTIONS
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def _provider() -> Iterator[FakeProvider]:
    server = FakeProvider().start()
    yield server
    server.stop()


@pytest.fixture
def provider(_provider: FakeProvider) -> FakeProvider:
    _provider.requests.clear()
    _provider._queue.clear()
    return _provider


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
        page.on("console", lambda message: heard(message))
        return page

    def heard(message) -> None:
        # A socket that is refused while the server is away is the browser's own complaint.
        if message.type == "error" and "WebSocket connection" not in message.text:
            complaints.append(message.text)

    yield open_one
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def alice(server: Server, open_page) -> Page:
    """The first administrator, made through the printed link, on the empty chat page."""
    page = open_page()
    page.goto(server.line.split()[-1])
    page.get_by_label("Your name").fill("Alice")
    page.get_by_label("Your organisation").fill("Acme")
    page.get_by_label("E-mail").fill("alice@acme.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Make the account").click()
    page.wait_for_url(f"{server.url}/")
    return page
