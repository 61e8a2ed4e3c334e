#!/usr/bin/env python3
"""Take the pictures of the docs anew: `make screenshots`.

Starts the product on an empty folder, with the tests' loopback provider behind it, and looks at it
in the system's Chromium.
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.e2e.steps import ask, make_first_account  # noqa: E402
from tests.e2e.team import add_team  # noqa: E402
from tests.fakes.provider import FakeProvider, Reply  # noqa: E402
from tests.run import find_chromium  # noqa: E402
from tests.server import CHROMIUM_OPTIONS, PASSWORD, Server  # noqa: E402

IMAGES = ROOT / "docs" / "images"

QUESTIONS = {
    "Rename a branch in git without losing its upstream": "Rename it, push the new name, and "
    "delete the old one.",
    "Draft a polite reminder for the quarterly report": "Here is a draft.",
    "How do I read a CSV of a million rows in Python?": """\
For a million rows the standard library is enough, as long as you **stream** instead of loading:

```python
import csv

with open("orders.csv", newline="") as file:
    total = sum(float(row["amount"]) for row in csv.DictReader(file))
```

What each way costs, roughly:

| Way | Memory | Good for |
|---|---|---|
| `csv` | a few kB | one pass, simple sums |
| `pandas` | 5 to 10 times the file | exploring |
| `polars`, lazy | a fraction of the file | joins and groups |

Two things to keep in mind:

1. Open the file with `newline=""`, or quoted line breaks are read wrong.
2. Convert only the columns that you use.""",
}


def main() -> None:
    provider = FakeProvider().start()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server(
            Path(folder),
            OPENAI_API_KEY="sk-none",
            OPENAI_BASE_URL=provider.openai_url,
            OPENAI_MODELS="gpt-6.1-sol",
        ).start()
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_OPTIONS)
        try:
            take(browser, server, provider)
            take_reports(browser, server)
        finally:
            browser.close()
            server.stop()
            provider.stop()


def take(browser: Browser, server: Server, provider: FakeProvider) -> None:
    """The chat page, with which the first account is made."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    make_first_account(page, server)
    for question, answer in QUESTIONS.items():
        page.goto(server.url)
        provider.reply_with(Reply(text=answer))
        ask(page, question)
        wait_for_answer(page)
    shoot(page, "chat")
    address, state = page.url, page.context.storage_state()
    dark = browser.new_page(
        viewport={"width": 1280, "height": 800}, color_scheme="dark", storage_state=state
    )
    phone = browser.new_page(
        viewport={"width": 390, "height": 844}, device_scale_factor=2, storage_state=state
    )
    for other, name in ((dark, "dark"), (phone, "phone")):
        other.goto(address)
        shoot(other, name)


def take_reports(browser: Browser, server: Server) -> None:
    """The page of reports, of a team that has used it for two months."""
    add_team(server, calls_each=12)
    for name, color_scheme in (("analytics", "light"), ("analytics-dark", "dark")):
        page = browser.new_page(
            viewport={"width": 1280, "height": 1120},
            color_scheme=color_scheme,  # type: ignore[arg-type]
        )
        page.goto(f"{server.url}/login?next=/admin/analytics/")
        page.get_by_label("E-mail").fill("alice@acme.example")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.locator("canvas").nth(1).wait_for()
        shoot(page, name)


def wait_for_answer(page: Page) -> None:
    page.locator(".message-assistant .message-waiting").wait_for(state="hidden")
    page.get_by_role("button", name="Send").wait_for()


def shoot(page: Page, name: str) -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    page.wait_for_timeout(400)
    page.screenshot(path=IMAGES / f"{name}.png")


if __name__ == "__main__":
    main()
